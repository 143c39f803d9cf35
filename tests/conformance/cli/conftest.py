import pytest

from tests.conformance.cli.shell import Shell
from tests.lab.deployment import NOOP, Deployment, eventually
from tests.lab.keystone import Keystone, free_port

ANY_SUBNET = "5f4d1b0e-6f0e-4c8e-9b0a-0d5c1a2b3c4d"


@pytest.fixture(scope="session", params=["http_basic", "keystone"])
def shell(request, tmp_path_factory):
    """Each test is typed twice: against a standalone deployment, and against one behind a real Keystone."""
    directory = tmp_path_factory.mktemp(request.param)
    deployment = Deployment(directory / "state", NOOP, free_port())
    start = WithKeystone if request.param == "keystone" else Standalone
    with start(directory, deployment) as environment:
        yield Shell(environment)


class Standalone:
    def __init__(self, _directory, deployment):
        self._deployment = deployment

    def __enter__(self):
        who = self._deployment.start().credentials()
        return {name: value for name, value in who.items() if name.startswith("OS_")}

    def __exit__(self, *error):
        self._deployment.stop()


class WithKeystone(Standalone):
    def __init__(self, directory, deployment):
        super().__init__(directory, deployment)
        self._keystone = Keystone(directory / "keystone")

    def __enter__(self):
        self._keystone.start().seed(self._deployment.endpoint)
        settings = "[api_settings]\nauth_strategy = keystone\n" + self._keystone.authtoken()
        self._deployment.config.write_text(NOOP + settings)
        self._deployment.start()
        return self._keystone.environment()

    def __exit__(self, *error):
        self._deployment.stop()
        self._keystone.stop()


@pytest.fixture
def cli(shell):
    """Type a command; what it prints."""
    return shell.cli


@pytest.fixture
def shown(shell):
    """Type a command; what it prints as JSON."""
    return shell.shown


@pytest.fixture
def refused(shell):
    """Type a command that must fail; what it says."""
    return shell.refused


@pytest.fixture
def settled(shown):
    """Wait until all that was asked of a load balancer is done."""

    def wait(name):
        eventually(lambda: shown(f"show {name}")["provisioning_status"] == "ACTIVE", 20, f"{name} is ACTIVE")

    return wait


@pytest.fixture
def balancer(cli, shown, settled):
    """A load balancer named lb1, which is gone after the test."""
    made = shown(f"create --name lb1 --vip-subnet-id {ANY_SUBNET}")
    settled("lb1")
    yield made
    cli("delete --cascade lb1")
    eventually(lambda: shown("list --name lb1") == [], 20, "lb1 is gone")


@pytest.fixture
def listener(shown, settled, balancer):
    made = shown("listener create --name web --protocol HTTP --protocol-port 80 lb1")
    settled("lb1")
    return made


@pytest.fixture
def pool(shown, settled, balancer):
    made = shown("pool create --name servers --protocol HTTP --lb-algorithm ROUND_ROBIN --loadbalancer lb1")
    settled("lb1")
    return made
