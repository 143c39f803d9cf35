"""A deployment's drivers on a real host: all of it inside tests/lab/sealed, all of it removed afterwards."""

import dataclasses
import os
import pathlib
import socket
import subprocess
import uuid

import pytest

from lictor import config
from lictor.amphora.client import AgentClient, AgentUnreachable
from lictor.amphora.pki import Authority
from lictor.drivers.compute.base import Boot
from lictor.drivers.compute.netns import NetnsCompute
from lictor.drivers.compute.netns.names import Names
from lictor.drivers.compute.netns.processes import Process, scan
from lictor.drivers.network.base import Port, PortRequest
from lictor.drivers.network.local import LocalNetwork
from lictor.model.base import Base
from lictor.model.store import Store


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not os.environ.get("LICTOR_SEALED"):
        for item in items:
            item.add_marker(pytest.mark.skip(reason="runs inside tests/lab/sealed only"))


def sh(command: str) -> str:
    """The output of a shell command that must succeed."""
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


@dataclasses.dataclass
class Deployment:
    """One state directory with its drivers, as one control plane process would hold them."""

    directory: pathlib.Path
    options: dict[str, object]

    def __post_init__(self) -> None:
        self.directory.mkdir(exist_ok=True)
        self.restart()

    def restart(self) -> None:
        """Forget all that is in memory, as a new control plane process has."""
        self.conf = config.load(lictor__state_dir=str(self.directory), **self.options)
        self.store = Store(config.database_url(self.conf))
        Base.metadata.create_all(self.store.engine)
        self.networking = LocalNetwork(self.conf, self.store)
        self.compute = NetnsCompute(self.conf, self.networking)
        self.names = Names(config.deployment(self.conf))
        self.authority = Authority.open(self.directory / "pki")

    def boot(self, amphora_id: str = "") -> Boot:
        amphora_id = amphora_id or str(uuid.uuid4())
        identity = self.authority.issue_server(amphora_id, 3600)
        ca = self.authority.ca_pem
        return Boot(amphora_id, str(uuid.uuid4()), identity.certificate, identity.private_key, ca)

    def create(self, amphora_id: str = "") -> str:
        boot = self.boot(amphora_id)
        assert self.compute.create(boot).running
        return boot.amphora_id

    def port(self, name: str) -> Port:
        return self.networking.create_ports([PortRequest(name, self.networking.subnets()[0].id)])[0]

    def shell(self, amphora_id: str) -> Process:
        """The amphora's process 1."""
        return scan(self.names)[amphora_id]

    def inside(self, amphora_id: str, command: str) -> str:
        """Run a command inside all of the amphora's namespaces."""
        return sh(f"nsenter -t {self.shell(amphora_id).pid} -n -m -p {command}")

    def agent(self, amphora_id: str) -> int:
        """The pid of its agent, 0 if none runs."""
        pids = sh(f"pgrep -P {self.shell(amphora_id).pid} -f lictor.agent.main || true").split()
        return int(pids[0]) if pids else 0

    def answers(self, amphora_id: str) -> bool:
        """Whether the agent answers over mutual TLS, as this amphora."""
        instance = self.compute.find(amphora_id)
        try:
            report = AgentClient(self.authority, 9443, 1, 2).report(instance.lb_network_ip, amphora_id)
        except AgentUnreachable:
            return False
        return report.amphora_id == amphora_id


def world(*deployments: Deployment) -> dict[str, object]:
    """What amphorae could leave behind: links, named namespaces, mounts, processes, and files beside the database."""
    processes = {}
    for proc in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            processes[proc.name] = (proc / "cmdline").read_text().replace("\0", " ").strip()
        except OSError:
            continue
    tags = [deployment.names.tag for deployment in deployments]
    return {
        "links": {name for _, name in socket.if_nameindex()},
        "namespaces": {path.name for path in pathlib.Path("/run/netns").iterdir()},
        "mounts": {
            line.split()[1] for line in pathlib.Path("/proc/mounts").read_text().splitlines() if "lictor-" in line
        },
        "processes": {words for words in processes.values() if any(tag in words for tag in tags) or "lictor" in words},
        "amphorae": {path for each in deployments for path in each.directory.glob("amphorae/*")},
        "ports": {port for each in deployments for port in each.networking.management_ports()},
    }


@pytest.fixture
def make(tmp_path: pathlib.Path):
    """Makes deployments; what they leave is removed afterwards."""
    made = []

    def deployment(name: str = "state", **options: object) -> Deployment:
        made.append(Deployment(tmp_path / name, options))
        return made[-1]

    yield deployment
    for each in made:
        each.restart()
        each.compute.purge()


@pytest.fixture
def deployment(make) -> Deployment:
    """One deployment with the host prepared."""
    deployment = make()
    deployment.compute.prepare()
    return deployment
