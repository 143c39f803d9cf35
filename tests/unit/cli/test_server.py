"""The embedded server: what it says to those who stop half-way, and what a proxy's headers are to it."""

import http.client
import json
import socket
from collections.abc import Iterator

import pytest

from lictor import config
from lictor.cli import server
from lictor.cli.server import ApiServer


def echo(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Host", environ.get("HTTP_X_FORWARDED_HOST", "-"))])
    return [body]


@pytest.fixture
def port(tmp_path, monkeypatch) -> Iterator[int]:
    monkeypatch.setattr(server, "TIMEOUT", 1)
    conf = config.load(lictor__state_dir=str(tmp_path), api_settings__bind_port=0)
    running = ApiServer(conf, echo, broken=lambda: pytest.fail("the server ended by itself"))
    running.start()
    yield running.port
    running.stop()


def test_half_a_request_is_refused_with_a_sentence_when_its_time_is_up(port: int) -> None:
    halves = [b"POST /v2.0/lb", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"]
    connections = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in (*halves, b"")]
    for connection, half in zip(connections, [*halves, b""], strict=True):
        connection.sendall(half)
    *begun, silent = connections
    for connection in begun:
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == 408
        assert "nothing of it came for 1 seconds" in json.loads(answer.read())["faultstring"]
        assert connection.recv(1) == b""
    assert silent.recv(1) == b"", "who says nothing is not answered either"


@pytest.mark.parametrize("head", [b"NONSENSE\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: banana\r\n\r\n"])
def test_what_is_not_http_is_refused_in_json(port: int, head: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(head)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == 400
        assert json.loads(answer.read())["faultstring"].startswith("Request is not valid HTTP")


def test_many_requests_on_one_connection_are_answered_in_order(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    for number in range(50):
        connection.request("POST", "/", str(number), {"X-Forwarded-Host": "front"})
        answer = connection.getresponse()
        assert (answer.read(), answer.headers["X-Host"]) == (str(number).encode(), "front")
