"""Load balancers, and the amphorae behind them."""

import pytest
from openstack.exceptions import ConflictException, NotFoundException, ResourceTimeout

from .conftest import ANY_SUBNET, active


def test_a_load_balancer_is_created_found_changed_and_deleted(lb):
    made = lb.create_load_balancer(name="one", vip_subnet_id=ANY_SUBNET, vip_address="203.0.113.7", tags=["blue"])
    assert (made.vip_address, made.vip_subnet_id, made.tags) == ("203.0.113.7", ANY_SUBNET, ["blue"])
    assert active(lb, made).provisioning_status == "ACTIVE"
    assert lb.find_load_balancer("one").id == lb.find_load_balancer(made.id).id == made.id
    assert [each.id for each in lb.load_balancers(name="one")] == [made.id]
    assert list(lb.load_balancers(name="another")) == []
    changed = lb.update_load_balancer(made, name="two", admin_state_up=False)
    assert (changed.name, changed.is_admin_state_up) == ("two", False)
    assert lb.get_load_balancer(active(lb, made)).name == "two"
    lb.delete_load_balancer(made)
    lb.wait_for_delete(made, interval=0.05, wait=20)
    with pytest.raises(NotFoundException):
        lb.get_load_balancer(made.id)
    assert lb.find_load_balancer("two") is None


def test_a_whole_tree_is_created_by_one_call(lb):
    pool = {
        "name": "pool",
        "protocol": "HTTP",
        "lb_algorithm": "ROUND_ROBIN",
        "members": [{"address": "192.0.2.1", "protocol_port": 80}],
        "healthmonitor": {"type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 2},
    }
    listener = {"name": "listener", "protocol": "HTTP", "protocol_port": 80, "default_pool": pool}
    made = active(lb, lb.create_load_balancer(name="tree", vip_subnet_id=ANY_SUBNET, listeners=[listener]))
    assert [each.default_pool_id for each in lb.listeners(load_balancer_id=made.id)] == [made.pools[0]["id"]]
    lb.delete_load_balancer(made, cascade=True)
    lb.wait_for_delete(made, interval=0.05, wait=20)
    assert list(lb.listeners(load_balancer_id=made.id)) == []


def test_lists_go_on_over_pages(lb):
    made = [lb.create_load_balancer(name="paged", vip_subnet_id=ANY_SUBNET) for _ in range(5)]
    assert {each.id for each in lb.load_balancers(name="paged", limit=2)} == {each.id for each in made}
    for each in made:
        lb.delete_load_balancer(active(lb, each))


def test_statistics_of_a_load_balancer_without_traffic_are_zeros(lb, balancer):
    found = lb.get_load_balancer_statistics(balancer.id)
    assert (found.bytes_in, found.total_connections, found.request_errors) == (0, 0, 0)


def test_waiting_ends_when_the_status_is_reached_or_time_is_up(lb, balancer):
    assert lb.wait_for_load_balancer("sdk", interval=0.05, wait=10).id == balancer.id
    found = lb.wait_for_status(balancer, "ACTIVE", ["ERROR"], interval=0.05, wait=10, attribute="provisioning_status")
    assert found.id == balancer.id
    with pytest.raises(ResourceTimeout):
        lb.wait_for_status(balancer, "ERROR", interval=0.05, wait=0.2, attribute="provisioning_status")


def test_a_load_balancer_with_children_is_deleted_with_cascade_only(lb, balancer):
    lb.create_listener(load_balancer_id=balancer.id, protocol="TCP", protocol_port=22)
    active(lb, balancer)
    with pytest.raises(Exception, match="has children"):
        lb.delete_load_balancer(balancer)


def test_an_address_is_given_once(lb, balancer):
    with pytest.raises(ConflictException, match=balancer.vip_address):
        lb.create_load_balancer(vip_subnet_id=ANY_SUBNET, vip_address=balancer.vip_address)


def test_a_fail_over_replaces_the_amphorae(lb, balancer):
    before = {each.id for each in lb.amphorae(loadbalancer_id=balancer.id)}
    lb.failover_load_balancer(balancer.id)
    active(lb, balancer)
    after = {each.id for each in lb.amphorae(loadbalancer_id=balancer.id)}
    assert after
    assert before.isdisjoint(after)


def test_an_amphora_is_shown_configured_and_replaced(lb, balancer):
    (amphora,) = lb.amphorae(loadbalancer_id=balancer.id)
    found = lb.get_amphora(amphora.id)
    assert (found.status, found.role, found.loadbalancer_id) == ("ALLOCATED", "STANDALONE", balancer.id)
    assert lb.find_amphora(amphora.id).vrrp_ip == found.vrrp_ip
    lb.configure_amphora(amphora.id)
    lb.failover_amphora(amphora.id)
    active(lb, balancer)
    (after,) = lb.amphorae(loadbalancer_id=balancer.id)
    assert after.id != amphora.id
