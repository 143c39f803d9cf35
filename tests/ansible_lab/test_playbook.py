"""deploy/ansible on a real cloud, below a real systemd: from nothing to a load balancer, and again without a change."""

import json
import subprocess

import pytest

from tests.ansible_lab.playing import Played, agent_rules, said
from tests.ansible_lab.site import KEY, environment
from tests.lab.cloud import connect
from tests.lab.deployment import eventually
from tests.lab.keystone import ROLES
from tests.lab.rabbitmq import URL as BUS

UNITS = ["lictor-api", "lictor-worker@1", "lictor-worker@2", "lictor-health", "lictor-housekeeping"]
QUOTAS = {"instances": 1000, "cores": 1000, "ram": -1, "server_groups": 1000, "ports": 5000, "security_groups": 1000}


def variables(site, **more):
    """What the inventory says."""
    return {
        **said(site),
        "lictor_bind_host": "127.0.0.1",
        "lictor_transport_url": BUS,
        "lictor_audit": True,
        "lictor_management_ports": True,
        "lictor_project_quotas": QUOTAS,
        "lictor_quotas": {"default_load_balancer_quota": 3},
        "lictor_policy": {"os_load-balancer_api:loadbalancer:put_failover": "rule:load-balancer:write"},
        "lictor_public_key": site.public_key,
        **more,
    }


@pytest.fixture(scope="module")
def played(site):
    first = Played(site, variables(site))
    assert first.status == 0, first.output[-6000:]
    return first


def cli(*words, user="alice"):
    """The stock client of a user, who knows where Keystone is and no more."""
    command, who = ["openstack", *words, "--format", "json"], environment(user, user)
    done = subprocess.run(command, env=who, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_all_processes_run_as_a_user_that_can_do_little(site, played):
    machine = site.machine
    assert {unit: machine.state(unit) for unit in UNITS} == dict.fromkeys(UNITS, "active")
    assert machine.systemctl("is-enabled", *UNITS).split() == ["enabled"] * len(UNITS)
    owner = {machine.run("ps", "-o", "user=", "-p", machine.property(unit, "MainPID")) for unit in UNITS}
    assert owner == {"lictor"}
    assert machine.run("stat", "-c", "%a %U:%G", "/etc/lictor/lictor.conf") == "640 root:lictor"
    assert machine.run("stat", "-c", "%a %U", "/var/lib/lictor/pki/authority.pem") == "600 lictor"


def test_the_cloud_has_what_a_load_balancer_service_needs(site, played):
    admin, service = connect("admin", "admin"), connect("octavia", "service")
    assert {role.name for role in admin.identity.roles()} >= set(ROLES)
    project = admin.identity.find_project("service")
    quotas = admin.compute.get_quota_set(project.id), admin.network.get_quota(project.id)
    assert (quotas[0].instances, quotas[0].ram, quotas[1].ports) == (1000, -1, 5000)
    assert service.compute.find_keypair("lictor").name == "lictor"
    image = next(iter(service.image.images(tag="amphora")))
    assert (image.owner, image.visibility, image.min_disk) == (project.id, "private", 2)
    assert image.properties["hw_cdrom_bus"] == "scsi" and image.hw_scsi_model == "virtio-scsi"


def test_agents_obey_controllers_alone_and_tell_nobody_else(site, played):
    assert agent_rules() == {
        ("ingress", "tcp", 9443, 9443, "10.250.0.11/32"),
        ("egress", "udp", 5555, 5555, "10.250.0.11/32"),
    }
    (port,) = connect("octavia", "service").network.ports(device_owner="Octavia:health-mgr")
    assert [each["ip_address"] for each in port.fixed_ips] == ["10.250.0.11"]


def test_a_user_finds_the_service_in_the_catalogue_and_gets_a_load_balancer(site, played):
    alice, service = connect("alice", "alice"), connect("octavia", "service")
    network = alice.network.create_network(name="mine")
    alice.network.create_subnet(network_id=network.id, name="mine", cidr="10.99.0.0/28", ip_version=4)
    made = cli("loadbalancer", "create", "--name", "lb1", "--vip-subnet-id", "mine")
    (server,) = eventually(lambda: list(service.compute.servers(name="amphora-")), 90, "a server of Nova's", poll=1)
    assert server.flavor["original_name"] == "amphora"
    networks = {"lb-mgmt-net", "mine"}
    eventually(lambda: set(service.compute.get_server(server.id).addresses) == networks, 60, "both NICs", poll=1)
    names = {port.name.partition(made["id"])[0] for port in service.network.ports() if made["id"] in port.name}
    assert "octavia-lb-" in names
    assert server.image["id"] == next(iter(service.image.images(tag="amphora"))).id
    assert cli("loadbalancer", "list")[0]["provisioning_status"] == "PENDING_CREATE"


def test_the_default_quota_and_the_policy_hold(site, played):
    assert cli("loadbalancer", "quota", "show", "alice", user="admin")["load_balancer"] == 3
    assert "put_failover" in site.machine.run("cat", "/etc/lictor/policy.yaml")


def test_a_second_run_changes_nothing(site, played):
    again = Played(site, variables(site))
    assert (again.status, again.changed) == (0, {"localhost": 0, "controller1": 0}), again.output[-6000:]


def test_a_changed_option_takes_effect_and_one_that_is_none_is_refused_with_its_name(site, played):
    before = site.machine.property("lictor-api", "MainPID")
    changed = Played(site, variables(site, lictor_config={"quotas": {"default_listener_quota": 7}}))
    assert (changed.status, changed.changed["localhost"]) == (0, 0), changed.output[-6000:]
    assert site.machine.property("lictor-api", "MainPID") != before
    assert cli("loadbalancer", "quota", "show", "alice", user="admin")["listener"] == 7
    wrong = Played(site, variables(site, lictor_config={"quotas": {"default_listner_quota": 7}}))
    assert wrong.status != 0
    assert "default_listner_quota: unknown: Is it default_listener_quota?" in wrong.output
    assert cli("loadbalancer", "quota", "show", "alice", user="admin")["listener"] == 7


def test_no_secret_is_printed(played):
    assert KEY not in played.output
    assert "PRIVATE KEY" not in played.output
