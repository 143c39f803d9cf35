"""``strict_immutability``: the 409s of Octavia, for clients that count on them (reference, 1.4, 1.16 and 3.2)."""

import pathlib

import pytest
from sqlalchemy import update

from lictor.model import LoadBalancer
from tests.unit.api.world import World

PENDING = ("PENDING_CREATE", "PENDING_UPDATE", "PENDING_DELETE")


@pytest.fixture
def strict(tmp_path: pathlib.Path) -> World:
    return World(tmp_path, api_settings__strict_immutability=True, controller_worker__compute_driver="noop")


def in_status(world: World, status: str) -> dict:
    """A load balancer with a child of each kind, all settled but itself, which is as said."""
    tree: dict[str, dict] = {}
    for kind, make in (
        ("balancer", world.balancer),
        ("listener", lambda: world.listener(tree["balancer"])),
        ("pool", lambda: world.pool(tree["balancer"])),
        ("member", lambda: world.member(tree["pool"])),
        ("monitor", lambda: world.monitor(tree["pool"])),
        ("policy", lambda: world.policy(tree["listener"])),
        ("rule", lambda: world.rule(tree["policy"])),
    ):
        tree[kind] = make()
        world.settle()
    mine = update(LoadBalancer).where(LoadBalancer.id == tree["balancer"]["id"])
    world.store.write(lambda session: session.execute(mine.values(provisioning_status=status)))
    return tree


def below(tree: dict) -> list[tuple[str, str, dict | None]]:
    balancer, pool = tree["balancer"]["id"], f"/pools/{tree['pool']['id']}"
    member, monitor = f"{pool}/members/{tree['member']['id']}", f"/healthmonitors/{tree['monitor']['id']}"
    listener, policy = f"/listeners/{tree['listener']['id']}", f"/l7policies/{tree['policy']['id']}"
    rule = f"{policy}/rules/{tree['rule']['id']}"
    new_pool = {"loadbalancer_id": balancer, "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    new_rule = {"type": "PATH", "compare_type": "EQUAL_TO", "value": "/y"}
    return [
        ("POST", "/listeners", {"listener": {"loadbalancer_id": balancer, "protocol": "TCP", "protocol_port": 1}}),
        ("POST", "/pools", {"pool": new_pool}),
        ("POST", f"{pool}/members", {"member": {"address": "198.18.0.11", "protocol_port": 1}}),
        ("POST", "/l7policies", {"l7policy": {"listener_id": tree["listener"]["id"], "action": "REJECT"}}),
        ("POST", f"{policy}/rules", {"rule": new_rule}),
        ("PUT", f"{pool}/members", {"members": []}),
        ("PUT", listener, {"listener": {"name": "x"}}),
        ("PUT", pool, {"pool": {"name": "x"}}),
        ("PUT", member, {"member": {"name": "x"}}),
        ("PUT", monitor, {"healthmonitor": {"name": "x"}}),
        ("PUT", policy, {"l7policy": {"name": "x"}}),
        ("PUT", rule, {"rule": {"value": "/x"}}),
        *(("DELETE", path, None) for path in (rule, policy, member, monitor, listener, pool)),
    ]


@pytest.mark.parametrize("status", [*PENDING, "ERROR"])
def test_what_is_below_changes_only_while_the_load_balancer_is_active(strict: World, status: str) -> None:
    tree = in_status(strict, status)
    before, wakes = strict.row(tree["balancer"]), strict.wakes
    for method, path, body in below(tree):
        answer = strict.call(method, path, 409, body)
        expected = f"Load Balancer {tree['balancer']['id']} is immutable and cannot be updated."
        assert answer["faultstring"] == expected, f"{method} {path}"
    after = strict.row(tree["balancer"])
    assert (after.generation, after.provisioning_status) == (before.generation, status)
    assert strict.wakes == wakes
    assert strict.get(f"/pools/{tree['pool']['id']}")["pool"]["provisioning_status"] == "ACTIVE"


@pytest.mark.parametrize("status", [*PENDING, "ERROR"])
def test_a_load_balancer_that_is_not_active_is_not_changed(strict: World, status: str) -> None:
    balancer = in_status(strict, status)["balancer"]
    text = strict.change(f"/loadbalancers/{balancer['id']}", 409, name="x")
    assert text == f"Invalid state {status} of loadbalancer resource {balancer['id']}"
    assert strict.get(f"/loadbalancers/{balancer['id']}")["loadbalancer"]["name"] == ""


@pytest.mark.parametrize("status", PENDING)
def test_a_pending_load_balancer_is_neither_deleted_nor_failed_over(strict: World, status: str) -> None:
    balancer = in_status(strict, status)["balancer"]
    path = f"/loadbalancers/{balancer['id']}"
    expected = f"Invalid state {status} of loadbalancer resource {balancer['id']}"
    assert strict.delete(f"{path}?cascade=true", 409) == expected
    (amphora,) = strict.get("/v2.0/octavia/amphorae")["amphorae"]
    for failover in (f"{path}/failover", f"/v2.0/octavia/amphorae/{amphora['id']}/failover"):
        assert strict.call("PUT", failover, 409)["faultstring"] == expected
    assert strict.row(balancer).provisioning_status == status


def test_fail_over_and_deletion_get_out_of_error(strict: World) -> None:
    balancer = in_status(strict, "ERROR")["balancer"]
    strict.call("PUT", f"/loadbalancers/{balancer['id']}/failover", 202)
    assert strict.row(balancer).provisioning_status == "PENDING_UPDATE"
    balancer = in_status(strict, "ERROR")["balancer"]
    strict.delete(f"/loadbalancers/{balancer['id']}?cascade=true")
    assert strict.row(balancer).provisioning_status == "PENDING_DELETE"


def test_one_change_after_the_other_is_accepted_when_each_is_applied_first(strict: World) -> None:
    tree = in_status(strict, "ACTIVE")
    for method, path, body in below(tree):
        if body == {"members": []}:
            continue  # With no members left, what follows would speak of what is gone.
        strict.call(method, path, {"POST": 201, "PUT": 200, "DELETE": 204}[method], body)
        assert strict.row(tree["balancer"]).provisioning_status == "PENDING_UPDATE"
        strict.settle()


def test_a_load_balancer_that_is_not_there_is_404_all_the_same(strict: World) -> None:
    nowhere = "/loadbalancers/11111111-1111-1111-1111-111111111111"
    strict.change(nowhere, 404, name="x")
    strict.delete(nowhere, 404)
