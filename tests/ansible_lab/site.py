"""What an operator has before it begins: machines, an image, a wheel of Lictor, and the rights of an administrator."""

import contextlib
import dataclasses
import os
import pathlib
import struct
import subprocess

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from lictor.cli.image import manifest
from tests.lab import cloud, databases
from tests.lab.cloud.settings import AUTH_URL, PORTS
from tests.lab.keystone import Accounts
from tests.systemd_lab.machine import CHECKOUT, Machine
from tests.systemd_lab.network import Network

VENV = CHECKOUT / ".venv-ansible"
WHEELS = VENV / "wheels"
ENTER = pathlib.Path(__file__).parent / "enter"
URL = "postgresql+psycopg://lictor@/postgres?host=/srv/database"
KEY = "0123456789abcdef0123456789abcdef0123456789abcdef"

SERVICES = (*PORTS.values(), 5672)
"""Ports of the cloud and of its message bus, on our 127.0.0.1."""

QCOW2 = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 0, 0, 16, 2**31, 0, 4, 65536, 131072, 1, 0, 0)
"""The head of an empty image, for Glance looks at it."""


@dataclasses.dataclass
class Site:
    """Where Lictor is to be set up."""

    machines: list[Machine]
    database: databases.Server
    directory: pathlib.Path
    image: pathlib.Path
    wheel: pathlib.Path
    public_key: str

    @property
    def machine(self):
        """The first, or only one."""
        return self.machines[0]


@contextlib.contextmanager
def standing(directory, database, apart=()):
    """A site on a cloud without load balancers, with a database of this kind and a bare machine.

    With addresses ``apart``, there is a machine for each, in a network of its own.
    """
    machines = []
    with cloud.cloud(directory / "cloud", balancing=False), databases.server(database) as server:
        server.directory.chmod(0o755)  # Lictor's processes are not root there.
        try:
            for network in [Network(address, SERVICES) for address in apart] or [None]:
                machines.append(Machine(server.directory, bare=True, network=network))
            for machine in machines:
                machine.wait_up()
            yield Site(machines, server, directory, image(directory), wheel(directory), public_key())
        finally:
            for machine in machines:
                machine.remove()


def image(directory):
    """A file that looks like an image, and what `lictor image build` would say of it."""
    file = directory / "amphora.qcow2"
    file.write_bytes(QCOW2.ljust(65536, b"\0"))
    manifest.write(
        manifest.Manifest(
            image=file.name, sha256=manifest.digest(file), bytes=file.stat().st_size, disk_gib=2, base="debian",
            release="bookworm", kernel="cloud", command_line="quiet", built="2026-11-30", packages={}, settings={},
            agent=manifest.Agent(version="0.1.0", sha256="0" * 64, python="3.11", libraries={}), enabled=[], sshd=True,
            mirrors=[], glance=manifest.glance("debian"),
        ),
        file.with_name(f"{file.name}.json"),
    )  # fmt: skip
    return file


def wheel(directory):
    """This checkout, packed."""
    options = ["--no-deps", "--no-index", f"--find-links={WHEELS}", f"--wheel-dir={directory}"]
    command = [VENV / "debian/bin/python", "-m", "pip", "wheel", *options, copy_of_sources(directory)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return next(directory.glob("lictor-*.whl"))


def copy_of_sources(directory):
    """setuptools writes where it builds."""
    copy = directory / "sources"
    copy.mkdir(parents=True)
    parts = [CHECKOUT / name for name in ("pyproject.toml", "README.md", "LICENSE", "src")]
    subprocess.run(["cp", "-r", *parts, copy], check=True)
    return copy


def public_key():
    """Of a key pair whose other half nobody has."""
    key = ed25519.Ed25519PrivateKey.generate().public_key()
    return key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


def environment(user="admin", project="admin"):
    """What a user of the stock client has in the environment: where Keystone is, and nothing of load balancers."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    return kept | Accounts(AUTH_URL).environment(user, project)
