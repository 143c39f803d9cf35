"""Quotas: what a project may have, and that it never gets more, whichever way it asks."""

import threading
from typing import Any

import pytest
from sqlalchemy.orm import Session

from lictor.model import LoadBalancer
from lictor.model.quotas import hold
from tests.unit.api.callers import FOREIGN, OWN, Guarded, caller
from tests.unit.api.world import L

NAMES = ("loadbalancer", "listener", "pool", "member", "healthmonitor", "l7policy", "l7rule")
TWINS = {"load_balancer": "loadbalancer", "health_monitor": "healthmonitor"}
MEMBER = {"address": "192.0.2.1", "protocol_port": 80}
POOL = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
MONITOR = {"type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 2}


def quota(**values: int) -> dict[str, int]:
    """All limits as they are shown, of which only these are set."""
    found = dict.fromkeys(NAMES, -1) | values
    return found | {twin: found[name] for twin, name in TWINS.items()}


class Counting(Guarded):
    """Callers are told apart, so there is somebody to count for."""

    def __init__(self, directory: Any, **overrides: object) -> None:
        super().__init__(directory, **{"api_settings__auth_strategy": "keystone"} | overrides)

    def limit(self, project_id: str = OWN, **values: int | None) -> Any:
        return self.call("PUT", f"/quotas/{project_id}", 202, {"quota": values})["quota"]

    def count(self, path: str) -> int:
        return len(self.get(path)[path.rsplit("/", 1)[-1]])

    def members(self, pool: Any, status: int, *ports: int, query: str = "") -> Any:
        """Make members on these ports those of the pool."""
        body = {"members": [MEMBER | {"protocol_port": port} for port in ports]}
        answer = self.call("PUT", f"/pools/{pool['id']}/members", status, body, query_string=query)
        return answer and answer["faultstring"]


@pytest.fixture
def counting(tmp_path) -> Counting:
    return Counting(tmp_path)


def met(*titles: str) -> str:
    return f"Quota has been met for resources: {', '.join(titles)}"


# --- limits ----------------------------------------------------------------------------------------------------------


def test_without_limits_everything_is_unlimited_and_shown_in_both_spellings(counting: Counting) -> None:
    for path in (f"/quotas/{OWN}", f"/quotas/{OWN}/default", "/quotas/defaults"):
        assert counting.get(path) == {"quota": quota()}
    assert counting.get("/quotas") == {"quotas": [], "quotas_links": []}


def test_limits_stay_until_they_are_changed_or_set_back(counting: Counting) -> None:
    assert counting.limit(pool=3, member="4") == quota(pool=3, member=4)
    assert counting.limit(listener=0) == quota(pool=3, member=4, listener=0)
    assert counting.limit(pool=None) == quota(member=4, listener=0)
    assert counting.get(f"/quotas/{OWN}")["quota"] == quota(member=4, listener=0)
    assert counting.get(f"/quotas/{FOREIGN}")["quota"] == quota()
    assert counting.get(f"/quotas/{OWN}/default")["quota"] == quota()
    assert counting.call("DELETE", f"/quotas/{OWN}", 202) is None
    assert counting.get(f"/quotas/{OWN}")["quota"] == quota()


def test_the_misspelled_names_mean_the_same(counting: Counting) -> None:
    assert counting.limit(load_balancer=3, health_monitor=4) == quota(loadbalancer=3, healthmonitor=4)
    assert counting.limit(load_balancer=5, loadbalancer=5)["loadbalancer"] == 5
    answer = counting.call("PUT", f"/quotas/{OWN}", 400, {"quota": {"load_balancer": 1, "loadbalancer": 2}})
    assert "loadbalancer and load_balancer are one limit" in answer["faultstring"]
    assert counting.limit(load_balancer=None)["load_balancer"] == -1


def test_the_operator_sets_the_defaults(tmp_path) -> None:
    options = {
        "load_balancer": 1,
        "listener": 2,
        "pool": 3,
        "member": 4,
        "health_monitor": 5,
        "l7policy": 6,
        "l7rule": 7,
    }
    world = Counting(tmp_path, **{f"quotas__default_{name}_quota": value for name, value in options.items()})
    expected = quota(**dict(zip(NAMES, range(1, 8), strict=True)))
    for path in (f"/quotas/{OWN}", f"/quotas/{OWN}/default", "/quotas/defaults"):
        assert world.get(path)["quota"] == expected
    assert world.limit(pool=-1) == expected | {"pool": -1}
    world.balancer()
    assert world.create("loadbalancers", 403, vip_subnet_id=world.subnet.id) == met("Load Balancer")
    assert [each["project_id"] for each in world.get("/quotas")["quotas"]] == [OWN]


def test_only_projects_with_limits_of_their_own_are_listed(counting: Counting) -> None:
    counting.limit(pool=5)
    counting.limit(FOREIGN, pool=6)
    shown = counting.get("/quotas")["quotas"]
    assert shown[0] == quota(pool=5) | {"project_id": OWN, "tenant_id": OWN}
    assert [each["project_id"] for each in shown] == [OWN, FOREIGN]
    page = counting.get("/quotas", query_string="limit=1")
    assert page["quotas"] == shown[:1]
    assert f"marker={OWN}" in page["quotas_links"][0]["href"]
    for query in (f"project_id={FOREIGN}", "pool=6", f"marker={OWN}", "sort=pool:desc&limit=1"):
        assert counting.get("/quotas", query_string=query)["quotas"] == shown[1:]
    for query in ("tags=x", "name=x", "holds=1"):
        assert counting.get("/quotas", 400, query_string=query)
    counting.limit(FOREIGN, pool=None)
    assert [each["project_id"] for each in counting.get("/quotas")["quotas"]] == [OWN]


@pytest.mark.parametrize("value", [-2, 2_000_000_001, "many", 1.5, True, []])
def test_a_limit_that_is_none_is_refused(counting: Counting, value: object) -> None:
    answer = counting.call("PUT", f"/quotas/{OWN}", 400, {"quota": {"pool": value}})
    assert "field/attribute pool." in answer["faultstring"]
    assert counting.get("/quotas")["quotas"] == []
    assert counting.limit(pool=2_000_000_000)["pool"] == 2_000_000_000


def test_bodies_that_say_nothing_of_limits_are_refused(counting: Counting) -> None:
    for body in ({}, {"quotas": {}}, {"quota": {"colour": 1}}, {"quota": {"project_id": OWN}}, []):
        assert counting.call("PUT", f"/quotas/{OWN}", 400, body)["faultcode"] == "Client"
    assert counting.call("PUT", f"/quotas/{OWN}", 202, {"quota": {}})["quota"] == quota()


@pytest.mark.parametrize("project_id", ["defaults", "x" * 37, "%00", "a b"])
def test_what_cannot_be_a_project_has_no_limits(counting: Counting, project_id: str) -> None:
    assert counting.call("PUT", f"/quotas/{project_id}", 400, {"quota": {"pool": 1}})
    assert counting.get(f"/quotas/{project_id}")["quota"] == quota()
    assert counting.call("DELETE", f"/quotas/{project_id}", 404)


def test_a_project_without_limits_has_none_to_set_back(counting: Counting) -> None:
    text = f"Quotas {OWN} not found."
    assert counting.call("DELETE", f"/quotas/{OWN}", 404)["faultstring"] == text
    counting.limit(pool=None)
    assert counting.call("DELETE", f"/quotas/{OWN}", 404)["faultstring"] == text


def test_members_see_their_limits_and_the_defaults_but_set_none(counting: Counting) -> None:
    member = {"headers": caller("member")}
    for path in (f"/quotas/{OWN}", f"/quotas/{OWN}/default", "/quotas/defaults"):
        counting.get(path, **member)
    counting.limit(FOREIGN, pool=1)
    assert counting.get("/quotas", **member)["quotas"] == []
    counting.get(f"/quotas/{FOREIGN}", 403, **member)
    counting.call("PUT", f"/quotas/{OWN}", 403, {"quota": {"pool": 9}}, **member)
    counting.call("DELETE", f"/quotas/{OWN}", 403, **member)


# --- what is counted -------------------------------------------------------------------------------------------------


def test_a_load_balancer_too_many_is_refused_and_leaves_no_port(counting: Counting) -> None:
    counting.limit(loadbalancer=1)
    balancer = counting.balancer()
    ports = len(counting.networking.ports())
    assert counting.create("loadbalancers", 403, vip_subnet_id=counting.subnet.id) == met("Load Balancer")
    assert (counting.count("/loadbalancers"), len(counting.networking.ports())) == (1, ports)
    counting.balancer(project_id=FOREIGN)
    counting.call("DELETE", f"/loadbalancers/{balancer['id']}", 204)
    counting.balancer()


def test_what_is_being_deleted_counts_no_more(counting: Counting) -> None:
    counting.limit(pool=1, listener=1, member=1, healthmonitor=1)
    balancer = counting.balancer()
    for _ in range(2):
        pool = counting.pool(balancer)
        counting.listener(balancer)
        counting.member(pool)
        counting.monitor(pool)
        counting.call("DELETE", f"/loadbalancers/{balancer['id']}", 204, query_string="cascade=true")
        balancer = counting.balancer()


def test_each_kind_is_counted_by_itself(counting: Counting) -> None:
    balancer = counting.balancer()
    pool = counting.pool(balancer)
    counting.limit(pool=1, listener=0, member=0, healthmonitor=0)
    under = {"loadbalancer_id": balancer["id"]}
    generation = counting.row(balancer).generation
    assert counting.create("pools", 403, **under, **POOL) == met("Pool")
    assert counting.create("listeners", 403, **under, protocol="HTTP", protocol_port=80) == met("Listener")
    assert counting.create(f"pools/{pool['id']}/members", 403, **MEMBER) == met("Member")
    assert counting.create("healthmonitors", 403, pool_id=pool["id"], **MONITOR) == met("Health Monitor")
    assert counting.row(balancer).generation == generation
    counting.balancer()


def test_changes_and_deletions_are_free_however_low_the_limit_has_become(counting: Counting) -> None:
    balancer = counting.balancer()
    pool = counting.pool(balancer)
    member = counting.member(pool)
    counting.limit(**dict.fromkeys(NAMES, 0))
    counting.change(f"/loadbalancers/{balancer['id']}", name="x")
    counting.change(f"/pools/{pool['id']}", name="x")
    counting.change(f"/pools/{pool['id']}/members/{member['id']}", weight=5)
    counting.delete(f"/pools/{pool['id']}/members/{member['id']}")


def test_a_batch_counts_the_difference(counting: Counting) -> None:
    pool = counting.pool(counting.balancer())
    counting.limit(member=2)
    counting.members(pool, 202, 1, 2)
    counting.members(pool, 202, 2, 3)
    assert counting.members(pool, 403, 2, 3, 4) == met("Member")
    assert counting.members(pool, 403, 4, query="additive_only=true") == met("Member")
    alive = [each for each in counting.get(f"/pools/{pool['id']}/members")["members"]
             if each["provisioning_status"] != "PENDING_DELETE"]  # fmt: skip
    assert sorted(each["protocol_port"] for each in alive) == [2, 3]
    counting.limit(member=1)
    counting.members(pool, 202, 4, 5)
    counting.members(pool, 202)
    assert counting.members(pool, 403, 4, 5) == met("Member")
    counting.members(pool, 202, 4)


def test_a_tree_is_counted_whole_before_any_of_it_is_there(counting: Counting) -> None:
    counting.limit(pool=2, member=2, listener=1, healthmonitor=1)
    members = [MEMBER | {"protocol_port": port} for port in (1, 2, 3)]

    def tree(**values: Any) -> dict[str, Any]:
        pool = POOL | {"name": "p", "members": members[:2], "healthmonitor": MONITOR} | values
        listener = {"protocol": "HTTP", "protocol_port": 80, "default_pool": pool}
        return {"vip_subnet_id": counting.subnet.id, "listeners": [listener]}

    second = [{"protocol": "HTTP", "protocol_port": 81}]
    assert counting.create("loadbalancers", 403, **tree(members=members)) == met("Member")
    both = tree(members=members)
    assert counting.create("loadbalancers", 403, **both | {"listeners": both["listeners"] + second}) == met(
        "Listener", "Member"
    )
    pools = [POOL | {"name": name} for name in "ab"]
    assert counting.create("loadbalancers", 403, **tree(), pools=pools) == met("Pool")
    assert (counting.count("/loadbalancers"), counting.networking.ports()) == (0, [])
    counting.balancer(**tree())


def test_nested_children_of_listeners_and_pools_are_counted(counting: Counting) -> None:
    balancer = counting.balancer()
    counting.limit(pool=1, member=1)
    under = {"loadbalancer_id": balancer["id"]}
    members = [MEMBER, MEMBER | {"protocol_port": 81}]
    assert counting.create("pools", 403, **under, **POOL, members=members) == met("Member")
    nested = {"protocol": "HTTP", "protocol_port": 80, "default_pool": POOL | {"members": members}}
    assert counting.create("listeners", 403, **under, **nested) == met("Member")
    assert (counting.count("/pools"), counting.count("/listeners")) == (0, 0)
    counting.create("pools", **under, **POOL, members=members[:1])


def test_policies_and_rules_are_counted_alone_and_in_trees(counting: Counting) -> None:
    rule = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/a"}
    policy = {"action": "REJECT", "rules": [rule, rule]}
    listener = counting.listener(counting.balancer())
    counting.limit(l7policy=1, l7rule=1)
    under = {"listener_id": listener["id"]}
    made = counting.call("POST", "/l7policies", 201, {"l7policy": under | {"action": "REJECT"}})["l7policy"]
    path = f"/l7policies/{made['id']}/rules"
    counting.call("POST", path, 201, {"rule": rule})
    for where, body, title in (
        ("/l7policies", {"l7policy": under | {"action": "REJECT"}}, "L7 Policy"),
        (path, {"rule": rule}, "L7 Rule"),
    ):
        assert counting.call("POST", where, 403, body)["faultstring"] == met(title)
    counting.call("DELETE", f"/l7policies/{made['id']}", 204)
    tree = [{"protocol": "HTTP", "protocol_port": 81, "l7policies": [policy]}]
    assert counting.create("loadbalancers", 403, vip_subnet_id=counting.subnet.id, listeners=tree) == met("L7 Rule")
    policy["rules"].pop()
    counting.balancer(listeners=tree)


def test_without_authentication_nobody_is_limited(tmp_path) -> None:
    world = Guarded(tmp_path)
    world.call("PUT", f"/quotas/{OWN}", 202, {"quota": {"loadbalancer": 0}})
    world.balancer()


# --- at the same time ------------------------------------------------------------------------------------------------


def at_once(count: int, work: Any) -> list[int]:
    """The statuses of what so many threads were answered that began together."""
    barrier, found = threading.Barrier(count), []

    def run(number: int) -> None:
        barrier.wait()
        found.append(work(number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == count
    return sorted(found)


def test_of_many_only_one_gets_the_last_load_balancer(counting: Counting) -> None:
    counting.limit(loadbalancer=2)
    counting.balancer()
    body = {"loadbalancer": {"vip_subnet_id": counting.subnet.id}}
    answers = at_once(6, lambda _: counting.status("POST", "/loadbalancers", caller("member"), body))
    assert answers == [201, 403, 403, 403, 403, 403]
    assert counting.count("/loadbalancers") == 2


def test_a_default_limit_holds_for_a_project_whose_first_creations_meet(tmp_path) -> None:
    world = Counting(tmp_path, quotas__default_load_balancer_quota=1)
    body = {"loadbalancer": {"vip_subnet_id": world.subnet.id}}
    answers = at_once(4, lambda _: world.status("POST", "/loadbalancers", caller("member"), body))
    assert answers == [201, 403, 403, 403]
    assert world.count("/loadbalancers") == 1


def test_members_of_different_load_balancers_share_one_limit(counting: Counting) -> None:
    pools = [counting.pool(counting.balancer()) for _ in range(4)]
    counting.limit(member=3)

    def add(number: int) -> int:
        path = f"{L}/pools/{pools[number % 4]['id']}/members"
        body = {"member": MEMBER | {"protocol_port": 1000 + number}}
        return counting.status("POST", path, caller("member"), body)

    assert at_once(8, add) == [201] * 3 + [403] * 5
    assert sum(counting.count(f"/pools/{pool['id']}/members") for pool in pools) == 3


@pytest.mark.parametrize("limit", ["its own", "the default"])
def test_whoever_comes_second_waits_and_then_sees_what_the_first_one_took(tmp_path, limit: str) -> None:
    world = Counting(tmp_path, quotas__default_load_balancer_quota=1 if limit == "the default" else -1)
    if limit == "its own":
        world.limit(loadbalancer=1)
    held, answered, found = threading.Event(), threading.Event(), []

    def first(session: Session) -> None:
        hold(session, OWN)
        session.add(LoadBalancer(id=OWN, project_id=OWN, provider="amphora"))
        session.flush()
        held.set()
        answered.wait(0.5)

    def second() -> None:
        held.wait(10)
        body = {"loadbalancer": {"vip_subnet_id": world.subnet.id}}
        found.append(world.status("POST", "/loadbalancers", caller("member"), body))
        answered.set()

    thread = threading.Thread(target=second)
    thread.start()
    world.store.write(first)
    thread.join(60)
    assert found == [403]
