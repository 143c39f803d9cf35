"""Pools: where they hang, how they share and stick, what goes with them."""

import pytest
from sqlalchemy import select

from lictor.model import L7Policy, Tag
from tests.unit.api.world import World

NOWHERE = "11111111-1111-1111-1111-111111111111"


def test_a_new_pool_has_the_attributes_of_the_reference(world: World) -> None:
    balancer = world.balancer()
    pool = world.pool(balancer)
    defaults = {
        "name": "", "description": "", "admin_state_up": True, "session_persistence": None, "tls_enabled": False,
        "tls_container_ref": None, "ca_tls_container_ref": None, "crl_container_ref": None, "tls_ciphers": None,
        "tls_versions": None, "alpn_protocols": None, "members": [], "listeners": [], "tags": [], "updated_at": None,
        "operating_status": "OFFLINE", "provisioning_status": "PENDING_CREATE", "protocol": "HTTP",
        "lb_algorithm": "ROUND_ROBIN", "loadbalancers": [{"id": balancer["id"]}],
    }  # fmt: skip
    assert {name: pool[name] for name in defaults} == defaults
    assert set(pool) == {*defaults, "id", "project_id", "tenant_id", "created_at"}


def test_a_pool_made_for_a_listener_becomes_its_default_pool(world: World) -> None:
    listener = world.listener(world.balancer())
    pool = world.create("pools", listener_id=listener["id"], protocol="HTTP", lb_algorithm="SOURCE_IP")
    assert pool["listeners"] == [{"id": listener["id"]}]
    after = world.get(f"/listeners/{listener['id']}")["listener"]
    assert after["default_pool_id"] == pool["id"]
    text = world.create("pools", 409, listener_id=listener["id"], protocol="HTTP", lb_algorithm="SOURCE_IP")
    assert text == "This listener already has a default pool"


def test_a_pool_must_hang_on_something_that_is_there(world: World) -> None:
    wanted = {"protocol": "HTTP", "lb_algorithm": "SOURCE_IP"}
    assert "at least one of: loadbalancer_id, listener_id" in world.create("pools", 400, **wanted)
    assert world.create("pools", 404, listener_id=NOWHERE, **wanted) == f"Listener {NOWHERE} not found."
    assert world.create("pools", 404, loadbalancer_id=NOWHERE, **wanted) == f"Load Balancer {NOWHERE} not found."
    elsewhere = world.listener(world.balancer())["id"]
    mine = world.balancer()["id"]
    assert world.create("pools", 404, loadbalancer_id=mine, listener_id=elsewhere, **wanted).startswith("Listener")


def test_a_pool_can_be_made_with_members_and_monitor(world: World) -> None:
    members = [{"address": f"198.18.0.{last}", "protocol_port": 80, "name": str(last)} for last in range(10, 15)]
    monitor = {"type": "TCP", "delay": 1, "timeout": 1, "max_retries": 1}
    pool = world.pool(world.balancer(), members=members, healthmonitor=monitor)
    assert len(pool["members"]) == 5
    assert world.get(f"/healthmonitors/{pool['healthmonitor_id']}")["healthmonitor"]["pools"] == [{"id": pool["id"]}]
    below = world.get(f"/pools/{pool['id']}/members", query_string="sort=name")["members"]
    assert [member["name"] for member in below] == ["10", "11", "12", "13", "14"]


def test_deleting_a_pool_takes_members_and_monitor_along_and_leaves_listeners_without(world: World) -> None:
    balancer = world.balancer()
    pool = world.pool(balancer)
    member, monitor = world.member(pool), world.monitor(pool)
    listeners = [world.listener(balancer, port, default_pool_id=pool["id"]) for port in (80, 81)]
    world.settle()
    world.delete(f"/pools/{pool['id']}")
    for listener in listeners:
        after = world.get(f"/listeners/{listener['id']}")["listener"]
        assert (after["default_pool_id"], after["provisioning_status"]) == (None, "PENDING_UPDATE")
    for path, kind in (
        (f"/pools/{pool['id']}", "pool"),
        (f"/pools/{pool['id']}/members/{member['id']}", "member"),
        (f"/healthmonitors/{monitor['id']}", "healthmonitor"),
    ):
        assert world.get(path)[kind]["provisioning_status"] == "PENDING_DELETE"
    world.settle()
    assert world.get("/pools")["pools"] == []
    assert world.get("/healthmonitors")["healthmonitors"] == []


