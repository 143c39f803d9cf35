"""The amphora admin API (reference, 1.14)."""

import pytest
from sqlalchemy import select, update

from lictor.model import Amphora, ListenerStatistics, LoadBalancer
from tests.unit.api.world import World

NOWHERE = "11111111-1111-1111-1111-111111111111"
PLACE = "/v2.0/octavia/amphorae"
ATTRIBUTES = """id loadbalancer_id compute_id lb_network_ip vrrp_ip ha_ip vrrp_port_id ha_port_id cert_expiration
    cert_busy role status vrrp_interface vrrp_id vrrp_priority cached_zone created_at updated_at image_id
    compute_flavor"""


def booted(world: World, **values: object) -> tuple[dict, str]:
    """A load balancer whose amphora runs, and the amphora's id."""
    balancer = world.balancer(**values)
    world.settle()
    mine = Amphora.load_balancer_id == balancer["id"]
    values = {"status": "ALLOCATED", "compute_id": f"compute-{balancer['id'][:8]}", "lb_network_ip": "198.19.0.2"}
    world.store.write(lambda session: session.execute(update(Amphora).where(mine).values(**values)))
    with world.store.read() as session:
        return balancer, str(session.scalar(select(Amphora.id).where(mine)))


def amphora(world: World, amphora_id: str) -> Amphora:
    with world.store.read() as session:
        found = session.get(Amphora, amphora_id)
        assert found is not None
        return found


def test_an_amphora_is_shown_with_the_attributes_of_the_reference_and_no_others(world: World) -> None:
    balancer, amphora_id = booted(world)
    shown = world.get(f"{PLACE}/{amphora_id}")["amphora"]
    assert set(shown) == set(ATTRIBUTES.split())
    assert (shown["loadbalancer_id"], shown["status"], shown["role"]) == (balancer["id"], "ALLOCATED", "STANDALONE")
    assert (shown["ha_ip"], shown["ha_port_id"]) == (balancer["vip_address"], balancer["vip_port_id"])
    assert world.get(f"/v2/octavia/amphorae/{amphora_id}")["amphora"] == shown
    (listed,) = world.get(PLACE)["amphorae"]
    assert listed == shown
    assert world.get(PLACE)["amphorae_links"] == []


def test_amphorae_are_listed_by_what_they_are_and_whose(world: World) -> None:
    mine, first = booted(world, project_id="mine")
    _, second = booted(world, project_id="yours")

    def found(**filters: str) -> set[str]:
        return {each["id"] for each in world.get(PLACE, params=filters)["amphorae"]}

    assert found() == {first, second}
    assert found(project_id="mine") == found(loadbalancer_id=mine["id"]) == {first}
    assert found(compute_id=f"compute-{mine['id'][:8]}", role="STANDALONE") == {first}
    assert found(status="ALLOCATED", cert_busy="false", lb_network_ip="198.19.0.2") == {first, second}
    assert found(status="ERROR") == found(project_id="nobody") == set()
    page = world.get(PLACE, params={"limit": "1", "sort": "created_at:desc"})
    assert [each["id"] for each in page["amphorae"]] == [second]
    assert page["amphorae_links"][0]["rel"] == "next"
    world.get(PLACE, 400, params={"condemned": "true"})
    world.get(PLACE, 400, params={"tags": "x"})


def test_statistics_of_an_amphora_are_told_by_listener(world: World) -> None:
    balancer, amphora_id = booted(world)
    one, two = world.listener(balancer, 80)["id"], world.listener(balancer, 81)["id"]
    assert world.get(f"{PLACE}/{amphora_id}/stats") == {"amphora_stats": []}
    counted = {
        "bytes_in": 1, "bytes_out": 2, "active_connections": 3, "total_connections": 4, "request_errors": 5,
    }  # fmt: skip

    def fill(session) -> None:
        for listener_id, of in ((one, amphora_id), (two, amphora_id), (one, "another")):
            session.add(
                ListenerStatistics(
                    listener_id=listener_id, amphora_id=of, load_balancer_id=balancer["id"], **counted
                )
            )  # fmt: skip

    world.store.write(fill)
    rows = world.get(f"{PLACE}/{amphora_id}/stats")["amphora_stats"]
    assert {row["listener_id"] for row in rows} == {one, two}
    for row in rows:
        assert row == counted | {
            "id": amphora_id, "listener_id": row["listener_id"], "loadbalancer_id": balancer["id"],
        }  # fmt: skip


def test_a_fail_over_of_one_amphora_condemns_it_and_shows_the_load_balancer_at_work(world: World) -> None:
    balancer, amphora_id = booted(world)
    _, other = booted(world)
    world.call("PUT", f"{PLACE}/{amphora_id}/failover", 202)
    assert amphora(world, amphora_id).condemned
    assert not amphora(world, other).condemned
    assert world.row(balancer).provisioning_status == "PENDING_UPDATE"


def test_new_settings_are_delivered_without_a_change_of_status(world: World) -> None:
    balancer, amphora_id = booted(world)
    wakes = world.wakes
    world.call("PUT", f"{PLACE}/{amphora_id}/config", 202)
    row = world.row(balancer)
    assert (row.provisioning_status, row.observed_generation) == ("ACTIVE", 0)
    assert not amphora(world, amphora_id).condemned
    assert world.wakes == wakes + 1


@pytest.mark.parametrize("status", ["BOOTING", "ALLOCATED", "PENDING_DELETE"])
def test_an_amphora_that_is_not_in_error_cannot_be_deleted(world: World, status: str) -> None:
    balancer, amphora_id = booted(world)
    world.store.write(lambda session: session.execute(update(Amphora).values(status=status)))
    assert status in world.call("DELETE", f"{PLACE}/{amphora_id}", 409)["faultstring"]
    assert not amphora(world, amphora_id).condemned
    assert world.row(balancer).provisioning_status == "ACTIVE"


def test_an_amphora_in_error_is_deleted_by_replacing_it(world: World) -> None:
    balancer, amphora_id = booted(world)
    world.store.write(lambda session: session.execute(update(Amphora).values(status="ERROR")))
    world.call("DELETE", f"{PLACE}/{amphora_id}", 204)
    assert (amphora(world, amphora_id).status, amphora(world, amphora_id).condemned) == ("PENDING_DELETE", True)
    assert world.row(balancer).generation > world.row(balancer).observed_generation


def test_an_amphora_of_a_load_balancer_that_goes_is_left_alone(world: World) -> None:
    _, amphora_id = booted(world)
    world.store.write(
        lambda session: session.execute(update(LoadBalancer).values(provisioning_status="PENDING_DELETE"))
    )
    text = world.call("PUT", f"{PLACE}/{amphora_id}/failover", 409)["faultstring"]
    assert text.startswith("Invalid state PENDING_DELETE of loadbalancer resource")


@pytest.mark.parametrize("name", [NOWHERE, "x", "%00"])
def test_an_amphora_that_is_not_there_is_404(world: World, name: str) -> None:
    for method, end in (("GET", ""), ("DELETE", ""), ("GET", "/stats"), ("PUT", "/config"), ("PUT", "/failover")):
        answer = world.call(method, f"{PLACE}/{name}{end}", 404)
        assert answer["faultstring"].startswith("Amphora ")
    world.get(f"/amphorae/{NOWHERE}", 404)
