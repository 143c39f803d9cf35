"""Fail-over: who is condemned, and what users see of it until the loop has replaced it."""

from sqlalchemy import select

from lictor.model import Amphora
from tests.unit.api.test_strict import in_status
from tests.unit.api.world import World

NOWHERE = "11111111-1111-1111-1111-111111111111"


def condemned(world: World, balancer: dict) -> list[bool]:
    with world.store.read() as session:
        return list(session.scalars(select(Amphora.condemned).where(Amphora.load_balancer_id == balancer["id"])))


def test_a_fail_over_condemns_all_amphorae_of_one_load_balancer_and_wakes_the_loop(world: World) -> None:
    balancer, other = world.balancer(), world.balancer()
    world.settle()
    wakes = world.wakes
    world.call("PUT", f"/loadbalancers/{balancer['id']}/failover", 202)
    assert condemned(world, balancer) == [True]
    assert condemned(world, other) == [False]
    row = world.row(balancer)
    assert (row.provisioning_status, row.generation) == ("PENDING_UPDATE", row.observed_generation + 1)
    assert world.row(other).provisioning_status == "ACTIVE"
    assert world.wakes == wakes + 1


def test_a_fail_over_of_what_is_pending_or_broken_is_accepted_and_of_what_goes_is_not(whole: World) -> None:
    for status in ("PENDING_CREATE", "PENDING_UPDATE", "ERROR"):
        balancer = in_status(whole, status)["balancer"]
        whole.call("PUT", f"/loadbalancers/{balancer['id']}/failover", 202)
        assert condemned(whole, balancer) == [True]
    balancer = in_status(whole, "PENDING_DELETE")["balancer"]
    text = whole.call("PUT", f"/loadbalancers/{balancer['id']}/failover", 409)["faultstring"]
    assert text == f"Invalid state PENDING_DELETE of loadbalancer resource {balancer['id']}"
    assert condemned(whole, balancer) == [False]


def test_a_fail_over_of_nothing_is_404(world: World) -> None:
    for name in (NOWHERE, "x"):
        world.call("PUT", f"/loadbalancers/{name}/failover", 404)


def test_a_fail_over_is_written_down(world: World) -> None:
    balancer = world.balancer()
    world.call("PUT", f"/loadbalancers/{balancer['id']}/failover", 202)
    (event,) = world.get(f"/loadbalancers/{balancer['id']}/events")["events"]
    assert event["kind"] == "failover_requested"