def test_nothing_can_be_put_into_a_pool_that_is_going(world: World) -> None:
    pool = world.pool(world.balancer())
    world.delete(f"/pools/{pool['id']}")
    refusal = f"Pool {pool['id']} is immutable and cannot be updated."
    assert world.create(f"pools/{pool['id']}/members", 409, address="10.0.0.1", protocol_port=1) == refusal
    assert world.call("PUT", f"/pools/{pool['id']}/members", 409, {"members": []})["faultstring"] == refusal
    wanted = {"type": "TCP", "delay": 1, "timeout": 1, "max_retries": 1}
    assert world.create("healthmonitors", 409, pool_id=pool["id"], **wanted) == refusal
    assert world.delete(f"/pools/{pool['id']}", 409) == refusal


def test_a_pool_that_an_l7_policy_sends_requests_to_cannot_be_deleted(world: World) -> None:
    balancer = world.balancer()
    pool, listener = world.pool(balancer), world.listener(balancer)
    policy = L7Policy(
        load_balancer_id=balancer["id"], listener_id=listener["id"], project_id="p", action="REDIRECT_TO_POOL",
        redirect_pool_id=pool["id"], position=1,
    )  # fmt: skip
    world.store.write(lambda session: session.add(policy))
    assert world.delete(f"/pools/{pool['id']}", 409).startswith(f"Pool {pool['id']} is in use by L7 policy ")
    tree = world.get(f"/loadbalancers/{balancer['id']}/status")["statuses"]["loadbalancer"]
    assert [below["id"] for below in tree["listeners"][0]["pools"]] == [pool["id"]]


def sticky(kind: str | None, cookie: str | None = None) -> dict:
    return {"type": kind, "cookie_name": cookie, "persistence_timeout": None, "persistence_granularity": None}


def test_session_persistence_is_shown_whole_and_changed_in_part(world: World) -> None:
    pool = world.pool(world.balancer(), session_persistence={"type": "APP_COOKIE", "cookie_name": "a"})
    path = f"/pools/{pool['id']}"
    assert pool["session_persistence"] == sticky("APP_COOKIE", "a")
    assert world.change(path, session_persistence={"cookie_name": "b"})["session_persistence"] == sticky(
        "APP_COOKIE", "b"
    )
    assert world.change(path, name="x")["session_persistence"] == sticky("APP_COOKIE", "b")
    assert world.change(path, session_persistence={"type": "SOURCE_IP"})["session_persistence"] == sticky("SOURCE_IP")
    assert world.change(path, session_persistence=None)["session_persistence"] is None
    assert "Mandatory" in world.change(path, 400, session_persistence={"cookie_name": "b"})


@pytest.mark.parametrize(
    ("protocol", "persistence"),
    [
        ("HTTP", {}), ("HTTP", {"type": "COOKIE"}), ("HTTP", {"type": "APP_COOKIE"}), ("HTTP", {"cookie_name": "x"}),
        ("HTTP", {"type": "SOURCE_IP", "cookie_name": "x"}), ("HTTP", {"type": "APP_COOKIE", "cookie_name": "a b"}),
        ("HTTP", {"type": "APP_COOKIE", "cookie_name": "a;b"}), ("HTTP", {"type": "APP_COOKIE", "cookie_name": ""}),
        ("HTTP", {"type": "SOURCE_IP", "persistence_timeout": 5}), ("TCP", {"type": "HTTP_COOKIE"}),
        ("HTTP", {"type": "SOURCE_IP", "persistence_granularity": "255.255.255.0"}),
        ("HTTPS", {"type": "APP_COOKIE", "cookie_name": "x"}), ("HTTP", {"type": "SOURCE_IP", "colour": "x"}),
    ],
)  # fmt: skip
def test_session_persistence_that_makes_no_sense_is_400(world: World, protocol: str, persistence: dict) -> None:
    wanted = {"loadbalancer_id": world.balancer()["id"], "protocol": protocol, "lb_algorithm": "ROUND_ROBIN"}
    assert world.create("pools", 400, session_persistence=persistence, **wanted)
    assert world.get("/pools")["pools"] == []


def test_cookies_cannot_be_set_in_traffic_that_is_passed_through(world: World) -> None:
    balancer = world.balancer()
    pool = world.pool(balancer, protocol="PROXY", session_persistence={"type": "HTTP_COOKIE"})
    wanted = {"loadbalancer_id": balancer["id"], "protocol": "TCP", "protocol_port": 80}
    assert "needs HTTP" in world.create("listeners", 400, default_pool_id=pool["id"], **wanted)
    world.listener(balancer, 81, default_pool_id=pool["id"])
    plain = world.pool(balancer, protocol="PROXY")
    world.listener(balancer, 82, protocol="TCP", default_pool_id=plain["id"])
    assert "needs HTTP" in world.change(f"/pools/{plain['id']}", 400, session_persistence={"type": "HTTP_COOKIE"})


