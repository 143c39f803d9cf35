import openstack
import pytest

from tests.lab.deployment import NOOP, Deployment
from tests.lab.keystone import free_port

ANY_SUBNET = "5f4d1b0e-6f0e-4c8e-9b0a-0d5c1a2b3c4d"


@pytest.fixture(scope="session")
def deployment(tmp_path_factory):
    found = Deployment(tmp_path_factory.mktemp("lictor") / "state", NOOP, free_port()).start()
    yield found
    found.stop()


@pytest.fixture(scope="session")
def cloud(deployment):
    """A connection as any user of openstacksdk makes one for a standalone endpoint."""
    who = deployment.credentials()
    auth = {"endpoint": who["OS_ENDPOINT"], "username": who["OS_USERNAME"], "password": who["OS_PASSWORD"]}
    with openstack.connect(auth_type="http_basic", auth=auth) as connection:
        yield connection


@pytest.fixture(scope="session")
def lb(cloud):
    """The proxy under test."""
    return cloud.load_balancer


@pytest.fixture
def balancer(lb):
    """A load balancer that is ACTIVE, and gone after the test."""
    made = active(lb, lb.create_load_balancer(name="sdk", vip_subnet_id=ANY_SUBNET))
    yield made
    lb.delete_load_balancer(made, cascade=True)
    lb.wait_for_delete(made, interval=0.05, wait=20)


def active(lb, load_balancer):
    """Wait for what is being done to a load balancer; as it is then."""
    owner = getattr(load_balancer, "id", load_balancer)
    return lb.wait_for_load_balancer(owner, interval=0.05, wait=20)
