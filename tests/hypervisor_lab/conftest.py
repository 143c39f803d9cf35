"""A cloud whose virtual machines boot and send packets: `make test-openstack`."""

import contextlib
import os
import pathlib
import shlex
import subprocess
import types

import pytest

from tests.e2e.openstack import Openstack
from tests.hypervisor_lab.hosts import Host
from tests.lab import hypervisor
from tests.lab.cloud.settings import AUTH_URL, OCTAVIA
from tests.lab.deployment import Deployment
from tests.lab.hypervisor import connect
from tests.lab.keystone import Accounts

BOUND = 1500
"""Seconds that a test may take, also the first, for which the cloud is started."""

BOOTS = 400
"""Seconds for a command that waits until emulated machines have booted, on a host with other things to do."""


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(pathlib.Path(__file__).parent) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(BOUND))


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """The cloud, with two hypervisors; or that which ``python -m tests.lab.hypervisor`` has begun."""
    if os.environ.get("LICTOR_SEALED") != "1":
        pytest.skip("needs the laboratory: tests/lab/sealed …")
    if hypervisor.there_already():
        yield hypervisor.beside()
        return
    before = world()
    with hypervisor.hypervisor(tmp_path_factory.mktemp("lab") / "cloud") as lab:
        yield lab
    assert world() == before


def world():
    """What a cloud must not leave behind: processes, mounts, links, rules of nftables."""
    processes = {each.name for each in pathlib.Path("/proc").glob("[0-9]*") if (each / "exe").exists()}
    links = {each.name for each in pathlib.Path("/sys/class/net").iterdir()}
    rules = subprocess.run(["nft", "list", "ruleset"], check=True, capture_output=True, text=True).stdout
    return processes, links, rules, pathlib.Path("/proc/mounts").read_text()


@pytest.fixture(scope="session")
def admin(lab):
    return connect("admin", "admin")


@pytest.fixture(scope="session")
def service(lab):
    return connect("octavia", "service")


@pytest.fixture(scope="session")
def alice(lab):
    return connect("alice", "alice")


@pytest.fixture(scope="session")
def controller(lab, service):
    """The address of this namespace in ``lb-mgmt``, as ``o-hm0``."""
    with lab.place(service, "lb-mgmt", "o-hm0") as address:
        yield address


# --- the load-balancer service ---


@pytest.fixture(scope="session")
def agents_group(service):
    """The security group of amphorae in the management network: their agents may be spoken to."""
    neutron = service.network
    group = neutron.create_security_group(name="lb-mgmt-amphora")
    neutron.create_security_group_rule(
        security_group_id=group.id, direction="ingress", ethertype="IPv4", protocol="tcp",
        port_range_min=9443, port_range_max=9443,
    )  # fmt: skip
    yield group
    neutron.delete_security_group(group.id)


@pytest.fixture(scope="session")
def deployment(tmp_path_factory, controller, admin, service, agents_group):
    """`lictor up`, as the catalogue has it. At the end nothing of it is left in the cloud."""
    if not list(service.image.images(tag="amphora")):
        pytest.skip("needs an image of amphorae: make image")
    sections = configuration(controller, admin, service, agents_group)
    made = Deployment(tmp_path_factory.mktemp("lictor") / "state", sections)
    made.start()
    yield made
    made.stop()
    made.down("--purge", "--config-file", str(made.config))


def configuration(address, admin, service, group):
    """The text of lictor.conf."""
    return f"""
[DEFAULT]
debug = true
default_log_levels = keystoneauth=DEBUG,urllib3=WARNING,stevedore=WARNING,amqp=WARNING
[api_settings]
auth_strategy = keystone
[keystone_authtoken]
www_authenticate_uri = {AUTH_URL}
{OCTAVIA}
[service_auth]
{OCTAVIA}
[certificates]
cert_manager = barbican
[controller_worker]
compute_driver = nova
network_driver = neutron
amp_image_tag = amphora
amp_flavor_id = {admin.compute.find_flavor("lb.small").id}
amp_boot_network_list = {service.network.find_network("lb-mgmt").id}
amp_secgroup_list = {group.id}
[nova]
anti_affinity_policy = anti-affinity
enable_anti_affinity = true
[health_manager]
bind_ip = {address}
controller_ip_port_list = {address}:5555
"""


@pytest.fixture(scope="session")
def openrc(tmp_path_factory):
    """Writes what a user sources before the stock client."""

    def write(user):
        file = tmp_path_factory.mktemp(user) / "openrc"
        values = Accounts(AUTH_URL).environment(user, user) | {"PYTHONWARNINGS": "ignore"}
        file.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items()))
        return file

    return write


@pytest.fixture(scope="session")
def openstack(deployment, openrc):
    """The stock client, as alice types it."""
    return Openstack(openrc("alice"), BOOTS)


@pytest.fixture(scope="session")
def operator(deployment, openrc):
    """The stock client, as the cloud's administrator types it."""
    return Openstack(openrc("admin"), BOOTS)


@pytest.fixture(scope="session")
def tenant(alice):
    """Alice's subnets: one whose router leads to `public`, and one from which nothing leads anywhere."""
    first, second = (alice.network.find_subnet(name, ignore_missing=False) for name in ("tenant", "members"))
    return types.SimpleNamespace(first=first, second=second)


@pytest.fixture(scope="session")
def hosts(admin, tenant):
    """A web server on each of the two subnets, and a client on the first."""
    places = {"web1": tenant.first, "web2": tenant.second, "client": tenant.first}
    with contextlib.ExitStack() as stack:
        made = {}
        for name, subnet in places.items():
            made[name] = Host(admin.network, subnet, name)
            stack.callback(made[name].close)
        yield types.SimpleNamespace(**made)
