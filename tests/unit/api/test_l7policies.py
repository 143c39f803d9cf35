"""L7 policies: what they say, where they stand, what they send requests to, what goes with them."""

import concurrent.futures
from typing import Any

import pytest
from sqlalchemy import select

from lictor.model import Tag
from tests.unit.api.world import World

NOWHERE = "11111111-1111-1111-1111-111111111111"
TARGETS = {"redirect_url": None, "redirect_prefix": None, "redirect_pool_id": None, "redirect_http_code": None}


@pytest.fixture
def listener(whole: World) -> Any:
    return whole.listener(whole.balancer())


def redirection(policy: Any) -> dict:
    return {name: policy[name] for name in TARGETS}


def order(world: World, listener: Any) -> list[str]:
    """The names of a listener's policies by position, which must be dense."""
    rows = world.get("/l7policies", query_string=f"listener_id={listener['id']}&sort=position")["l7policies"]
    rows = [row for row in rows if row["provisioning_status"] != "PENDING_DELETE"]
    assert [row["position"] for row in rows] == list(range(1, len(rows) + 1))
    return [row["name"] for row in rows]


def test_a_new_policy_has_the_attributes_of_the_reference(whole: World, listener: Any) -> None:
    whole.settle()
    policy = whole.policy(listener, tags=["b", "a"])
    defaults = {
        "name": "", "description": "", "admin_state_up": True, "action": "REJECT", "listener_id": listener["id"],
        "position": 1, "rules": [], "tags": ["a", "b"], "updated_at": None, "operating_status": "OFFLINE",
        "provisioning_status": "PENDING_CREATE", "project_id": listener["project_id"],
        "tenant_id": listener["project_id"], **TARGETS,
    }  # fmt: skip
    assert policy == defaults | {"id": policy["id"], "created_at": policy["created_at"]}
    assert whole.get(f"/l7policies/{policy['id']}")["l7policy"] == policy
    shown = whole.get(f"/listeners/{listener['id']}")["listener"]
    assert shown["l7policies"] == [{"id": policy["id"]}]
    assert shown["provisioning_status"] == "PENDING_UPDATE"
    whole.settle()
    assert whole.get(f"/l7policies/{policy['id']}")["l7policy"]["provisioning_status"] == "ACTIVE"


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ({"action": "REDIRECT_TO_URL", "redirect_url": "https://a.example/x?y=%20z"},
         {"redirect_url": "https://a.example/x?y=%20z", "redirect_http_code": 302}),
        ({"action": "REDIRECT_PREFIX", "redirect_prefix": "http://[2001:db8::1]:8080", "redirect_http_code": "308"},
         {"redirect_prefix": "http://[2001:db8::1]:8080", "redirect_http_code": 308}),
        ({"action": "REJECT", "redirect_url": "http://a.example", "redirect_pool_id": NOWHERE,
          "redirect_http_code": 301}, {}),
        ({"action": "REDIRECT_TO_URL", "redirect_url": "http://a.example", "redirect_prefix": "http://b.example",
          "redirect_pool_id": NOWHERE}, {"redirect_url": "http://a.example", "redirect_http_code": 302}),
        ({"action": "REDIRECT_TO_POOL", "redirect_pool_id": "POOL", "redirect_url": "http://a.example",
          "redirect_http_code": 301}, {"redirect_pool_id": "POOL"}),
    ],
)  # fmt: skip
def test_a_policy_keeps_what_belongs_to_its_action(whole: World, listener: Any, values: dict, kept: dict) -> None:
    pool = whole.pool(listener["loadbalancers"][0])
    values, kept = ({k: pool["id"] if v == "POOL" else v for k, v in each.items()} for each in (values, kept))
    assert redirection(whole.policy(listener, **values)) == TARGETS | kept


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "action. Value: 'None'. Mandatory field missing."),
        ({"action": "DROP"}, "one of REJECT, REDIRECT_TO_URL"),
        ({"action": "REDIRECT_TO_URL"}, "Invalid L7 Policy arguments: action REDIRECT_TO_URL needs redirect_url."),
        ({"action": "REDIRECT_PREFIX", "redirect_url": "http://a.example"}, "needs redirect_prefix"),
        ({"action": "REDIRECT_TO_POOL"}, "needs redirect_pool_id"),
        ({"action": "REDIRECT_TO_POOL", "redirect_pool_id": "x"}, "a UUID"),
        *(({"action": "REDIRECT_TO_URL", "redirect_url": url}, "an http or https URL")
          for url in ("a.example", "ftp://a.example", "http://", "http://a b", "http://a\n", "http://a/\t", "//a/b",
                      "http://a/%zz", "http://a.example/" + "x" * 255, "javascript:alert(1)", "http://a/\x7f")),
        ({"action": "REDIRECT_TO_URL", "redirect_url": "http://a", "redirect_http_code": 300}, "one of 301, 302, 303"),
        ({"action": "REJECT", "position": 0}, "from 1 to 2147483647"),
        ({"action": "REJECT", "position": 2**31}, "from 1 to 2147483647"),
        ({"action": "REJECT", "colour": "x"}, "Unknown attribute for argument l7policy_.l7policy: colour"),
        ({"action": "REJECT", "project_id": "other"}, "project_id 'other' is not that of the load balancer"),
        ({"action": "REJECT", "redirect_pool": {"name": "x"}}, "redirect_pool is for action REDIRECT_TO_POOL"),
        ({"action": "REDIRECT_TO_POOL", "redirect_pool": {"name": "x"}}, "Pool 'x' is not defined in the request"),
        ({"action": "REDIRECT_TO_POOL", "redirect_pool": {"name": "x"}, "redirect_pool_id": NOWHERE}, "not both"),
    ],
)  # fmt: skip
def test_a_policy_that_makes_no_sense_is_400(whole: World, listener: Any, values: dict, sentence: str) -> None:
    wakes = whole.wakes
    assert sentence in whole.create("l7policies", 400, listener_id=listener["id"], **values)
    assert whole.get("/l7policies")["l7policies"] == []
    assert whole.wakes == wakes


