"""A deployment that is killed, the servers behind it, and the look at what is left afterwards."""

import pytest

from lictor import config
from lictor.drivers.compute.netns import NetnsCompute
from lictor.drivers.network.local import LocalNetwork
from lictor.model import schema
from lictor.model.store import Store
from tests.lab.deployment import Deployment, world
from tests.lab.web import WebServers

CONFIG = """
[controller_worker]
lease_duration = 4
poll_interval = 0.5
retry_interval = 0.5
retry_max = 2
[health_manager]
heartbeat_interval = 1
heartbeat_timeout = 8
[house_keeping]
cleanup_interval = 1
orphan_expiry_age = 3
cert_interval = 0.5
"""


@pytest.fixture
def deployment(tmp_path):
    before = world()
    deployment = Deployment(tmp_path / "state", CONFIG)
    yield deployment
    if deployment.process and deployment.process.poll() is None:
        deployment.kill()
    deployment.down("--purge")
    assert world() == before, "the deployment left something behind"


@pytest.fixture
def web(deployment, tmp_path):
    """Two small web servers on the deployment's network; they need its bridges, which `lictor up` then finds made."""
    conf = config.load([str(deployment.config)], lictor__state_dir=str(deployment.state_dir))
    store = Store(f"sqlite:///{tmp_path}/empty.db")
    schema.upgrade(store)
    NetnsCompute(conf, LocalNetwork(conf, store)).prepare()
    with WebServers(deployment.state_dir, names=["web1", "web2"]) as servers:
        yield servers
