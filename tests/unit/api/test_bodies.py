"""Bodies that are too long, no JSON, or not what was asked for: one clear sentence, and nothing is changed."""

import io
import socket
from collections.abc import Iterator

import falcon.testing
import pytest

from lictor.cli.server import ApiServer
from tests.unit.api.world import L, World

POOLS = f"{L}/pools"


def post(world: World, content: bytes, status: int, path: str = POOLS, **options: object) -> str:
    answer = world.http.simulate_post(path, body=content, **options)
    assert answer.status_code == status, answer.text
    return answer.json["faultstring"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"hello", b"{'pool': 1}", b"\xff\xfe", b'{"pool": "\\ud800"}', b"[" * 100000, b'{"a":' * 100000,
     b'{"pool": 1e999}', b"NaN", b'{"pool": {}} x', b"9" * 10000],
)  # fmt: skip
def test_what_is_not_json_is_400(world: World, content: bytes) -> None:
    assert post(world, content, 400) == "Request is not in valid JSON format"


@pytest.mark.parametrize("content", [b"[]", b"null", b"3", b'"x"', b"true"])
def test_json_that_is_no_object_is_400(world: World, content: bytes) -> None:
    assert "Invalid input for field/attribute pool_" in post(world, content, 400)


@pytest.mark.parametrize("content", [b'{"pool": []}', b'{"pool": 3}', b'{"pool": "x"}'])
def test_an_envelope_around_no_object_is_400(world: World, content: bytes) -> None:
    assert "Invalid input for field/attribute pool." in post(world, content, 400)


def test_an_empty_object_misses_its_envelope(world: World) -> None:
    wanted = "Invalid input for field/attribute pool. Value: 'None'. Mandatory field missing."
    assert post(world, b"{}", 400) == wanted
    assert post(world, b'{"pool": null}', 400) == wanted


def test_a_wrong_envelope_is_named(world: World) -> None:
    assert post(world, b'{"listener": {}}', 400) == "Unknown attribute for argument pool_: listener"


def test_an_unknown_attribute_is_named_with_octavias_name_of_the_argument(world: World) -> None:
    body = {"loadbalancer": {"vip_subnet_id": world.subnet.id, "provisioning_status": "ACTIVE"}}
    text = world.call("POST", "/loadbalancers", 400, body)["faultstring"]
    assert text == "Unknown attribute for argument load_balancer.loadbalancer: provisioning_status"
    assert world.get("/loadbalancers")["loadbalancers"] == []


def test_text_with_nul_is_400_wherever_it_stands(world: World) -> None:
    assert "NUL" in world.create("loadbalancers", 400, vip_subnet_id=world.subnet.id, name="a\0b")
    assert "NUL" in world.create("loadbalancers", 400, vip_subnet_id=world.subnet.id, tags=["a\0"])
    assert "NUL" in world.create("loadbalancers", 400, **{"a\0": 1})
    assert world.balancer(name="a\\u0000b")["name"] == "a\\u0000b"


def test_any_other_text_is_kept_as_it_is(world: World) -> None:
    name = "žluťoučký 🐎 \u202e '; DROP TABLE pool; -- \x7f\x01\n"
    balancer = world.balancer(name=name)
    assert world.get(f"/loadbalancers/{balancer['id']}")["loadbalancer"]["name"] == name
    found = world.get("/loadbalancers", params={"name": name})["loadbalancers"]
    assert [each["id"] for each in found] == [balancer["id"]]


def test_a_body_that_is_too_long_is_413_and_not_kept(tmp_path) -> None:
    world = World(tmp_path, api_settings__max_request_body_size=2000)
    assert "2000 bytes" in post(world, b'{"pool": "%s"}' % (b"x" * 2000), 413)
    assert "Mandatory" in post(world, b'{"pool":' + b" " * (2000 - 11) + b"{}}", 400)


def test_a_length_that_is_no_number_is_400(world: World) -> None:
    environ = falcon.testing.create_environ(POOLS, method="POST", headers={"Content-Length": "many"})
    environ["CONTENT_LENGTH"] = "many"
    status = []
    body = b"".join(world.app(environ, lambda line, headers, *rest: status.append(line)))
    assert status[0].startswith("400")
    assert b"faultstring" in body


def test_a_body_without_a_length_is_empty_where_the_server_does_not_mark_its_end(world: World) -> None:
    environ = falcon.testing.create_environ(POOLS, method="POST")
    environ.pop("CONTENT_LENGTH", None)
    environ["wsgi.input"] = io.BytesIO(b'{"pool": {}}')
    status = []
    world.app(environ, lambda line, headers, *rest: status.append(line))
    assert status[0].startswith("400")


@pytest.fixture
def port(tmp_path) -> Iterator[int]:
    """The API behind a real server, which takes bodies of up to 64 KiB."""
    world = World(tmp_path, api_settings__max_request_body_size=65536, api_settings__bind_port=0)
    server = ApiServer(world.conf, world.app, broken=lambda: None)
    server.start()
    yield server.port
    server.stop()