def test_the_pool_must_be_on_the_same_load_balancer_and_speak_the_listeners_protocol(
    whole: World, listener: Any
) -> None:
    wanted = {"listener_id": listener["id"], "action": "REDIRECT_TO_POOL"}
    elsewhere = whole.pool(whole.balancer())
    for pool_id in (NOWHERE, elsewhere["id"]):
        assert whole.create("l7policies", 404, redirect_pool_id=pool_id, **wanted) == f"Pool {pool_id} not found."
    plain = whole.pool(listener["loadbalancers"][0], protocol="TCP")
    refusal = "The pool protocol 'TCP' is invalid while the listener protocol is 'HTTP'."
    assert refusal in whole.create("l7policies", 400, redirect_pool_id=plain["id"], **wanted)
    policy = whole.policy(listener)
    assert refusal in whole.change(f"/l7policies/{policy['id']}", 400, redirect_pool_id=plain["id"])
    assert whole.change(f"/l7policies/{policy['id']}", 404, redirect_pool_id=elsewhere["id"])
    going = whole.pool(listener["loadbalancers"][0])
    whole.delete(f"/pools/{going['id']}")
    assert "immutable" in whole.create("l7policies", 409, redirect_pool_id=going["id"], **wanted)


def test_a_policy_needs_a_listener_that_may_have_one(whole: World) -> None:
    assert whole.create("l7policies", 404, listener_id=NOWHERE, action="REJECT") == f"Listener {NOWHERE} not found."
    assert "listener_id" in whole.create("l7policies", 400, action="REJECT")
    balancer = whole.balancer()
    metrics = whole.listener(balancer, 81, protocol="PROMETHEUS")
    refusal = "Protocol PROMETHEUS listeners cannot have child objects."
    assert whole.create("l7policies", 400, listener_id=metrics["id"], action="REJECT") == refusal
    assert whole.policy(whole.listener(balancer, 82, protocol="TCP"))["action"] == "REJECT"
    gone = whole.listener(balancer, 83)
    whole.delete(f"/listeners/{gone['id']}")
    assert "immutable" in whole.create("l7policies", 409, listener_id=gone["id"], action="REJECT")


