"""One deployment for each file of tests, whose traces are looked for afterwards; load balancers for each test."""

import os

import pytest

from tests.e2e.balancer import Balancer
from tests.e2e.openstack import Openstack
from tests.lab.deployment import Deployment, world
from tests.lab.web import WebServers


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what `lictor up` said last, and whether it still runs."""
    report = yield
    deployment = item.funcargs.get("deployment") if hasattr(item, "funcargs") else None
    if report.failed and deployment is not None and deployment.process is not None:
        title = (
            f"lictor up ended with {deployment.process.poll()}"
            if deployment.process.poll() is not None
            else "lictor up"
        )
        report.sections.append((title, deployment.log.read_text()[-8000:]))
    return report


@pytest.fixture(scope="session", autouse=True)
def sealed():
    if os.environ.get("LICTOR_SEALED") != "1":
        pytest.exit("these tests make links and addresses: run them below tests/lab/sealed", 2)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory, request):
    """A running `lictor up`; the file's CONFIG, if there is one, is its configuration."""
    before = world()
    deployment = Deployment(tmp_path_factory.mktemp("e2e") / "state", getattr(request.module, "CONFIG", ""))
    deployment.start()
    yield deployment
    if deployment.process.poll() is None:
        deployment.stop()
    deployment.down("--purge")
    assert world() == before, "the deployment left something behind"
    assert not deployment.state_dir.exists()


@pytest.fixture(scope="module")
def servers(deployment):
    with WebServers(deployment.state_dir, names=["web1", "web2", "web3"]) as web:
        yield web


@pytest.fixture
def web(servers):
    """The web servers, all healthy again after the test."""
    yield servers
    for server in servers.servers:
        if server.process is None:
            server.start()
        server.healthy()


@pytest.fixture
def openstack(deployment):
    return Openstack(deployment.state_dir / "openrc")


@pytest.fixture
def balancer(deployment):
    """Makes load balancers, each in one call, and deletes them after the test."""
    made = []

    def make(*listeners, name="lb", **more):
        made.append(Balancer(deployment, name, listeners, more))
        return made[-1].wait_active()

    yield make
    for each in made:
        each.delete()
