"""Paths, methods, headers and errors: what holds for every request."""

import json
import pathlib
import re

import pytest

from lictor.api import routes
from tests.unit import database
from tests.unit.api.world import World

REQUEST_ID = re.compile(r"req-[0-9a-f-]{36}")


def test_the_versions_are_listed_at_the_root_and_lead_to_v2(world: World) -> None:
    versions = world.http.simulate_get("/", headers={"Host": "lb.example:9876"}).json["versions"]
    assert [version["id"] for version in versions] == [f"v2.{minor}" for minor in range(31)]
    assert {version["links"][0]["href"] for version in versions} == {"http://lb.example:9876/v2"}
    assert [version["id"] for version in versions if version["status"] == "CURRENT"] == ["v2.30"]


def test_links_begin_with_api_base_uri_where_it_is_set(tmp_path) -> None:
    world = World(tmp_path, api_settings__api_base_uri="https://lb.example/octavia/")
    assert world.http.simulate_get("/").json["versions"][0]["links"][0]["href"] == "https://lb.example/octavia/v2"


@pytest.mark.parametrize("prefix", ["/v2", "/v2.0", "/v2/lbaas", "/v2.0/lbaas"])
@pytest.mark.parametrize("end", ["", "/", ".json"])
def test_a_collection_answers_under_every_spelling_of_its_path(world: World, prefix: str, end: str) -> None:
    balancer = world.balancer()
    assert world.get(f"{prefix}/loadbalancers{end}")["loadbalancers"][0]["id"] == balancer["id"]
    assert world.get(f"{prefix}/loadbalancers/{balancer['id']}{end}")["loadbalancer"]["id"] == balancer["id"]


READ = [path for path, route in routes.every() if "get" in route.operations and path.startswith("/v2.0/")]


@pytest.mark.parametrize("path", [*READ, "/v2.0/nothing", "/v2.0/lbaas/nothing", "/v2.0/octavia/nothing"])
def test_every_path_answers_the_same_under_all_of_its_names(world: World, path: str) -> None:
    path = re.sub(r"{\w+}", "11111111-1111-1111-1111-111111111111", path)
    names = [path, path.replace("/v2.0/", "/v2/")]
    if path.startswith("/v2.0/lbaas/"):
        names += [name.replace("/lbaas/", "/") for name in names]
    answers = [world.http.simulate_get(name) for name in names]
    assert len({(answer.status_code, answer.text) for answer in answers}) == 1
    assert (answers[0].text == world.http.simulate_get("/nowhere").text) == path.endswith("/nothing")


@pytest.mark.parametrize("path", ["/v2", "/v2.0", "/v2.0/lbaas", "/v2.0/octavia"])
def test_a_bare_node_says_its_name(world: World, path: str) -> None:
    assert world.get(path) == path.rsplit("/", 1)[1]


@pytest.mark.parametrize("path", ["/v2.0/lbaas/nothing", "/v2.0/lbaas/flavours", "/loadbalancers", "/v3", "/v2.0/lbaas/"
                                  "loadbalancers/11111111-1111-1111-1111-111111111111/foo"])  # fmt: skip
def test_what_is_not_there_is_404_in_octavias_shape(world: World, path: str) -> None:
    answer = world.http.simulate_get(path)
    assert answer.status_code == 404
    assert answer.json["faultcode"] == "Client"
    assert answer.json["faultstring"]
    assert answer.json["debuginfo"] is None


def test_a_method_that_a_path_does_not_know_is_405(world: World) -> None:
    assert world.call("PATCH", "/pools", 405)["faultcode"] == "Client"
    assert world.call("DELETE", "/loadbalancers", 405)["faultcode"] == "Client"
    assert world.call("PUT", "/providers", 405)["faultcode"] == "Client"


def test_who_does_not_accept_json_gets_406_and_who_says_nothing_gets_json(world: World) -> None:
    assert world.get("/pools", 406, headers={"Accept": "text/html"})["faultstring"]
    assert world.get("/pools", 200, headers={"Accept": ""}) == {"pools": [], "pools_links": []}
    assert world.get("/pools", 200, headers={"Accept": "text/html, */*;q=0.1"})


@pytest.mark.parametrize("path", ["/", "/v2.0/lbaas/pools", "/nowhere", "/healthcheck"])
def test_every_answer_carries_a_request_id_of_our_own(world: World, path: str) -> None:
    mine = "req-11111111-1111-1111-1111-111111111111"
    answers = [world.http.simulate_get(path, headers={"X-Openstack-Request-Id": mine}) for _ in range(2)]
    ids = {answer.headers["x-openstack-request-id"] for answer in answers}
    assert len(ids) == 2
    assert mine not in ids
    assert all(REQUEST_ID.fullmatch(each) for each in ids)


def test_a_callers_request_id_stands_in_the_log_if_it_has_the_form_of_one(world: World, caplog) -> None:
    caplog.set_level("INFO")
    mine = "req-11111111-1111-1111-1111-111111111111"
    world.get("/pools", headers={"X-Openstack-Request-Id": mine})
    world.get("/pools", headers={"X-Openstack-Request-Id": "req-1\r\nroot logged in"})
    assert mine in caplog.text
    assert "root logged in" not in caplog.text


