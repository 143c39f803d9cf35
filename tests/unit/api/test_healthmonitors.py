"""Health monitors: which kinds, for which pools, with which attributes."""

import pytest

from tests.unit.api.world import World

NOWHERE = "11111111-1111-1111-1111-111111111111"


@pytest.fixture
def pool(world: World) -> dict:
    return world.pool(world.balancer())


def refuse(world: World, pool: dict, status: int = 400, **values: object) -> str:
    wanted = {"pool_id": pool["id"], "type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 2}
    return world.create("healthmonitors", status, **(wanted | values))


def test_an_http_monitor_has_the_defaults_of_the_reference(world: World, pool: dict) -> None:
    monitor = world.monitor(pool)
    defaults = {
        "name": "", "admin_state_up": True, "type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 2,
        "max_retries_down": 3, "http_method": "GET", "url_path": "/", "expected_codes": "200", "http_version": None,
        "domain_name": None, "pools": [{"id": pool["id"]}], "tags": [], "operating_status": "OFFLINE",
        "provisioning_status": "PENDING_CREATE", "updated_at": None,
    }  # fmt: skip
    assert {name: monitor[name] for name in defaults} == defaults
    assert set(monitor) == {*defaults, "id", "project_id", "tenant_id", "created_at"}
    assert world.get(f"/pools/{pool['id']}")["pool"]["healthmonitor_id"] == monitor["id"]


@pytest.mark.parametrize("kind", ["PING", "TCP", "TLS-HELLO"])
def test_other_monitors_know_nothing_of_http(world: World, pool: dict, kind: str) -> None:
    for name, value in {"http_method": "GET", "url_path": "/", "expected_codes": "200", "http_version": 1.1}.items():
        assert f"{name} is only for" in refuse(world, pool, type=kind, **{name: value})
    monitor = world.monitor(pool, type=kind)
    assert (monitor["http_method"], monitor["url_path"], monitor["expected_codes"]) == (None, None, None)
    assert "url_path is only for" in world.change(f"/healthmonitors/{monitor['id']}", 400, url_path="/x")
    assert world.change(f"/healthmonitors/{monitor['id']}", url_path=None)["url_path"] is None


@pytest.mark.parametrize(
    "values",
    [
        {"url_path": "healthy"}, {"url_path": "/a b"}, {"url_path": "/a\r\nHost: x"}, {"url_path": "/" + "x" * 255},
        {"expected_codes": "20"}, {"expected_codes": "200-204,300"}, {"expected_codes": "200;"},
        {"expected_codes": "200\n"}, {"http_version": 2.0}, {"http_method": "get"}, {"delay": -1}, {"timeout": "x"},
        {"max_retries": 0}, {"max_retries": 11}, {"max_retries_down": 11}, {"domain_name": "a b"},
        {"domain_name": "example.com"}, {"domain_name": "example.com", "http_version": 1.0}, {"type": "GRPC"},
        {"domain_name": "x" * 256, "http_version": 1.1}, {"domain_name": "-a.com", "http_version": 1.1},
        {"type": "UDP-CONNECT", "delay": 5}, {"type": None}, {"pool_id": None}, {"pool_id": "x"},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(world: World, pool: dict, values: dict) -> None:
    assert refuse(world, pool, 400, **values)
    assert world.get("/healthmonitors")["healthmonitors"] == []


@pytest.mark.parametrize("codes", ["200", "200,202,204", "200, 202", "200-204", "204-200"])
def test_codes_are_one_a_list_or_a_range(world: World, pool: dict, codes: str) -> None:
    assert world.monitor(pool, expected_codes=codes)["expected_codes"] == codes


def test_a_name_can_be_asked_for_in_http_1_1(world: World, pool: dict) -> None:
    monitor = world.monitor(pool, http_version="1.1", domain_name="a.example.com", url_path="/x?y=%20z")
    assert (monitor["http_version"], monitor["domain_name"]) == (1.1, "a.example.com")
    path = f"/healthmonitors/{monitor['id']}"
    assert "domain_name needs" in world.change(path, 400, http_version=None)
    assert world.change(path, http_version=None, domain_name=None)["http_version"] is None


def test_a_pool_has_one_monitor_at_a_time(world: World, pool: dict) -> None:
    old = world.monitor(pool, tags=["x"])
    assert refuse(world, pool, 409) == "This pool already has a health monitor"
    world.delete(f"/healthmonitors/{old['id']}")
    assert world.get(f"/healthmonitors/{old['id']}")["healthmonitor"]["provisioning_status"] == "PENDING_DELETE"
    assert "immutable" in world.change(f"/healthmonitors/{old['id']}", 409, delay=1)
    new = world.monitor(pool)
    assert [each["id"] for each in world.get("/healthmonitors")["healthmonitors"]] == [new["id"]]
    assert world.get(f"/pools/{pool['id']}")["pool"]["healthmonitor_id"] == new["id"]
    world.delete(f"/healthmonitors/{new['id']}")
    world.settle()
    assert "healthmonitor_id" not in world.get(f"/pools/{pool['id']}")["pool"]


def test_an_update_sets_back_with_null_and_leaves_the_rest(world: World, pool: dict) -> None:
    monitor = world.monitor(pool, url_path="/x", expected_codes="201", max_retries_down=5)
    world.settle()
    path = f"/healthmonitors/{monitor['id']}"
    after = world.change(path, url_path=None, max_retries_down=None, delay=9)
    assert (after["url_path"], after["max_retries_down"], after["delay"]) == ("/", 3, 9)
    assert after["expected_codes"] == "201"
    assert after["provisioning_status"] == "PENDING_UPDATE"
    assert "Mandatory" in world.change(path, 400, delay=None)
    for attribute in ("type", "pool_id"):
        assert "Unknown attribute for argument health_monitor_.healthmonitor" in world.change(
            path, 400, **{attribute: 1}
        )


def test_a_monitor_needs_a_pool_that_is_there(world: World, pool: dict) -> None:
    assert refuse(world, pool, 404, pool_id=NOWHERE) == f"Pool {NOWHERE} not found."
    world.get(f"/healthmonitors/{NOWHERE}", 404)
    assert world.delete("/healthmonitors/x", 404) == "HealthMonitor x not found."


STREAM = {"HTTP", "HTTPS", "PING", "TCP", "TLS-HELLO"}
DATAGRAM = {"UDP-CONNECT", "SCTP", "TCP", "HTTP"}


@pytest.mark.parametrize("protocol", ["HTTP", "HTTPS", "TCP", "PROXY", "PROXYV2", "UDP", "SCTP"])
def test_each_kind_of_monitor_goes_with_the_pools_of_the_reference(whole: World, protocol: str) -> None:
    balancer = whole.balancer()
    for kind in STREAM | DATAGRAM:
        pool = whole.pool(balancer, protocol=protocol)
        if kind in (DATAGRAM if protocol in ("UDP", "SCTP") else STREAM):
            assert whole.monitor(pool, type=kind)["type"] == kind
        else:
            sentence = f"Health monitor type '{kind}' does not fit the pool protocol '{protocol}'."
            assert refuse(whole, pool, type=kind) == f"Validation failure: {sentence}"


def test_udp_checks_may_not_be_too_frequent(whole: World) -> None:
    pool = whole.pool(whole.balancer(), protocol="UDP")
    assert "delay is 2, but UDP-CONNECT needs at least 3" in refuse(whole, pool, type="UDP-CONNECT", delay=2)
    path = f"/healthmonitors/{whole.monitor(pool, type='UDP-CONNECT', delay=3)['id']}"
    assert "UDP-CONNECT needs at least 3" in whole.change(path, 400, delay=0)
    whole.conf.set_override("udp_connect_min_interval_health_monitor", 10, group="api_settings")
    assert whole.change(path, name="x")["name"] == "x"
    assert "UDP-CONNECT needs at least 10" in whole.change(path, 400, delay=9)
    other = whole.pool(whole.balancer(), protocol="UDP")
    assert whole.monitor(other, type="TCP", delay=0)["delay"] == 0


def test_pings_can_be_switched_off(tmp_path) -> None:
    world = World(tmp_path, api_settings__allow_ping_health_monitors=False)
    pool = world.pool(world.balancer())
    assert refuse(world, pool, type="PING") == "The selected type is not allowed in this deployment: PING"
    monitor = {"type": "PING", "delay": 1, "timeout": 1, "max_retries": 1}
    below = {"name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "healthmonitor": monitor}
    text = world.create("loadbalancers", 400, vip_subnet_id=world.subnet.id, pools=[below])
    assert text == "The selected type is not allowed in this deployment: PING"


@pytest.mark.parametrize("kind", ["HTTP", "HTTPS"])
def test_every_method_of_http_can_be_used(world: World, pool: dict, kind: str) -> None:
    monitor = world.monitor(pool, type=kind, timeout=9, delay=0, max_retries=10)
    assert (monitor["timeout"], monitor["delay"], monitor["max_retries"]) == (9, 0, 10)
    path = f"/healthmonitors/{monitor['id']}"
    for method in ("HEAD", "POST", "PUT", "DELETE", "TRACE", "OPTIONS", "CONNECT", "PATCH"):
        assert world.change(path, http_method=method)["http_method"] == method
    assert world.change(path, http_method=None)["http_method"] == "GET"