def test_a_policy_for_requests_that_amphorae_would_not_see_is_501(world: World) -> None:
    listener = world.listener(world.balancer(), protocol="TCP")
    assert "L7 policies on listeners of protocol TCP, only on those of HTTP and TERMINATED_HTTPS" in world.create(
        "l7policies", 501, listener_id=listener["id"], action="REJECT"
    )
    assert world.get("/l7policies")["l7policies"] == []


# --- positions -------------------------------------------------------------------------------------------------------


def test_positions_are_dense_whatever_was_asked_for(whole: World, listener: Any) -> None:
    for name, position in (("a", 1), ("b", 1), ("c", 5), ("d", 2)):
        whole.policy(listener, name=name, position=position)
    assert order(whole, listener) == ["b", "d", "a", "c"]
    whole.policy(listener, name="e")
    assert order(whole, listener) == ["b", "d", "a", "c", "e"]
    unsorted = [row["name"] for row in whole.get("/l7policies")["l7policies"]]
    assert unsorted == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    ("name", "position", "expected"),
    [("a", 3, "bcad"), ("a", 99, "bcda"), ("a", 2**31 - 1, "bcda"), ("a", None, "bcda"), ("d", 1, "dabc"),
     ("c", 2, "acbd"), ("b", 2, "abcd")],
)  # fmt: skip
def test_a_policy_moves_and_the_others_close_up(
    whole: World, listener: Any, name: str, position: int | None, expected: str
) -> None:
    made = {each: whole.policy(listener, name=each)["id"] for each in "abcd"}
    assert whole.change(f"/l7policies/{made[name]}", position=position)["position"] == expected.index(name) + 1
    assert order(whole, listener) == list(expected)
    shown = whole.get(f"/listeners/{listener['id']}")["listener"]["l7policies"]
    assert [each["id"] for each in shown] == [made[each] for each in expected]


def test_a_deleted_policy_leaves_no_gap(whole: World, listener: Any) -> None:
    made = {each: whole.policy(listener, name=each)["id"] for each in "abc"}
    elsewhere = whole.listener(listener["loadbalancers"][0], 81)
    whole.policy(elsewhere, name="x")
    whole.delete(f"/l7policies/{made['a']}")
    assert order(whole, listener) == ["b", "c"]
    whole.policy(listener, name="d", position=2)
    assert order(whole, listener) == ["b", "d", "c"]
    whole.settle()
    assert order(whole, listener) == ["b", "d", "c"]
    assert order(whole, elsewhere) == ["x"]


def test_many_writers_at_once_leave_dense_positions(whole: World, listener: Any) -> None:
    def write(number: int) -> None:
        policy = whole.policy(listener, name=str(number), position=1)
        whole.change(f"/l7policies/{policy['id']}", position=number + 1)
        if number % 3 == 0:
            whole.delete(f"/l7policies/{policy['id']}")

    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(12)))
    assert sorted(order(whole, listener), key=int) == [str(number) for number in range(12) if number % 3]


# --- changes ---------------------------------------------------------------------------------------------------------


def test_an_update_changes_what_it_names_and_null_means_the_default(whole: World, listener: Any) -> None:
    policy = whole.policy(
        listener, name="x", description="d", tags=["a"], action="REDIRECT_TO_URL", redirect_url="http://a.example",
        redirect_http_code=301,
    )  # fmt: skip
    whole.settle()
    path = f"/l7policies/{policy['id']}"
    after = whole.change(path, redirect_url="http://b.example", admin_state_up=False)
    changed = {"redirect_url": "http://b.example", "admin_state_up": False, "provisioning_status": "PENDING_UPDATE"}
    assert after == policy | changed | {"updated_at": after["updated_at"]}
    assert after["updated_at"]
    assert whole.get(f"/listeners/{listener['id']}")["listener"]["provisioning_status"] == "PENDING_UPDATE"
    after = whole.change(path, name=None, description=None, redirect_http_code=None, tags=["b"])
    assert (after["name"], after["description"], after["redirect_http_code"]) == ("", "", 302)
    assert after["tags"] == ["b"]
    assert "action. Value: 'None'. Mandatory" in whole.change(path, 400, action=None)
    assert "needs redirect_url" in whole.change(path, 400, redirect_url=None)
    assert "Unknown attribute" in whole.change(path, 400, listener_id=listener["id"])
    assert whole.change(path)["redirect_url"] == "http://b.example"


