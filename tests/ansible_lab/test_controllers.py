"""deploy/ansible for two controllers on MariaDB: the second one joins, they take turns, and one alone goes on."""

import subprocess

import pytest

from tests.ansible_lab.playing import ADDRESSES, Played, agent_rules, said
from tests.ansible_lab.site import standing
from tests.lab.cloud import connect
from tests.lab.cloud.settings import AUTH_URL
from tests.lab.deployment import eventually
from tests.lab.keystone import Accounts
from tests.lab.rabbitmq import URL as BUS

UNITS = ["lictor-api", "lictor-worker@1", "lictor-health", "lictor-housekeeping"]
CONFIG, AUTHORITY = "/etc/lictor/lictor.conf", "/var/lib/lictor/pki/authority.pem"
SECONDS = 120


def variables(site, **more):
    """What the inventory says."""
    return {
        **said(site),
        "lictor_database_connection": "mysql://root@/lictor?unix_socket=/srv/database/sock",
        "lictor_transport_url": BUS,
        "lictor_workers": 1,
        "lictor_public_url": f"http://{ADDRESSES[0]}:9876",
        **more,
    }


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with standing(tmp_path_factory.mktemp("site"), "mariadb", apart=ADDRESSES) as made:
        client = ["mariadb", "--no-defaults", "--user=root", f"--socket={made.database.directory}/sock"]
        subprocess.run([*client, "--execute=CREATE DATABASE lictor"], check=True)
        yield made


@pytest.fixture(scope="module")
def joined(site):
    """One controller, and then one more line in the inventory."""
    for controllers in (1, 2):
        played = Played(site, variables(site), controllers)
        assert played.status == 0, played.output[-6000:]


@pytest.fixture(scope="module")
def authority(site, joined):
    """The digest of what the first controller made."""
    return site.machine.run("sha256sum", AUTHORITY)


@pytest.fixture(scope="module")
def network(joined):
    """A user's, with a subnet."""
    alice = connect("alice", "alice").network
    made = alice.create_network(name="mine")
    return alice.create_subnet(network_id=made.id, name="mine", cidr="10.99.0.0/24", ip_version=4)


def moments(machine, name):
    """When the units came to be active, or ceased to be, on the clock that all machines here share."""
    return [int(machine.property(unit, f"{name}TimestampMonotonic")) for unit in UNITS]


def call(address, method, path, body=None, user="alice"):
    """What the API of the controller at this address answers."""
    token = Accounts(AUTH_URL).token(user, user)
    return Accounts(f"http://{address}:9876").call(method, path, body, token)


def create(address, network):
    """A load balancer, through the API at this address; its id."""
    body = {"loadbalancer": {"vip_subnet_id": network.id}}
    return call(address, "POST", "/v2.0/lbaas/loadbalancers", body)["loadbalancer"]["id"]


def has_server(address, load_balancer):
    """Whether Nova has a server for it, on the management network and on the user's."""
    path = f"/v2.0/octavia/amphorae?loadbalancer_id={load_balancer}"
    servers = [each["compute_id"] for each in call(address, "GET", path, user="admin")["amphorae"]]
    nova = connect("octavia", "service").compute
    return any(set(nova.get_server(each).addresses) == {"lb-mgmt-net", "mine"} for each in servers if each)


def test_both_run_alike_and_know_each_other(site, joined):
    for machine in site.machines:
        assert {unit: machine.state(unit) for unit in UNITS} == dict.fromkeys(UNITS, "active")
        assert machine.systemctl("is-enabled", *UNITS).split() == ["enabled"] * len(UNITS)
        assert machine.run("stat", "-c", "%a %U", AUTHORITY) == "600 lictor"
    first, second = (machine.run("sha256sum", CONFIG, AUTHORITY) for machine in site.machines)
    assert first == second
    both = ", ".join(f"{address}:5555" for address in ADDRESSES)
    assert f"controller_ip_port_list = {both}\n" in site.machine.run("cat", CONFIG)
    ingress = {("ingress", "tcp", 9443, 9443, f"{address}/32") for address in ADDRESSES}
    assert agent_rules() == ingress | {("egress", "udp", 5555, 5555, f"{address}/32") for address in ADDRESSES}


def test_the_driver_of_mariadb_is_the_compiled_one(site, joined):
    for machine in site.machines:
        assert "MySQLdb/_mysql" in machine.run("cat", f"/proc/{machine.property('lictor-api', 'MainPID')}/maps")


def test_either_api_takes_a_load_balancer_and_it_gets_a_server(site, network):
    for address in ADDRESSES:
        made = create(address, network)
        eventually(lambda made=made: has_server(ADDRESSES[0], made), SECONDS, f"a server; made at {address}", poll=1)


def test_what_does_not_start_stops_at_the_first(site, joined):
    first, second = site.machines
    before = moments(second, "ActiveEnter")
    broken = Played(site, variables(site, lictor_bind_host="192.0.2.1"), 2)
    assert broken.status != 0
    assert first.state("lictor-api") != "active"
    assert moments(second, "ActiveEnter") == before
    assert second.state("lictor-api") == "active"
    assert "192.0.2.1" not in second.run("cat", CONFIG)


@pytest.fixture(scope="module")
def changed(site, joined):
    """An option is changed after the first controller has lost its state; when the units of the second had started."""
    first, second = site.machines
    before = moments(second, "ActiveEnter")
    first.systemctl("stop", *UNITS)
    first.run("rm", "-r", "/var/lib/lictor")
    played = Played(site, variables(site, lictor_quotas={"default_listener_quota": 7}), 2)
    assert played.status == 0, played.output[-6000:]
    return before


def test_they_are_restarted_one_after_the_other(site, authority, changed):
    first, second = site.machines
    assert max(moments(first, "ActiveEnter")) < min(moments(second, "ActiveExit"))
    assert max(changed) < min(moments(second, "ActiveEnter"))


def test_a_first_controller_that_is_set_up_anew_gets_the_authority_that_amphorae_obey(site, authority, changed):
    assert [machine.run("sha256sum", AUTHORITY) for machine in site.machines] == [authority] * 2


def test_another_run_changes_nothing_on_either(site, changed):
    again = Played(site, variables(site, lictor_quotas={"default_listener_quota": 7}), 2)
    nothing = {"localhost": 0, "controller1": 0, "controller2": 0}
    assert (again.status, again.changed) == (0, nothing), again.output[-6000:]


def test_work_goes_on_when_a_controller_is_gone(site, network):
    begun = create(ADDRESSES[0], network)
    site.machines.pop(0).remove()
    for made in (begun, create(ADDRESSES[1], network)):
        eventually(lambda made=made: has_server(ADDRESSES[1], made), SECONDS, "a server", poll=1)
