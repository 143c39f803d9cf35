"""What happened to a load balancer, as its users read it; and the reason of a failure in the status tree."""

import datetime

from sqlalchemy import delete, update

from lictor.model import LoadBalancer, history, now
from tests.unit.api.world import World

NOWHERE = "11111111-1111-1111-1111-111111111111"


def happened(world: World, balancer: dict, *kinds: str) -> None:
    for kind in kinds:
        world.store.write(lambda s, kind=kind: history.record(s, world.row(balancer), kind, f"It was {kind}."))


def test_events_say_what_happened_when_and_why_and_when_it_is_tried_again(world: World) -> None:
    balancer = world.balancer()
    soon = now() + datetime.timedelta(seconds=30)
    world.store.write(
        lambda s: history.record(s, world.row(balancer), "failed", "No host has room.", attempts=2, next_try_at=soon)
    )
    (event,) = world.get(f"/loadbalancers/{balancer['id']}/events")["events"]
    assert set(event) == {
        "id", "loadbalancer_id", "project_id", "tenant_id", "amphora_id", "created_at", "generation", "kind",
        "message", "attempts", "next_try_at",
    }  # fmt: skip
    assert (event["kind"], event["message"], event["attempts"]) == ("failed", "No host has room.", 2)
    assert event["next_try_at"] == soon.isoformat()
    assert event["created_at"] <= soon.isoformat()
    assert (event["loadbalancer_id"], event["project_id"]) == (balancer["id"], balancer["project_id"])


def test_the_newest_event_comes_first_and_pages_and_filters_work_as_in_every_list(world: World) -> None:
    balancer, other = world.balancer(), world.balancer()
    happened(world, balancer, "one", "two", "three")
    happened(world, other, "elsewhere")
    path = f"/loadbalancers/{balancer['id']}/events"

    def kinds(**parameters: str) -> list[str]:
        return [event["kind"] for event in world.get(path, params=parameters)["events"]]

    assert kinds() == ["three", "two", "one"]
    assert kinds(sort="id:asc") == ["one", "two", "three"]
    assert kinds(kind="two") == ["two"]
    page = world.get(path, params={"limit": "2"})
    assert [event["kind"] for event in page["events"]] == ["three", "two"]
    (link,) = page["events_links"]
    rest = world.get(link["href"].removeprefix("http://falconframework.org"))
    assert [event["kind"] for event in rest["events"]] == ["one"]
    assert world.get(path, params={"fields": "kind"})["events"][0] == {"kind": "three"}
    for bad in ({"marker": "x"}, {"marker": "99999999999999999999999"}, {"tags": "x"}, {"name": "x"}):
        world.get(path, 400, params=bad)


def test_events_can_be_read_after_the_load_balancer_is_gone(world: World) -> None:
    balancer = world.balancer()
    happened(world, balancer, "deleted")
    path = f"/loadbalancers/{balancer['id']}/events"

    def remove(session) -> None:
        from lictor.model import Amphora

        session.execute(delete(Amphora))
        session.execute(delete(LoadBalancer))

    world.store.write(remove)
    world.get(f"/loadbalancers/{balancer['id']}", 404)
    assert [event["kind"] for event in world.get(path)["events"]] == ["deleted"]


def test_one_of_which_nothing_is_known_has_no_events(world: World) -> None:
    for name in (NOWHERE, "x"):
        assert "not found" in world.get(f"/loadbalancers/{name}/events", 404)["faultstring"]
    assert world.get(f"/loadbalancers/{world.balancer()['id']}/events")["events"] == []


def test_whatever_is_not_settled_says_why_in_the_status_tree_and_the_rest_says_nothing(world: World) -> None:
    balancer = world.balancer()
    done, broken = world.listener(balancer, 80), world.listener(balancer, 81)
    world.settle()
    pool = world.pool(balancer, listener_id=broken["id"])
    world.member(pool)
    values = {"fault": "No host has room.", "attempts": 4, "retry_at_ms": 1_800_000_000_000}
    world.store.write(
        lambda s: s.execute(update(LoadBalancer).values(provisioning_status="ERROR", **values))
    )  # fmt: skip
    reason = {"fault": "No host has room.", "attempts": 4, "next_try_at": "2027-01-15T08:00:00"}
    tree = world.get(f"/loadbalancers/{balancer['id']}/status")["statuses"]["loadbalancer"]
    listeners = {listener["id"]: listener for listener in tree["listeners"]}
    assert tree | reason == tree
    assert set(listeners[done["id"]]) == {"id", "name", "operating_status", "provisioning_status", "pools"}
    pools = listeners[broken["id"]]["pools"]
    for each in (listeners[broken["id"]], pools[0], pools[0]["members"][0]):
        assert each | reason == each


def test_a_user_s_write_has_the_next_attempt_made_at_once(world: World) -> None:
    balancer = world.balancer()
    values = {"fault": "No host has room.", "attempts": 4, "retry_at_ms": 1_800_000_000_000}
    world.store.write(lambda s: s.execute(update(LoadBalancer).values(provisioning_status="ERROR", **values)))
    world.change(f"/loadbalancers/{balancer['id']}", name="x")
    tree = world.get(f"/loadbalancers/{balancer['id']}/status")["statuses"]["loadbalancer"]
    assert (tree["fault"], tree["attempts"], tree["next_try_at"]) == ("No host has room.", 0, None)