def test_another_action_takes_its_target_along_and_drops_the_old_one(whole: World, listener: Any) -> None:
    pool = whole.pool(listener["loadbalancers"][0])
    path = f"/l7policies/{whole.policy(listener)['id']}"
    assert "needs redirect_url" in whole.change(path, 400, action="REDIRECT_TO_URL")
    after = whole.change(path, action="REDIRECT_TO_URL", redirect_url="http://a.example", redirect_http_code=307)
    assert redirection(after) == TARGETS | {"redirect_url": "http://a.example", "redirect_http_code": 307}
    after = whole.change(path, redirect_prefix="http://b.example")
    assert after["action"] == "REDIRECT_PREFIX"
    assert redirection(after) == TARGETS | {"redirect_prefix": "http://b.example", "redirect_http_code": 307}
    after = whole.change(path, redirect_pool_id=pool["id"])
    assert after["action"] == "REDIRECT_TO_POOL"
    assert redirection(after) == TARGETS | {"redirect_pool_id": pool["id"]}
    assert "belong to different actions" in whole.change(
        path, 400, redirect_url="http://a.example", redirect_prefix="http://b.example"
    )
    after = whole.change(path, action="REJECT", redirect_url="http://a.example")
    assert (after["action"], redirection(after)) == ("REJECT", TARGETS)


# --- what hangs on what ----------------------------------------------------------------------------------------------


def test_a_pool_shows_and_touches_the_listeners_that_redirect_to_it(whole: World, listener: Any) -> None:
    balancer = listener["loadbalancers"][0]
    pool = whole.pool(balancer)
    default = whole.listener(balancer, 81, default_pool_id=pool["id"])
    for _ in range(2):
        policy = whole.policy(listener, action="REDIRECT_TO_POOL", redirect_pool_id=pool["id"])
    both = {default["id"], listener["id"]}
    shown = whole.get(f"/pools/{pool['id']}")["pool"]["listeners"]
    assert (len(shown), {each["id"] for each in shown}) == (2, both)
    found = whole.get("/pools", query_string=f"listener_id={listener['id']}")["pools"]
    assert [each["id"] for each in found] == [pool["id"]]
    tree = whole.get(f"/loadbalancers/{balancer['id']}/status")["statuses"]["loadbalancer"]
    assert [[each["id"] for each in below["pools"]] for below in tree["listeners"]] == [[pool["id"]]] * 2
    whole.settle()
    whole.member(pool)
    rows = whole.get("/listeners")["listeners"]
    assert {row["id"] for row in rows if row["provisioning_status"] == "PENDING_UPDATE"} == both
    refusal = whole.delete(f"/pools/{pool['id']}", 409)
    assert refusal.startswith(f"Pool {pool['id']} is in use by L7 policy ")
    for row in whole.get("/l7policies")["l7policies"]:
        whole.delete(f"/l7policies/{row['id']}")
    tree = whole.get(f"/loadbalancers/{balancer['id']}/status")["statuses"]["loadbalancer"]
    assert [len(below["pools"]) for below in tree["listeners"]] == [0, 1]
    whole.delete(f"/pools/{pool['id']}")
    whole.settle()
    whole.get(f"/l7policies/{policy['id']}", 404)
    whole.get(f"/pools/{pool['id']}", 404)


def test_cookies_are_refused_in_a_pool_that_traffic_is_passed_to(whole: World) -> None:
    balancer = whole.balancer()
    listener, pool = whole.listener(balancer, protocol="TCP"), whole.pool(balancer, protocol="PROXY")
    whole.policy(listener, action="REDIRECT_TO_POOL", redirect_pool_id=pool["id"])
    assert "needs HTTP" in whole.change(f"/pools/{pool['id']}", 400, session_persistence={"type": "HTTP_COOKIE"})