def test_an_update_reaches_the_listeners_too(world: World) -> None:
    balancer = world.balancer()
    pool = world.pool(balancer, tags=["a"])
    listener = world.listener(balancer, default_pool_id=pool["id"])
    world.settle()
    after = world.change(f"/pools/{pool['id']}", lb_algorithm="LEAST_CONNECTIONS", tags=["b", "c"])
    assert (after["lb_algorithm"], after["tags"]) == ("LEAST_CONNECTIONS", ["b", "c"])
    assert world.get(f"/listeners/{listener['id']}")["listener"]["provisioning_status"] == "PENDING_UPDATE"
    assert "Mandatory" in world.change(f"/pools/{pool['id']}", 400, lb_algorithm=None)
    with world.store.read() as session:
        assert set(session.scalars(select(Tag.tag).where(Tag.resource_id == pool["id"]))) == {"b", "c"}


@pytest.mark.parametrize("protocol", ["UDP", "SCTP"])
def test_datagrams_stick_by_source_address_only(whole: World, protocol: str) -> None:
    balancer = whole.balancer()
    values = {"type": "SOURCE_IP", "persistence_timeout": 60, "persistence_granularity": "255.255.0.0"}
    pool = whole.pool(balancer, protocol=protocol, session_persistence=values)
    assert pool["session_persistence"] == values | {"cookie_name": None}
    path = f"/pools/{pool['id']}"
    for persistence in (
        {"type": "HTTP_COOKIE"},
        {"type": "APP_COOKIE", "cookie_name": "x"},
        {"cookie_name": "x"},
        {"persistence_granularity": "255.0.255.0"},
        {"persistence_granularity": "24"},
        {"persistence_timeout": -1},
    ):
        assert whole.change(path, 400, session_persistence=persistence)
    changed = whole.change(path, session_persistence={"persistence_timeout": 5})["session_persistence"]
    assert changed == values | {"cookie_name": None, "persistence_timeout": 5}


def test_every_protocol_goes_with_every_algorithm(whole: World) -> None:
    balancer = whole.balancer()
    for protocol in ("HTTP", "HTTPS", "TCP", "PROXY", "PROXYV2", "UDP", "SCTP"):
        for algorithm in ("ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP", "SOURCE_IP_PORT"):
            pool = whole.pool(balancer, protocol=protocol, lb_algorithm=algorithm)
            assert (pool["protocol"], pool["lb_algorithm"]) == (protocol, algorithm)


BAD = [
    {"protocol": "TERMINATED_HTTPS"}, {"protocol": None}, {"lb_algorithm": "RANDOM"}, {"lb_algorithm": None},
    {"name": "x" * 256}, {"tls_enabled": "perhaps"}, {"tls_container_ref": "x" * 256}, {"tls_versions": "TLSv1.2"},
    {"tags": "x"}, {"loadbalancer_id": "x"}, {"session_persistence": []}, {"listeners": []},
    {"healthmonitor_id": NOWHERE},
]  # fmt: skip
"""What is wrong with one attribute each."""


def test_attributes_out_of_their_range_are_refused(whole: World) -> None:
    wanted = {"loadbalancer_id": whole.balancer()["id"], "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    for values in BAD:
        (name,) = values
        assert name in whole.create("pools", 400, **(wanted | values))
    assert whole.get("/pools")["pools"] == []


def test_what_a_pool_is_cannot_change(whole: World) -> None:
    balancer = whole.balancer()
    listener = whole.listener(balancer)
    path = f"/pools/{whole.pool(balancer)['id']}"
    for name, value in {
        "protocol": "TCP",
        "loadbalancer_id": balancer["id"],
        "listener_id": listener["id"],
    }.items():
        assert whole.change(path, 400, **{name: value}) == f"Unknown attribute for argument pool_.pool: {name}"


def test_one_pool_serves_several_listeners(world: World) -> None:
    balancer = world.balancer()
    pool = world.pool(balancer)
    for port in (80, 81):
        world.listener(balancer, port, default_pool_id=pool["id"])
    text = world.create("listeners", 400, loadbalancer_id=balancer["id"], protocol="HTTPS", protocol_port=443,
                        default_pool_id=pool["id"])  # fmt: skip
    assert "'HTTP' is invalid while the listener protocol is 'HTTPS'" in text
    assert len(world.get(f"/pools/{pool['id']}")["pool"]["listeners"]) == 2
