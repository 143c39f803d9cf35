"""Objects created with all that is below them in one call, where Octavia answers 500, and whole load balancers."""

import json
import pathlib
import re
from typing import Any

import pytest

from tests.unit.api.world import World

GUIDE = pathlib.Path(__file__).parents[3] / "docs/user.md"
NOWHERE = "11111111-1111-1111-1111-111111111111"
MEMBER = {"address": "198.18.0.10", "protocol_port": 80}
MONITOR = {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 2}
RULE = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/x"}
KINDS = ("listeners", "pools", "healthmonitors", "l7policies")


def definition(name: str = "", **values: Any) -> dict:
    named = {"name": name} if name else {}
    return named | {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"} | values


def to_pool(pool: dict, **values: Any) -> dict:
    return {"action": "REDIRECT_TO_POOL", "redirect_pool": pool} | values


def listener(balancer: Any, **values: Any) -> dict:
    return {"loadbalancer_id": balancer["id"], "protocol": "HTTP", "protocol_port": 80} | values


def rows(world: World) -> dict[str, list[Any]]:
    return {kind: world.get(f"/{kind}")[kind] for kind in KINDS}


@pytest.fixture
def balancer(whole: World) -> Any:
    return whole.balancer()


# --- a listener ------------------------------------------------------------------------------------------------------


def test_a_listener_comes_with_its_pools_and_policies(whole: World, balancer: Any) -> None:
    there = whole.pool(balancer)
    wakes = whole.wakes
    made = whole.create(
        "listeners",
        **listener(
            balancer,
            default_pool=definition("servers", members=[MEMBER], healthmonitor=MONITOR),
            l7policies=[
                to_pool({"name": "servers"}, name="a", rules=[RULE, RULE | {"value": "/y"}]),
                to_pool(definition(members=[MEMBER | {"tags": ["m"]}]), name="b", position=1, tags=["t"]),
                {"action": "REDIRECT_TO_POOL", "redirect_pool_id": there["id"], "name": "c"},
                {"action": "REDIRECT_PREFIX", "redirect_prefix": "https://a.example", "name": "d", "position": 2},
            ],
        ),
    )
    assert whole.wakes == wakes + 1
    assert whole.get(f"/listeners/{made['id']}")["listener"] == made
    found = rows(whole)
    policies = {policy["name"]: policy for policy in found["l7policies"]}
    assert [policies[name]["id"] for name in "bdac"] == [each["id"] for each in made["l7policies"]]
    assert [policies[name]["position"] for name in "bdac"] == [1, 2, 3, 4]
    assert policies["a"]["redirect_pool_id"] == made["default_pool_id"]
    assert policies["c"]["redirect_pool_id"] == there["id"]
    assert (policies["d"]["redirect_http_code"], policies["b"]["tags"]) == (302, ["t"])
    rules = whole.get(f"/l7policies/{policies['a']['id']}/rules")["rules"]
    assert [rule["value"] for rule in rules] == ["/x", "/y"]
    servers = whole.get(f"/pools/{made['default_pool_id']}")["pool"]
    assert (servers["name"], len(servers["members"])) == ("servers", 1)
    assert servers["healthmonitor_id"] == found["healthmonitors"][0]["id"]
    assert len(found["pools"]) == 3
    for row in (*rules, *found["pools"], *found["l7policies"]):
        assert row["provisioning_status"] == "PENDING_CREATE"
        assert row["project_id"] == made["project_id"]


def test_the_listener_of_the_user_guide_can_be_made(whole: World, balancer: Any) -> None:
    (printed,) = re.findall(r'^    \{"listener".+(?:\n      .+)*', GUIDE.read_text(), re.MULTILINE)
    body = json.loads(printed.replace("LOAD-BALANCER-ID", balancer["id"]))
    whole.call("POST", "/listeners", 201, body)
    policies = whole.get("/l7policies", query_string="sort=position")["l7policies"]
    assert [(policy["name"], len(policy["rules"])) for policy in policies] == [
        ("no bots", 2),
        ("images", 1),
        ("moved", 1),
    ]


@pytest.mark.parametrize(
    ("status", "values", "sentence"),
    [
        (400, {"default_pool": {"name": "x"}}, "Pool 'x' is not defined in the request."),
        (400, {"default_pool": {}}, "protocol. Value: 'None'. Mandatory"),
        (400, {"default_pool": definition(), "default_pool_id": NOWHERE}, "not both"),
        (400, {"default_pool": definition(protocol="TCP")}, "'TCP' is invalid while the listener protocol is 'HTTP'"),
        (400, {"default_pool": definition(colour="x")},
         "Unknown attribute for argument listener_.listener.default_pool: colour"),
        (400, {"default_pool": definition("x"), "l7policies": [to_pool(definition("x"))]}, "'x' is given twice"),
        (400, {"l7policies": [to_pool({"name": "x"})]}, "Pool 'x' is not defined"),
        (400, {"l7policies": [to_pool(definition(protocol="TCP"))]}, "'TCP' is invalid"),
        (400, {"l7policies": [{"name": "x"}]}, "l7policies[0].action. Value: 'None'. Mandatory"),
        (400, {"l7policies": [{"action": "REJECT"}, {"action": "REDIRECT_TO_URL"}]}, "needs redirect_url"),
        (400, {"l7policies": [{"action": "REJECT", "rules": [RULE, RULE | {"value": "a b"}]}]}, "Error parsing L7Rule"),
        (400, {"l7policies": [{"action": "REJECT", "rules": [RULE | {"type": "x"}]}]}, "l7policies[0].rules[0].type"),
        (400, {"l7policies": [{"action": "REJECT", "listener_id": NOWHERE}]}, "l7policies[0]: listener_id"),
        (400, {"l7policies": [{"action": "REJECT", "project_id": "other"}]}, "project_id 'other'"),
        (404, {"l7policies": [{"action": "REDIRECT_TO_POOL", "redirect_pool_id": NOWHERE}]}, f"Pool {NOWHERE}"),
        (404, {"l7policies": [to_pool(definition(members=[MEMBER | {"subnet_id": NOWHERE}]))]}, f"Subnet {NOWHERE}"),
        (409, {"l7policies": [to_pool(definition(members=[MEMBER, MEMBER]))]}, "Another member"),
        (409, {"l7policies": [{"action": "REJECT", "rules": [RULE] * 51}]}, "it can have 50"),
        (400, {"protocol": "PROMETHEUS", "l7policies": [{"action": "REJECT"}]}, "cannot have child objects"),
    ],
)  # fmt: skip
def test_a_listener_with_one_mistake_below_makes_nothing(
    whole: World, balancer: Any, status: int, values: dict, sentence: str
) -> None:
    wakes = whole.wakes
    assert sentence in whole.create("listeners", status, **listener(balancer, **values))
    assert (rows(whole), whole.wakes) == ({kind: [] for kind in KINDS}, wakes)


# --- a pool, a policy ------------------------------------------------------------------------------------------------


def test_a_pool_comes_with_its_members_and_monitor(whole: World, balancer: Any) -> None:
    made = whole.pool(balancer, members=[MEMBER, MEMBER | {"protocol_port": 81}], healthmonitor=MONITOR)
    assert whole.get(f"/pools/{made['id']}")["pool"] == made
    members = whole.get(f"/pools/{made['id']}/members")["members"]
    assert [member["protocol_port"] for member in members] == [80, 81]
    assert whole.get(f"/healthmonitors/{made['healthmonitor_id']}")["healthmonitor"]["pools"] == [{"id": made["id"]}]
    with_listener = whole.listener(balancer)
    wanted = definition(listener_id=with_listener["id"], members=[MEMBER])
    assert whole.create("pools", **wanted)["listeners"] == [{"id": with_listener["id"]}]


@pytest.mark.parametrize(
    ("status", "values", "sentence"),
    [
        (400, {"members": [{"address": "198.18.0.10"}]}, "members[0].protocol_port. Value: 'None'. Mandatory"),
        (400, {"members": [MEMBER], "healthmonitor": MONITOR | {"type": "TCP", "url_path": "/"}}, "url_path is only"),
        (400, {"members": [MEMBER], "healthmonitor": {}}, "healthmonitor.type. Value: 'None'. Mandatory"),
        (404, {"members": [MEMBER, MEMBER | {"subnet_id": NOWHERE}]}, f"Subnet {NOWHERE} not found."),
        (409, {"members": [MEMBER, MEMBER]}, "Another member on this pool"),
    ],
)
def test_a_pool_with_one_mistake_below_makes_nothing(
    whole: World, balancer: Any, status: int, values: dict, sentence: str
) -> None:
    assert sentence in whole.create("pools", status, **definition(loadbalancer_id=balancer["id"], **values))
    assert rows(whole) == {kind: [] for kind in KINDS}


def test_a_policy_comes_with_its_rules_and_pool(whole: World, balancer: Any) -> None:
    below = whole.listener(balancer)
    whole.settle()
    pool = definition("servers", members=[MEMBER], healthmonitor=MONITOR)
    made = whole.policy(below, rules=[RULE, RULE | {"invert": True}], **to_pool(pool))
    assert whole.get(f"/l7policies/{made['id']}")["l7policy"] == made
    rules = whole.get(f"/l7policies/{made['id']}/rules")["rules"]
    assert ([rule["id"] for rule in rules], [rule["invert"] for rule in rules]) == (
        [each["id"] for each in made["rules"]], [False, True],
    )  # fmt: skip
    servers = whole.get(f"/pools/{made['redirect_pool_id']}")["pool"]
    assert (servers["listeners"], len(servers["members"])) == ([{"id": below["id"]}], 1)
    assert whole.get(f"/listeners/{below['id']}")["listener"]["provisioning_status"] == "PENDING_UPDATE"
    assert "Error parsing" in whole.create(
        "l7policies", 400, listener_id=below["id"], action="REJECT", rules=[RULE | {"value": "("}, RULE | {"value": ""}]
    )
    assert len(rows(whole)["l7policies"]) == 1


# --- a whole load balancer -------------------------------------------------------------------------------------------


def graph(world: World, **values: Any) -> dict:
    listeners = [
        {
            "protocol": "HTTP", "protocol_port": 80, "default_pool": {"name": "shared"}, "name": "first",
            "l7policies": [
                to_pool({"name": "later"}, name="a", rules=[RULE]),
                to_pool(definition("inner", members=[MEMBER]), name="b", position=1, rules=[RULE, RULE], tags=["t"]),
                {"action": "REJECT", "name": "c"},
            ],
        },
        {"protocol": "HTTP", "protocol_port": 81, "default_pool": definition("later", healthmonitor=MONITOR)},
        {"protocol": "HTTP", "protocol_port": 82, "l7policies": [to_pool({"name": "inner"}, name="d")]},
    ]  # fmt: skip
    pools = [definition("shared", members=[MEMBER], healthmonitor=MONITOR)]
    return {"vip_subnet_id": world.subnet.id, "listeners": listeners, "pools": pools} | values


def test_a_whole_graph_is_made_and_shown_in_full(whole: World) -> None:
    made = whole.create("loadbalancers", **graph(whole))
    pools = {pool["name"]: pool for pool in made["pools"]}
    assert set(pools) == {"shared", "later", "inner"}
    first, second, third = made["listeners"]
    policies = first["l7policies"]
    assert [(policy["name"], policy["position"]) for policy in policies] == [("b", 1), ("a", 2), ("c", 3)]
    assert [policy["redirect_pool_id"] for policy in policies] == [pools["inner"]["id"], pools["later"]["id"], None]
    assert [[rule["value"] for rule in policy["rules"]] for policy in policies] == [["/x", "/x"], ["/x"], []]
    assert (second["default_pool_id"], second["l7policies"]) == (pools["later"]["id"], [])
    assert third["l7policies"][0]["redirect_pool_id"] == pools["inner"]["id"]
    for listener in made["listeners"]:
        for shown in listener["l7policies"]:
            row = whole.get(f"/l7policies/{shown['id']}")["l7policy"]
            assert row == shown | {"rules": [{"id": rule["id"]} for rule in shown["rules"]]}
            assert row["project_id"] == made["project_id"]
            for rule in shown["rules"]:
                assert whole.get(f"/l7policies/{shown['id']}/rules/{rule['id']}")["rule"] == rule
    assert pools["shared"]["members"][0]["operating_status"] == "NO_MONITOR"
    assert {each["id"] for each in pools["inner"]["listeners"]} == {first["id"], third["id"]}
    tree = whole.get(f"/loadbalancers/{made['id']}/status")["statuses"]["loadbalancer"]
    assert [[pool["name"] for pool in listener["pools"]] for listener in tree["listeners"]] == [
        ["shared", "inner", "later"], ["later"], ["inner"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "policy", "sentence"),
    [
        (400, to_pool({"name": "nowhere"}), "Pool 'nowhere' is not defined in the request."),
        (400, to_pool(definition()), "Pools must be named"),
        (400, to_pool(definition("shared")), "'shared' is given twice"),
        (400, to_pool({"name": "half", "protocol": "HTTP"}), "lb_algorithm. Value: 'None'. Mandatory"),
        (400, to_pool(definition("tcp", protocol="TCP")), "'TCP' is invalid"),
        (404, {"action": "REDIRECT_TO_POOL", "redirect_pool_id": NOWHERE}, f"Pool {NOWHERE} not found."),
        (404, to_pool(definition("m", members=[MEMBER | {"subnet_id": NOWHERE}])), f"Subnet {NOWHERE} not found."),
        (400, {"action": "REJECT", "rules": [RULE | {"key": "a\nb"}]}, "l7policies[0].rules[0].key"),
    ],
)
def test_a_graph_with_one_mistake_in_a_policy_makes_nothing(
    whole: World, status: int, policy: dict, sentence: str
) -> None:
    listeners = [{"protocol": "HTTP", "protocol_port": 80, "l7policies": [policy]}]
    assert sentence in whole.create("loadbalancers", status, **graph(whole, listeners=listeners))
    assert rows(whole) == {kind: [] for kind in KINDS}
    assert whole.get("/loadbalancers")["loadbalancers"] == []
    assert whole.networking.ports() == []


def test_all_that_came_with_a_listener_but_its_pools_goes_with_it(whole: World) -> None:
    made = whole.create("loadbalancers", **graph(whole))
    whole.settle()
    first = made["listeners"][0]
    whole.delete(f"/listeners/{first['id']}")
    for policy in first["l7policies"]:
        shown = whole.get(f"/l7policies/{policy['id']}")["l7policy"]
        assert shown["provisioning_status"] == "PENDING_DELETE"
        for rule in whole.get(f"/l7policies/{policy['id']}/rules")["rules"]:
            assert rule["provisioning_status"] == "PENDING_DELETE"
    whole.settle()
    found = rows(whole)
    assert [policy["name"] for policy in found["l7policies"]] == ["d"]
    assert sorted(pool["name"] for pool in found["pools"]) == ["inner", "later", "shared"]
