"""ACTIVE_STANDBY with two virtual machines: they share the VIP by VRRP, and one of them may go at any moment."""

import time

import pytest

from tests.hypervisor_lab.hosts import Asker
from tests.lab.deployment import eventually

REPLACED = 400
"""Seconds until an emulated machine has taken the place of another, on a host with other things to do."""


@pytest.fixture(scope="module")
def pair(openstack, operator, tenant, hosts):
    topology = """'{"loadbalancer_topology": "ACTIVE_STANDBY"}'"""
    operator(f"flavorprofile create --name pair --provider amphora --flavor-data {topology}")
    operator("flavor create --name pair --flavorprofile pair --enable")
    began = time.monotonic()
    made = openstack.shown(f"create --name pair1 --flavor pair --vip-subnet-id {tenant.first.id} --wait")
    print(f"\na pair is ACTIVE after {time.monotonic() - began:.1f} s")
    openstack("listener create --name pair-web --protocol HTTP --protocol-port 80 --wait pair1")
    openstack("pool create --name pair-servers --protocol HTTP --lb-algorithm ROUND_ROBIN --listener pair-web --wait")
    openstack(f"member create --address {hosts.web1.address} --protocol-port 80 --wait pair-servers")
    yield made
    openstack("delete --cascade --wait pair1")
    operator("flavor delete pair")
    operator("flavorprofile delete pair")


def servers_of(service, load_balancer):
    return [each for each in service.compute.servers() if each.metadata["load_balancer_id"] == load_balancer["id"]]


def test_hard_anti_affinity_puts_the_two_on_two_hosts(pair, admin, service):
    found = servers_of(service, pair)
    hosts = {admin.compute.get_server(each.id).compute_host for each in found}
    assert (len(found), len(hosts)) == (2, 2)


def test_nothing_but_listeners_and_the_other_amphora_gets_at_them(pair, service):
    (group,) = service.network.security_groups(name=f"lb-{pair['id']}")
    rules = {
        (each.protocol, each.port_range_min, each.remote_group_id)
        for each in service.network.security_group_rules(security_group_id=group.id, direction="ingress")
    }
    assert rules == {("tcp", 80, None), ("tcp", 1025, group.id), ("112", None, group.id)}


def test_a_master_that_nova_deletes_is_replaced_and_hardly_missed(pair, openstack, hosts, service, admin):
    master = master_of(pair, hosts, service, admin)
    asker = Asker(hosts.client, f"http://{pair['vip_address']}/")
    began = time.monotonic()
    admin.compute.delete_server(master.compute_id)
    eventually(lambda: replaced(pair, admin, master), REPLACED, "another one has taken its place", poll=1)
    print(f"\nreplaced after {time.monotonic() - began:.1f} s")
    gap, answers = asker.end()
    print(f"longest time without an answer {gap:.2f} s, {answers} answers")
    assert answers and gap < 30
    assert hosts.client.get(f"http://{pair['vip_address']}/") == "web1"
    assert openstack.shown("show pair1")["provisioning_status"] == "ACTIVE"


def amphorae(pair, admin):
    return list(admin.load_balancer.amphorae(loadbalancer_id=pair["id"]))


def master_of(pair, hosts, service, admin):
    """The amphora whose NIC answers for the VIP."""
    assert hosts.client.get(f"http://{pair['vip_address']}/") == "web1"
    mac = hosts.client.neighbour(pair["vip_address"])
    (master,) = [
        each for each in amphorae(pair, admin) if service.network.get_port(each.vrrp_port_id).mac_address == mac
    ]
    return master


def replaced(pair, admin, gone):
    """An amphora whose server is gone is the same amphora with another one."""
    now = amphorae(pair, admin)
    servers = {each.compute_id for each in now if each.status == "ALLOCATED"}
    return len(servers) == 2 and gone.compute_id not in servers