def exchange(port: int, head: str, pieces: list[bytes]) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode())
        for piece in pieces:
            connection.sendall(piece)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_client_that_sends_a_hundred_mebibytes_before_it_listens_is_told_413(port: int) -> None:
    size = 100 * 2**20
    head = f"POST {POOLS} HTTP/1.1\nHost: x\nConnection: close\nContent-Length: {size}\n\n"
    assert exchange(port, head, [b"x" * 2**20] * 100).startswith(b"HTTP/1.1 413")


def test_a_chunked_body_is_read_and_bounded_too(port: int) -> None:
    head = f"POST {POOLS} HTTP/1.1\nHost: x\nConnection: close\nTransfer-Encoding: chunked\n\n"
    good = b'{"pool":{"protocol":"FOO"}}'
    answer = exchange(port, head, [b"%x\r\n%s\r\n0\r\n\r\n" % (len(good), good)])
    assert b"Value: 'FOO'" in answer
    piece = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    assert exchange(port, head, [piece] * 64 + [b"0\r\n\r\n"]).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    ("values", "field", "right"),
    [
        ({"protocol_port": 0}, "protocol_port. Value: '0'", "from 1 to 65535"),
        ({"protocol_port": 65536}, "protocol_port. Value: '65536'", "from 1 to 65535"),
        ({"protocol_port": "http"}, "protocol_port. Value: 'http'", "from 1 to 65535"),
        ({"protocol_port": True}, "protocol_port. Value: 'True'", "from 1 to 65535"),
        ({"protocol_port": 80.5}, "protocol_port. Value: '80.5'", "from 1 to 65535"),
        ({"protocol": "http"}, "protocol. Value: 'http'", "one of TCP, HTTP, HTTPS"),
        ({"name": "x" * 256}, "name. Value: 'xxx", "at most 255"),
        ({"name": 7}, "name. Value: '7'", "text"),
        ({"admin_state_up": "perhaps"}, "admin_state_up. Value: 'perhaps'", "true or false"),
        ({"connection_limit": -2}, "connection_limit. Value: '-2'", "from -1"),
        ({"timeout_client_data": 2_073_600_001}, "timeout_client_data", "from 0 to 2073600000"),
        ({"loadbalancer_id": "mine"}, "loadbalancer_id. Value: 'mine'", "a UUID"),
        ({"allowed_cidrs": ["10.0.0.0/33"]}, "allowed_cidrs", "a range of addresses"),
        ({"tags": "a"}, "tags. Value: 'a'", "a list"),
        ({"tags": ["x" * 256]}, "tags[0]", "at most 255"),
        ({"insert_headers": {"X-Forwarded-For": True}}, "insert_headers", "texts"),
        ({"default_pool": {"members": [{"address": "web", "protocol_port": 80}]}},
         "default_pool.members[0].address. Value: 'web'", "an IPv4 or IPv6 address"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_what_is_right(world: World, values: dict, field: str, right: str) -> None:
    wanted = {"loadbalancer_id": "11111111-1111-1111-1111-111111111111", "protocol": "HTTP", "protocol_port": 80}
    text = world.create("listeners", 400, **(wanted | values))
    assert field in text
    assert right in text


def test_what_must_be_given_is_named_when_it_is_missing_or_null(world: World) -> None:
    wanted = "Invalid input for field/attribute protocol_port. Value: 'None'. Mandatory field missing."
    assert world.create("listeners", 400, loadbalancer_id=world.subnet.id, protocol="HTTP") == wanted
    assert (
        world.create("listeners", 400, loadbalancer_id=world.subnet.id, protocol="HTTP", protocol_port=None) == wanted
    )


def test_words_for_numbers_and_switches_are_understood(world: World) -> None:
    listener = world.listener(world.balancer(), port="80", admin_state_up="no", connection_limit="5")
    assert (listener["protocol_port"], listener["admin_state_up"], listener["connection_limit"]) == (80, False, 5)
    path = f"/listeners/{listener['id']}"
    for word, meaning in {"on": True, "False": False, "1": True, 0: False, "t": True, "N": False}.items():
        assert world.change(path, admin_state_up=word)["admin_state_up"] is meaning


def test_null_sets_an_attribute_back_but_switches_off_what_can_be_switched(world: World) -> None:
    listener = world.listener(world.balancer(), name="x", timeout_client_data=7, connection_limit=9, tags=["a"])
    values = dict.fromkeys(["name", "timeout_client_data", "connection_limit", "tags", "admin_state_up"])
    after = world.change(f"/listeners/{listener['id']}", **values)
    assert (after["name"], after["timeout_client_data"], after["connection_limit"]) == ("", 50000, -1)
    assert after["tags"] == []
    assert after["admin_state_up"] is False


@pytest.mark.parametrize("attribute", ["protocol", "protocol_port", "loadbalancer_id", "id", "project_id"])
def test_what_cannot_change_is_an_unknown_attribute_of_an_update(world: World, attribute: str) -> None:
    path = f"/listeners/{world.listener(world.balancer())['id']}"
    assert world.change(path, 400, **{attribute: "HTTP"}).startswith(
        "Unknown attribute for argument listener_.listener:"
    )
