"""The document of the API: complete, true, and to be read without leave."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import falcon
import jsonschema_rs
import pytest

from lictor.api import answers, routes
from lictor.api.document import openapi
from lictor.api.document.operations import Operation, reads
from lictor.api.routes import Route
from tests.unit.api import contract
from tests.unit.api.world import World

DOCUMENT = openapi.build()
VERBS = ("get", "head", "post", "put", "delete")


def operations() -> list[tuple[str, str, Any]]:
    return [(path, verb, item[verb]) for path, item in DOCUMENT["paths"].items() for verb in VERBS if verb in item]


def test_every_route_is_in_the_document_with_every_verb_it_answers() -> None:
    for path, route in routes.every():
        known = contract.find(re.sub(r"{\w+}", "x", path))
        assert known is not None, path
        assert [verb for verb in VERBS if hasattr(route.resource, f"on_{verb}")] == [
            verb for verb in VERBS if verb in DOCUMENT["paths"][known]
        ]


def test_a_handler_that_the_table_says_nothing_about_cannot_be_served() -> None:
    class Resource:
        def __init__(self, _api: object) -> None:
            pass

        def on_get(self, _req: falcon.Request, _resp: falcon.Response) -> None:
            """Nothing."""

        on_put = on_get

    assert Route("/x", Resource, get=reads("x", answers.Ref), put=Operation())
    with pytest.raises(TypeError, match="/x"):
        Route("/x", Resource, get=reads("x", answers.Ref))
    with pytest.raises(TypeError, match="/x"):
        Route("/x", Resource, get=reads("x", answers.Ref), put=Operation(), post=Operation())


def test_no_two_operations_have_the_same_name_and_each_says_what_it_does() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(names)) == len(names)
    assert [path for path, _, operation in operations() if not operation["summary"]] == []


def test_every_reference_leads_somewhere_and_every_schema_is_one() -> None:
    references = set(re.findall(r'"\$ref": ?"#/components/(\w+)/([^"]+)"', json.dumps(DOCUMENT)))
    assert {name for kind, name in references if name not in DOCUMENT["components"][kind]} == set()
    unused = {kind: set(DOCUMENT["components"][kind]) - {name for at, name in references if at == kind}
              for kind in ("schemas", "parameters")}  # fmt: skip
    assert unused == {"schemas": set(), "parameters": set()}
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema | {"components": DOCUMENT["components"]})


def test_every_pattern_means_the_same_to_python_and_to_whoever_reads_the_document() -> None:
    patterns = re.findall(r'"pattern": "((?:[^"\\\\]|\\\\.)*)"', json.dumps(DOCUMENT))
    assert len(patterns) > 10
    assert [each for each in patterns if re.search(r"\\\\[sSdDwWbB]", each)] == []


@pytest.mark.parametrize(("name", "good"), [("JSESSIONID", True), ("Ĉ", True), ("a b", False), ("a\x1eb", False),
                                            ("a\u2003b", False), ("a,b", False), ("a\\b", False)])  # fmt: skip
def test_the_document_and_the_api_agree_on_names_of_cookies(world: World, name: str, good: bool) -> None:
    persistence = {"type": "APP_COOKIE", "cookie_name": name}
    wanted = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "session_persistence": persistence}
    balancer = world.balancer()
    assert body("post_pools", {"pool": wanted | {"loadbalancer_id": balancer["id"]}}) is good
    world.create("pools", 201 if good else 400, loadbalancer_id=balancer["id"], **wanted)


def body(operation_id: str, document: Any) -> bool:
    (found,) = [operation for _, _, operation in operations() if operation["operationId"] == operation_id]
    schema = found["requestBody"]["content"]["application/json"]["schema"]
    return jsonschema_rs.is_valid({**schema, "components": DOCUMENT["components"]}, document, validate_formats=True)


@pytest.mark.parametrize(
    ("values", "good"),
    [
        ({}, True),
        ({"name": "n", "tenant_id": "x", "hsts_max_age": None, "allowed_cidrs": ["192.0.2.0/24"]}, True),
        ({"protocol_port": 0}, False),
        ({"protocol_port": None}, False),
        ({"protocol": "GOPHER"}, False),
        ({"colour": "red"}, False),
        ({"name": "x" * 256}, False),
        ({"name": "a\0b"}, False),
        ({"loadbalancer_id": "web"}, False),
    ],
)
def test_the_document_knows_what_a_request_may_hold(values: Any, good: bool) -> None:
    wanted = {"protocol": "HTTP", "protocol_port": 80, "loadbalancer_id": "11111111-1111-1111-1111-111111111111"}
    assert body("post_listeners", {"listener": wanted | values}) is good


def test_null_in_an_update_is_documented_where_there_is_a_default_to_go_back_to() -> None:
    identifier = "put_healthmonitors_monitor_id"
    assert body(identifier, {"healthmonitor": {"url_path": None, "max_retries_down": None}})
    assert not body(identifier, {"healthmonitor": {"delay": None}})
    assert not body(identifier, {"healthmonitor": {"pool_id": "11111111-1111-1111-1111-111111111111"}})


def test_the_document_and_its_page_are_served_to_everybody(tmp_path) -> None:
    world = World(tmp_path, api_settings__auth_strategy="http_basic")
    assert world.http.simulate_get("/v2.0/lbaas/pools").status_code == 401
    assert world.http.simulate_get("/openapi.json").json == json.loads(json.dumps(DOCUMENT))
    answer = world.http.simulate_get("/docs", headers={"Accept": "text/html"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")


class Reader(HTMLParser):
    """What a page links to and loads, and the names in it."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: set[str] = set()
        self.names: set[str] = set()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        found = dict(attributes)
        self.targets |= {str(found[name]) for name in ("href", "src") if name in found}
        self.names |= {str(found["id"])} if "id" in found else set()


def test_the_page_shows_every_operation_and_needs_nothing_from_elsewhere(world: World) -> None:
    reader = Reader()
    reader.feed(world.http.simulate_get("/docs").text)
    assert {operation["operationId"] for _, _, operation in operations()} <= reader.names
    assert set(DOCUMENT["components"]["schemas"]) <= reader.names
    assert reader.targets - {"openapi.json"} <= {f"#{name}" for name in reader.names}
    assert not reader.tags & {"script", "img", "link", "iframe"}
