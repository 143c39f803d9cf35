"""Pools, members and health monitors."""

import pytest
from openstack.exceptions import ConflictException, NotFoundException

from .conftest import ANY_SUBNET, active


@pytest.fixture
def pool(lb, balancer):
    made = lb.create_pool(name="servers", loadbalancer_id=balancer.id, protocol="HTTP", lb_algorithm="SOURCE_IP_PORT")
    active(lb, balancer)
    return made


def test_a_pool_is_created_found_changed_and_deleted(lb, balancer, pool):
    assert (pool.protocol, pool.lb_algorithm) == ("HTTP", "SOURCE_IP_PORT")
    assert lb.find_pool("servers").id == pool.id
    assert [each.id for each in lb.pools(loadbalancer_id=balancer.id)] == [pool.id]
    changed = lb.update_pool(pool, name="hosts", session_persistence={"type": "HTTP_COOKIE"}, tls_enabled=True)
    assert (changed.name, changed.session_persistence["type"], changed.tls_enabled) == ("hosts", "HTTP_COOKIE", True)
    active(lb, balancer)
    assert lb.get_pool(pool.id).name == "hosts"
    lb.delete_pool(pool)
    active(lb, balancer)
    with pytest.raises(NotFoundException):
        lb.get_pool(pool.id)


def test_a_member_is_created_found_changed_and_deleted(lb, balancer, pool):
    made = lb.create_member(pool, name="one", address="192.0.2.1", protocol_port=80, subnet_id=ANY_SUBNET, weight=5)
    assert (made.address, made.weight, made.subnet_id, made.operating_status) == (
        "192.0.2.1", 5, ANY_SUBNET, "NO_MONITOR",
    )  # fmt: skip
    assert lb.find_member("one", pool).id == made.id
    assert [each.id for each in lb.members(pool, address="192.0.2.1")] == [made.id]
    changed = lb.update_member(made, pool, weight=0, backup=True)
    assert (changed.weight, changed.backup) == (0, True)
    active(lb, balancer)
    assert lb.get_member(made.id, pool).weight == 0
    lb.delete_member(made, pool)
    active(lb, balancer)
    assert list(lb.members(pool)) == []


def test_a_server_is_a_member_once(lb, pool):
    lb.create_member(pool, address="2001:db8::1", protocol_port=80)
    with pytest.raises(ConflictException):
        lb.create_member(pool, address="2001:db8::1", protocol_port=80)


def test_a_monitor_is_created_found_changed_and_deleted(lb, balancer, pool):
    made = lb.create_health_monitor(
        name="alive", pool_id=pool.id, type="HTTP", delay=5, timeout=3, max_retries=2, url_path="/up"
    )
    assert (made.type, made.url_path, made.expected_codes, made.pools) == ("HTTP", "/up", "200", [{"id": pool.id}])
    assert lb.find_health_monitor("alive").id == made.id
    assert [each.id for each in lb.health_monitors(pool_id=pool.id)] == [made.id]
    changed = lb.update_health_monitor(made, http_method="HEAD", expected_codes="200-204", max_retries_down=4)
    assert (changed.http_method, changed.expected_codes, changed.max_retries_down) == ("HEAD", "200-204", 4)
    active(lb, balancer)
    found = lb.get_health_monitor(made.id)
    assert (found.operating_status, lb.get_pool(pool.id).health_monitor_id) == ("ONLINE", made.id)
    lb.delete_health_monitor(made)
    active(lb, balancer)
    with pytest.raises(NotFoundException):
        lb.get_health_monitor(made.id)
