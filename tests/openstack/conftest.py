"""A real cloud with Nova's fake driver: what Lictor's drivers did is looked for there, by the cloud's own words.

The suite brings up the cloud (``tests/lab/cloud``), unless it runs beside one already.
"""

import contextlib
import pathlib
import uuid

import openstack
import pytest

from lictor import config
from lictor.drivers.compute.nova import NovaCompute
from lictor.drivers.network.neutron import NeutronNetwork
from tests.lab import cloud
from tests.lab.cloud import connect
from tests.lab.cloud.settings import OCTAVIA


def pytest_collection_modifyitems(items):
    """The first test waits for the cloud, whose start takes a minute or two, and more on a busy machine."""
    for each in items:
        if each.path.is_relative_to(pathlib.Path(__file__).parent):
            each.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session", autouse=True)
def _cloud(tmp_path_factory):
    with contextlib.nullcontext() if cloud.there_already() else cloud.cloud(tmp_path_factory.mktemp("lab") / "cloud"):
        yield


@pytest.fixture(scope="session")
def admin():
    return connect("admin", "admin")


@pytest.fixture(scope="session")
def service():
    return connect("octavia", "service")


@pytest.fixture(scope="session")
def alice():
    return connect("alice", "alice")


@pytest.fixture(scope="session")
def bob():
    return connect("bob", "bob")


@pytest.fixture(scope="session")
def management(service):
    return service.network.find_network("lb-mgmt")


@pytest.fixture(scope="session")
def configuration(admin, management):
    """The text of lictor.conf, but for what a test adds."""
    return f"""
[lictor]
deployment = {uuid.uuid4().hex[:8]}
[service_auth]
{OCTAVIA}[controller_worker]
compute_driver = nova
network_driver = neutron
amp_image_tag = amphora
amp_flavor_id = {admin.compute.find_flavor("lb.small").id}
amp_boot_network_list = {management.id}
"""


@pytest.fixture
def configured(tmp_path, configuration):
    """Builds a configuration from that text and more."""

    def build(more=""):
        path = tmp_path / f"lictor-{uuid.uuid4().hex[:6]}.conf"
        path.write_text(configuration + more)
        return config.load([str(path)], lictor__state_dir=str(tmp_path / "state"))

    return build


@pytest.fixture
def conf(configured):
    return configured()


@pytest.fixture
def neutron(conf):
    return NeutronNetwork(conf, None)


@pytest.fixture
def nova(conf, neutron):
    return NovaCompute(conf, neutron)


@pytest.fixture
def tenant(alice):
    """A network of alice's with one subnet of 3 bits, which is gone with all its ports afterwards."""
    network = alice.network.create_network(name="test")
    subnet = alice.network.create_subnet(
        network_id=network.id, name="test", cidr="10.99.0.0/28", ip_version=4, is_dhcp_enabled=False
    )
    yield subnet
    admin = connect("admin", "admin").network
    for port in admin.ports(network_id=network.id):
        with contextlib.suppress(openstack.exceptions.SDKException):
            admin.delete_port(port)
    alice.network.delete_network(network)


@pytest.fixture(autouse=True)
def nothing_left(admin, conf, nova, neutron):
    """Whatever a test has made with the tag of its deployment, it has removed; what one left, the next does not see."""
    yield
    tag = config.deployment_tag(conf)
    left = [("port", each.name) for each in admin.network.ports(tags=tag)]
    left += [("group", each.name) for each in admin.network.security_groups(tags=tag)]
    left += [("server", each.name) for each in admin.compute.servers(all_projects=True, tags=tag)]
    groups = list(admin.compute.server_groups(all_projects=True))
    left += [("server group", each.name) for each in groups]
    if left:
        nova.purge()
        neutron.purge()
    for each in groups:
        admin.compute.delete_server_group(each, ignore_missing=True)
    assert left == []
