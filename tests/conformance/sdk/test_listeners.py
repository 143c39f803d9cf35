"""Listeners, L7 policies and L7 rules."""

import pytest
from openstack.exceptions import BadRequestException, ConflictException, NotFoundException

from .conftest import active


@pytest.fixture
def listener(lb, balancer):
    made = lb.create_listener(name="web", load_balancer_id=balancer.id, protocol="HTTP", protocol_port=80)
    active(lb, balancer)
    return made


def test_a_listener_is_created_found_changed_and_deleted(lb, balancer, listener):
    assert (listener.protocol, listener.protocol_port, listener.load_balancers) == ("HTTP", 80, [{"id": balancer.id}])
    assert lb.find_listener("web").id == listener.id
    assert [each.id for each in lb.listeners(load_balancer_id=balancer.id, protocol_port=80)] == [listener.id]
    changed = lb.update_listener(
        listener,
        name="www",
        connection_limit=7,
        allowed_cidrs=["192.0.2.0/24"],
        insert_headers={"X-Forwarded-For": "true"},
    )
    assert (changed.name, changed.connection_limit, changed.allowed_cidrs) == ("www", 7, ["192.0.2.0/24"])
    active(lb, balancer)
    assert lb.get_listener(listener.id).insert_headers == {"X-Forwarded-For": "true"}
    assert lb.get_listener_statistics(listener.id).total_connections == 0
    lb.delete_listener(listener)
    active(lb, balancer)
    with pytest.raises(NotFoundException):
        lb.get_listener(listener.id)


def test_a_port_is_taken_once(lb, balancer, listener):
    with pytest.raises(ConflictException, match="80"):
        lb.create_listener(load_balancer_id=balancer.id, protocol="TCP", protocol_port=80)
    lb.create_listener(load_balancer_id=balancer.id, protocol="UDP", protocol_port=80)


def test_a_listener_that_terminates_tls_has_its_settings(lb, balancer):
    made = lb.create_listener(
        load_balancer_id=balancer.id, protocol="TERMINATED_HTTPS", protocol_port=443, tls_versions=["TLSv1.3"],
        default_tls_container_ref="8b5f0b4c-54a4-4a7d-a5ba-6a8c8e1f7f53", alpn_protocols=["h2"], hsts_max_age=3600,
    )  # fmt: skip
    assert (made.tls_versions, made.alpn_protocols, made.hsts_max_age) == (["TLSv1.3"], ["h2"], 3600)


def test_a_policy_is_created_found_changed_and_deleted(lb, balancer, listener):
    made = lb.create_l7_policy(
        name="moved", listener_id=listener.id, action="REDIRECT_TO_URL", redirect_url="http://x.test"
    )
    second = lb.create_l7_policy(listener_id=listener.id, action="REJECT", position=1)
    assert (made.position, second.position, made.redirect_url) == (1, 1, "http://x.test")
    assert lb.find_l7_policy("moved").position == 2
    changed = lb.update_l7_policy(made, name="gone", redirect_url="http://y.test")
    assert (changed.name, changed.redirect_url) == ("gone", "http://y.test")
    assert {each.id for each in lb.l7_policies(listener_id=listener.id)} == {made.id, second.id}
    active(lb, balancer)
    lb.delete_l7_policy(second)
    active(lb, balancer)
    assert lb.get_l7_policy(made.id).position == 1


def test_a_rule_is_created_found_changed_and_deleted(lb, balancer, listener):
    policy = lb.create_l7_policy(listener_id=listener.id, action="REJECT")
    made = lb.create_l7_rule(policy, type="PATH", compare_type="STARTS_WITH", value="/private")
    assert [each.id for each in lb.l7_rules(policy)] == [made.id]
    assert lb.find_l7_rule(made.id, policy).rule_value == "/private"
    changed = lb.update_l7_rule(made, policy, rule_value="/secret", invert=True)
    assert (changed.rule_value, changed.invert) == ("/secret", True)
    active(lb, balancer)
    assert lb.get_l7_rule(made.id, policy).rule_value == "/secret"
    lb.delete_l7_rule(made.id, policy)
    active(lb, balancer)
    assert list(lb.l7_rules(policy)) == []


def test_a_rule_that_makes_no_sense_is_refused_with_a_reason(lb, listener):
    policy = lb.create_l7_policy(listener_id=listener.id, action="REJECT")
    with pytest.raises(BadRequestException, match="L7Rule"):
        lb.create_l7_rule(policy, type="HEADER", compare_type="EQUAL_TO", value="x")