def test_deleting_a_policy_takes_its_rules_and_deleting_the_listener_takes_both(whole: World, listener: Any) -> None:
    policy, other = whole.policy(listener, tags=["a"]), whole.policy(listener)
    rule, kept = whole.rule(policy, tags=["a"]), whole.rule(other)
    whole.settle()
    whole.delete(f"/l7policies/{policy['id']}")
    path = f"/l7policies/{policy['id']}"
    assert whole.get(path)["l7policy"]["provisioning_status"] == "PENDING_DELETE"
    assert whole.get(f"{path}/rules/{rule['id']}")["rule"]["provisioning_status"] == "PENDING_DELETE"
    refusal = f"L7Policy {policy['id']} is immutable and cannot be updated."
    assert whole.delete(path, 409) == refusal
    assert whole.change(path, 409, name="x") == refusal
    assert whole.create(f"l7policies/{policy['id']}/rules", 409, type="PATH", compare_type="EQUAL_TO", value="/") == (
        refusal
    )
    assert whole.get(f"/l7policies/{other['id']}")["l7policy"]["position"] == 1
    whole.delete(f"/listeners/{listener['id']}")
    shown = whole.get(f"/l7policies/{other['id']}/rules/{kept['id']}")["rule"]
    assert shown["provisioning_status"] == "PENDING_DELETE"
    # Another listener on the same port does not wait for the loop to take the old one away.
    whole.listener(listener["loadbalancers"][0])
    assert whole.get("/l7policies")["l7policies"] == []
    with whole.store.read() as session:
        assert session.scalars(select(Tag.tag)).all() == []


def test_cascade_takes_policies_and_rules_too(whole: World, listener: Any) -> None:
    policy = whole.policy(listener)
    rule = whole.rule(policy)
    whole.call("DELETE", f"/loadbalancers/{listener['loadbalancers'][0]['id']}?cascade=true", 204)
    assert whole.get(f"/l7policies/{policy['id']}")["l7policy"]["provisioning_status"] == "PENDING_DELETE"
    assert whole.get(f"/l7policies/{policy['id']}/rules")["rules"][0]["provisioning_status"] == "PENDING_DELETE"
    assert "immutable" in whole.change(f"/l7policies/{policy['id']}/rules/{rule['id']}", 409, value="/y")


def test_a_list_is_filtered_sorted_and_cut_as_everywhere(whole: World, listener: Any) -> None:
    pool = whole.pool(listener["loadbalancers"][0])
    whole.policy(listener, name="a", tags=["red"], position=1)
    whole.policy(listener, name="b", action="REDIRECT_TO_URL", redirect_url="http://a.example", position=1)
    whole.policy(whole.listener(whole.balancer(), 81), name="c")
    whole.policy(listener, name="d", action="REDIRECT_TO_POOL", redirect_pool_id=pool["id"], admin_state_up=False)
    queries = {
        "action=REJECT": "ac", "position=1": "bc", f"listener_id={listener['id']}&sort=position": "bad",
        f"redirect_pool_id={pool['id']}": "d", "redirect_http_code=302": "b", "tags=red": "a", "not-tags=red": "bcd",
        "admin_state_up=false": "d", "sort=name:desc&limit=2": "dc", "redirect_url=http://a.example": "b",
        f"loadbalancer_id={listener['loadbalancers'][0]['id']}": "abd",
    }  # fmt: skip
    for query, names in queries.items():
        rows = whole.get("/l7policies", query_string=query)["l7policies"]
        assert "".join(row["name"] for row in rows) == names, query
    answer = whole.get("/l7policies", query_string="fields=name&fields=position&limit=1")
    assert answer["l7policies"] == [{"name": "a", "position": 2}]
    assert [link["rel"] for link in answer["l7policies_links"]] == ["next"]
    assert whole.get("/l7policies", 400, query_string="rules=x")["faultstring"]


@pytest.mark.parametrize("name", ["x", NOWHERE, "%00"])
def test_a_policy_that_is_not_there_is_404(whole: World, name: str) -> None:
    for method, end in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/rules"), ("POST", "/rules")):
        body = {"PUT": {"l7policy": {}}, "POST": {"rule": {"type": "PATH", "compare_type": "REGEX", "value": "x"}}}
        answer = whole.call(method, f"/l7policies/{name}{end}", 404, body.get(method))
        assert answer["faultstring"].startswith("L7Policy ")
