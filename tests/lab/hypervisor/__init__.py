"""An all-in-one OpenStack with real virtual machines on one or two hosts: Debian's own (Zed), with QEMU's emulation.

    tests/lab/sealed python -m tests.lab.hypervisor pytest tests/hypervisor_lab

``build`` makes the tree that hosts run from (`make .venv-hypervisor/.ready`), ``settings`` writes the configuration,
``host`` is a host made of namespaces, ``wires`` what is between hosts, ``services`` what runs on them, ``seed`` what
the cloud has on its first day. The first host is in the network namespace of the test, where all APIs listen on
loopback; the second has one of its own. Accounts, networks and images have the names of ``tests.lab.cloud``.

The seeded databases are kept beside the tree: each start begins with a copy, and what it changes goes with it.
"""

import contextlib
import hashlib
import os
import pathlib
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from openstack.connection import Connection

from tests.bench.processes import eventually
from tests.lab import keystone
from tests.lab.cloud import connect
from tests.lab.cloud import seed as cloud_seed
from tests.lab.hypervisor import seed, services, settings, wires
from tests.lab.hypervisor.host import Host

__all__ = ["VARIABLE", "Lab", "beside", "connect", "hypervisor", "there_already"]

VARIABLE = "LICTOR_TEST_HYPERVISOR"
"""Set in the environment if there is such a cloud already."""

_ROOT = settings.VENV / "root"
_SEEDS = (seed, services, settings, cloud_seed, keystone)
"""The modules that say what the databases begin with."""

_KEPT = ("var/lib/mysql", "etc/keystone/fernet-keys", "etc/keystone/credential-keys")
"""What the seeding leaves behind."""

_DATABASE_ENDS = 60.0
"""Seconds that the database may take to end in order."""


@dataclass
class Lab:
    """A running cloud."""

    logs: pathlib.Path
    hosts: list[Host] = field(default_factory=list)

    def place(self, owner: Connection, network: str, name: str) -> "contextlib.AbstractContextManager[str]":
        """An interface ``name`` of the test's namespace in the network of this name: its address."""
        return wires.place(owner, owner.network.find_network(network, ignore_missing=False), name)


@contextlib.contextmanager
def hypervisor(directory: pathlib.Path, hosts: int = 2) -> Iterator[Lab]:
    """A running cloud for the length of the block. Logs and times are in ``directory``/logs.

    Raises ``AssertionError`` with what was said if it does not start, or outside a sealed laboratory.
    """
    assert os.environ.get("LICTOR_SEALED") == "1", (
        "the cloud takes addresses and ports: start it below tests/lab/sealed"
    )
    assert (_ROOT.parent / ".ready").exists(), f"{_ROOT.parent} is not built: make .venv-hypervisor/.ready"
    assert hosts in (1, 2), f"hosts={hosts}: there can be one or two"
    logs = directory / "logs"
    logs.mkdir(parents=True)
    say = _clock(logs / "times")
    seeded = _seeded()
    if not seeded.exists():
        _make_seeded(seeded, directory, logs)
        say("the databases are seeded, and kept")
    with _cloud([seeded, _ROOT], directory, logs, hosts, say) as lab:
        yield lab


def _seeded() -> pathlib.Path:
    """Where the databases are kept: another place whenever others are asked for."""
    texts = [pathlib.Path(str(module.__file__)).read_bytes() for module in _SEEDS]
    return settings.VENV / f"seeded-{hashlib.sha256(b''.join(texts)).hexdigest()[:12]}"


def _clock(times: pathlib.Path) -> Callable[[str], None]:
    began = time.monotonic()

    def say(what: str) -> None:
        with times.open("a") as file:
            print(f"{time.monotonic() - began:6.1f} {what}", file=file)

    return say


def _make_seeded(target: pathlib.Path, directory: pathlib.Path, logs: pathlib.Path) -> None:
    """Run the first host without what makes it a hypervisor, fill its databases, and keep them."""
    with wires.underlay(), Host(1, directory / "seeding", logs / "seeding", [_ROOT]).running() as host:
        services.base(host)
        services.make_schemas(host)
        services.identity(host)
        seed.accounts()
        services.apis(host)
        seed.resources(connect("admin", "admin"), connect("octavia", "service"), connect("alice", "alice"))
        host.run("mariadb-admin", "shutdown")
        eventually(lambda: host.ended("mariadb"), _DATABASE_ENDS, "MariaDB has ended")
        _keep(host.upper, target)


def _keep(upper: pathlib.Path, target: pathlib.Path) -> None:
    part = target.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    for place in _KEPT:
        (part / place).parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "--archive", upper / place, part / place], check=True)
    part.rename(target)


@contextlib.contextmanager
def _cloud(
    layers: Sequence[pathlib.Path], directory: pathlib.Path, logs: pathlib.Path, hosts: int, say: Callable[[str], None]
) -> Iterator[Lab]:
    with contextlib.ExitStack() as stack:
        stack.enter_context(wires.underlay())
        lab = Lab(logs)
        for number in range(1, hosts + 1):
            host = Host(number, directory / settings.name(number), logs / settings.name(number), layers)
            lab.hosts.append(stack.enter_context(host.running()))
        for host in lab.hosts[1:]:
            wires.join(host)
        _run(lab, say)
        yield lab


def _run(lab: Lab, say: Callable[[str], None]) -> None:
    services.base(lab.hosts[0])
    say("the database answers")
    services.identity(lab.hosts[0])
    services.apis(lab.hosts[0])
    say("all APIs answer")
    for host in lab.hosts:
        services.compute(host)
    admin = connect("admin", "admin")
    seed.images(admin)
    say("images are uploaded")
    seed.await_bridges(admin, len(lab.hosts))
    services.network_agents(lab.hosts[0])
    seed.await_hypervisors(admin, len(lab.hosts))
    say("hypervisors are up")
    seed.await_networks(admin)
    say("networks have their DHCP and router")


def there_already() -> bool:
    """Whether we run beside a cloud that somebody else began."""
    return bool(os.environ.get(VARIABLE))


def beside() -> Lab:
    """That cloud. Its hosts can be named, not entered: another process began them."""
    place = pathlib.Path(os.environ[VARIABLE])
    hosts = [
        Host(number, place / settings.name(number), place / "logs" / settings.name(number), []) for number in (1, 2)
    ]
    return Lab(place / "logs", [host for host in hosts if host.logs.exists()])