def test_a_line_break_in_a_path_cannot_forge_a_line_of_the_log(world: World, caplog) -> None:
    caplog.set_level("INFO")
    world.http.simulate_get("/v2.0/x%0Aroot logged in")
    assert not [line for line in caplog.text.splitlines() if line.startswith("root")]


@pytest.mark.parametrize("path", ["/healthcheck", "/load-balancer/healthcheck"])
def test_there_is_no_health_check_unless_the_operator_wants_one(world: World, path: str) -> None:
    assert world.get(path, 404, bare=True)["faultstring"]


@pytest.fixture
def checked(tmp_path: pathlib.Path) -> World:
    return World(tmp_path, api_settings__healthcheck_enabled=True, api_settings__auth_strategy="http_basic")


@pytest.mark.parametrize("path", ["/healthcheck", "/load-balancer/healthcheck", "/healthcheck/"])
@pytest.mark.parametrize(
    ("accept", "kind", "found"),
    [("text/plain", "text/plain", "OK"), ("text/html", "text/html", "<HTML"),
     ("application/json", "application/json", "OK"), ("", "text/plain", "OK"), ("image/png", "text/plain", "OK")],
)  # fmt: skip
def test_the_health_check_answers_everybody_in_the_form_they_like(
    checked: World, path: str, accept: str, kind: str, found: str
) -> None:
    answer = checked.http.simulate_get(path, headers={"Accept": accept})
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, kind)
    assert found in answer.text.upper()


def test_the_health_check_is_only_to_be_read(checked: World) -> None:
    assert checked.http.simulate_head("/healthcheck").status_code == 204
    assert checked.http.simulate_post("/healthcheck").status_code == 405


@pytest.mark.skipif(not database.ON_SQLITE, reason="tests/databases_lab ends a server")
def test_the_health_check_fails_while_the_database_is_away(checked: World, tmp_path: pathlib.Path) -> None:
    (tmp_path / "lictor.db").rename(tmp_path / "away")
    (tmp_path / "lictor.db").mkdir()
    document = checked.get("/healthcheck", 503, bare=True, headers={"Accept": "application/json"})
    assert document["reasons"] == ["The database cannot be reached."]
    assert checked.http.simulate_head("/healthcheck").status_code == 503
    (tmp_path / "lictor.db").rmdir()
    (tmp_path / "away").rename(tmp_path / "lictor.db")
    document = checked.get("/healthcheck", bare=True, headers={"Accept": "application/json"})
    assert document == {"reasons": ["OK"], "detailed": False}


def configured(tmp_path: pathlib.Path, text: str) -> World:
    (tmp_path / "lictor.conf").write_text(text)
    return World(tmp_path, files=[str(tmp_path / "lictor.conf")])


def test_links_lead_through_the_proxy_in_front_of_us_if_the_operator_trusts_it(tmp_path: pathlib.Path) -> None:
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "lb.example", "X-Forwarded-Prefix": "/octavia"}
    trusting = configured(tmp_path, "[oslo_middleware]\nenable_proxy_headers_parsing = true\n")
    answer = trusting.http.simulate_get("/", headers=forwarded)
    assert answer.json["versions"][0]["links"][0]["href"] == "https://lb.example/octavia/v2"
    plain = World(tmp_path).http.simulate_get("/", headers=forwarded)
    assert "lb.example" not in plain.text


@pytest.mark.parametrize("told", ["by a file", "by the environment"])
def test_pages_of_an_origin_that_the_operator_allows_may_ask(tmp_path: pathlib.Path, monkeypatch, told: str) -> None:
    if told == "by the environment":
        monkeypatch.setenv("OS_CORS__ALLOWED_ORIGIN", "https://console.example")
    text = "[cors]\nallowed_origin = https://console.example\n" if told == "by a file" else ""
    world = configured(tmp_path, text)
    headers = {"Origin": "https://console.example", "Access-Control-Request-Method": "PUT",
               "Access-Control-Request-Headers": "X-Auth-Token"}  # fmt: skip
    answer = world.http.simulate_options("/v2.0/lbaas/pools", headers=headers)
    assert answer.headers["access-control-allow-origin"] == "https://console.example"
    assert "PUT" in answer.headers["access-control-allow-methods"]
    other = world.http.simulate_get("/v2.0/lbaas/pools", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize("path", ["/load-balancer", "/load-balancer/"])
def test_the_versions_are_also_where_a_proxy_would_put_them(checked: World, path: str) -> None:
    assert len(checked.http.simulate_get(path).json["versions"]) == 31


def test_what_nobody_foresaw_is_500_without_a_word_of_its_cause_but_the_log_has_it(tmp_path, caplog) -> None:
    world = World(tmp_path)
    world.networking.subnets = lambda: 1 / 0  # type: ignore[method-assign,assignment]
    answer = world.http.simulate_get("/v2.0/subnets")
    assert answer.status_code == 500
    assert answer.json["faultcode"] == "Server"
    assert answer.headers["x-openstack-request-id"] in answer.json["faultstring"]
    assert "division" not in answer.text
    assert "ZeroDivisionError" in caplog.text
    assert answer.headers["x-openstack-request-id"] in caplog.text


def test_answers_are_json(world: World) -> None:
    answer = world.http.simulate_get("/v2.0/lbaas/pools")
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.text) == {"pools": [], "pools_links": []}
