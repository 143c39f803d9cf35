"""Clients that mean ill: none passes a rule of a listener by, and others go on being served."""

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time

import pytest

from tests.e2e.balancer import Balancer, listener, pool
from tests.lab import h2, smuggling, strict
from tests.lab.deployment import eventually, http_get

PORT = 8084

NOT_FOR_CLIENTS = {
    "action": "REJECT",
    "rules": [{"type": "PATH", "compare_type": "EQUAL_TO", "value": "/second"}],
}
"""No client may ask for /second: where a member is asked for it, the balancer took it for something else."""


class Member:
    """A strict server in a namespace of its own, and what it has been asked for."""

    def __init__(self, server, log):
        command = ["ip", "netns", "exec", server.namespace, sys.executable, strict.__file__]
        self._log = log
        self.address = server.address
        self.process = subprocess.Popen([*command, server.address, str(PORT), str(log)], stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"serving\n"

    def got(self):
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def clear(self):
        """Forget all; the server appends, so its file can be cut."""
        self._log.write_text("")


@pytest.fixture(scope="module")
def member(servers, tmp_path_factory):
    made = Member(servers.servers[0], tmp_path_factory.mktemp("strict") / "log")
    yield made
    with made.process as process:
        process.kill()


@pytest.fixture(scope="module")
def lb(deployment, member):
    one = listener(pool([member.address], port=PORT), l7policies=[NOT_FOR_CLIENTS])
    made = Balancer(deployment, "hostile", [one], {})
    made.wait_active()
    assert http_get(made.vip, path="/first") == (200, "/first")
    yield made
    made.delete()


@pytest.fixture
def asked(member):
    member.clear()
    return member.got


def said(connection, data, seconds=0.3):
    """What the balancer answers, until it ends the connection or has been silent for a while."""
    answer = b""
    with connection, contextlib.suppress(ConnectionError, TimeoutError):
        connection.sendall(data)
        connection.settimeout(seconds)
        while piece := connection.recv(65536):
            answer += piece
    return answer


def served(lb):
    """An honest client is answered, and soon."""
    begun = time.monotonic()
    assert http_get(lb.vip, path="/first") == (200, "/first")
    return time.monotonic() - begun


# --- two requests where one was sent ---

LEAVES_TO_MEMBERS = {"NUL in a value"}
"""What HAProxy 2.6 passes on as it is, in one request: a member that minds answers 400."""


def test_no_request_hides_in_another(lb, asked):
    connections = {name: socket.create_connection((lb.vip, 80), timeout=5) for name in smuggling.CORPUS}
    for name, data in smuggling.CORPUS.items():
        before = len(asked())
        said(connections[name], data)
        found = asked()[before:]
        assert [each for each in found if each.get("target", "").endswith("/second")] == [], name
        assert len(found) <= 1, (name, found)
        assert name in LEAVES_TO_MEMBERS or not any("malformed" in each for each in found), (name, found)
    assert served(lb) < 2


H2_SECOND = smuggling.SECOND
H2_CORPUS = {
    "a length shorter than the data": h2.request(b"/first", (b"content-length", b"0"), body=H2_SECOND),
    "a length longer than the data": h2.request(b"/first", (b"content-length", b"99"), body=H2_SECOND),
    "two lengths": h2.request(b"/first", (b"content-length", b"0"), (b"content-length", b"33"), body=H2_SECOND),
    "a coding": h2.request(b"/first", (b"transfer-encoding", b"chunked"), body=b"0\r\n\r\n" + H2_SECOND),
    "a line end in a value": h2.request(b"/first", (b"x", b"y\r\ncontent-length: 0"), body=H2_SECOND),
    "LF in a value": h2.request(b"/first", (b"x", b"y\ncontent-length: 0"), body=H2_SECOND),
    "NUL in a value": h2.request(b"/first", (b"x", b"y\0z"), body=H2_SECOND),
    "a line end in a name": h2.request(b"/first", (b"x: y\r\ncontent-length", b"0"), body=H2_SECOND),
    "a colon in a name": h2.request(b"/first", (b"content-length:", b"0"), body=H2_SECOND),
    "a space in a name": h2.request(b"/first", (b"content-length ", b"0"), body=H2_SECOND),
    "capitals in a name": h2.request(b"/first", (b"Content-Length", b"0"), body=H2_SECOND),
    "a request in the path": h2.request(b"/first HTTP/1.1\r\nhost: a\r\n\r\nGET /second"),
    "a space in the path": h2.request(b"/first /second"),
    "no path": h2.request(b""),
    "two paths": h2.request(b"/first", (b":path", b"/second")),
    "an unknown pseudo field": h2.request(b"/first", (b":second", b"/second")),
    "a pseudo field at the end": h2.request(b"/first", (b"x", b"y"), (b":path", b"/second")),
    "a request in the method": h2.message(
        [(b":method", b"GET /second HTTP/1.1\r\nhost: a\r\n\r\nGET"), (b":scheme", b"http"), (b":path", b"/first")]
    ),
    "a request in the scheme": h2.message(
        [(b":method", b"GET"), (b":scheme", b"http://a/second HTTP/1.1\r\n\r\n"), (b":path", b"/first")]
    ),
    "a request in the host": h2.message(
        [
            (b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/first"),
            (b":authority", b"a\r\n\r\nGET /second HTTP/1.1\r\nhost: a"),
        ]
    ),
    "another host": h2.request(b"/first", (b"host", b"b")),
    "fields of a connection": h2.request(b"/first", (b"connection", b"content-length"), (b"upgrade", b"h2c")),
    "the second one openly": h2.request(b"/second"),
}  # fmt: skip


def test_no_request_hides_in_http_2(lb, asked):
    for name, data in H2_CORPUS.items():
        before = len(asked())
        said(h2.connect(lb.vip, 80), data, 0.2)
        found = asked()[before:]
        assert [each for each in found if each.get("target", "").endswith("/second")] == [], name
        assert len(found) <= 1, (name, found)
        assert name in LEAVES_TO_MEMBERS or not any("malformed" in each for each in found), (name, found)
    before = len(asked())
    said(h2.connect(lb.vip, 80), h2.request(b"/first", body=H2_SECOND), 0.2)
    assert [(each["target"], each["length"]) for each in asked()[before:]] == [("/first", len(H2_SECOND))]


# --- too much ---


@pytest.mark.parametrize(
    ("what", "status"),
    [
        (b"X: " + b"a" * 200_000, b"400"),
        (b"\r\n".join(b"X-%d: a" % number for number in range(5000)), b"400"),
    ],
)
def test_headers_beyond_all_measure_are_refused(lb, asked, what, status):
    connection = socket.create_connection((lb.vip, 80), timeout=5)
    answer = said(connection, b"GET /first HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n" % what)
    assert not answer or answer.split()[1] in (status, b"431"), answer
    assert asked() == []
    served(lb)


def floods():
    """What an HTTP/2 client can send for ever at little cost to itself."""
    reset = h2.frame(h2.RST_STREAM, 0, 0, b"\0\0\0\x08")
    yield (
        "resets",
        b"".join(
            h2.request(b"/first", stream=stream) + reset[:5] + stream.to_bytes(4) + reset[9:]
            for stream in range(1, 6000, 2)
        ),
    )
    yield "pings", h2.frame(h2.PING, 0, 0, b"12345678") * 20_000
    yield "settings", h2.frame(h2.SETTINGS) * 20_000
    opened = h2.frame(h2.HEADERS, h2.END_STREAM, 1, h2.block([(b":method", b"GET"), (b":scheme", b"http")]))
    yield "continuations", opened + h2.frame(h2.CONTINUATION, 0, 1, h2.block([(b"x", b"y" * 100)])) * 20_000
    yield "empty continuations", opened + h2.frame(h2.CONTINUATION, 0, 1) * 20_000
    yield "empty data", h2.request(b"/first", body=b"")[:-9] + h2.frame(h2.DATA, 0, 1) * 20_000
    yield "windows", h2.frame(h2.WINDOW_UPDATE, 0, 0, b"\0\0\0\1") * 20_000


def test_floods_of_http_2_do_not_keep_others_from_being_served(lb, member):
    for name, data in floods():
        senders = [
            threading.Thread(target=lambda data=data: said(h2.connect(lb.vip, 80), data, 0.3), daemon=True)
            for _ in range(4)
        ]
        for sender in senders:
            sender.start()
        slowest = max(served(lb) for _ in range(5))
        for sender in senders:
            sender.join(20)
        assert slowest < 2, name
    assert served(lb) < 2
    assert not any(each.get("target", "").endswith("/second") for each in member.got())


# --- too slow ---


class Slow:
    """A connection that says something little, now and then."""

    def __init__(self, lb, first, then):
        self._connection = socket.create_connection((lb.vip, 80), timeout=5)
        self._connection.sendall(first)
        self._connection.setblocking(False)
        self._then = then
        self.answer, self.ended = b"", False

    def go_on(self):
        """A byte more, until the balancer has had enough."""
        try:
            if not self.ended:
                self._connection.send(self._then)
                data = self._connection.recv(4096)
                self.answer, self.ended = self.answer + data, not data
        except BlockingIOError:
            pass
        except ConnectionError:
            self.ended = True

    def close(self):
        self._connection.close()


def test_slow_and_silent_clients_are_cut_off_and_others_served_meanwhile(lb):
    head = b"GET /first HTTP/1.1\r\nHost: a\r\n"
    slow = [Slow(lb, head, b"X") for _ in range(150)]
    silent = [Slow(lb, b"", b"") for _ in range(150)]
    bodies = [Slow(lb, b"POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n", b"X") for _ in range(50)]
    with contextlib.ExitStack() as stack:
        for each in (*slow, *silent, *bodies):
            stack.callback(each.close)

        def cut_off():
            for each in (*slow, *silent, *bodies):
                each.go_on()
            assert served(lb) < 2
            return all(each.ended for each in (*slow, *silent))

        eventually(cut_off, 20, "slow and silent connections have ended", poll=0.3)
    assert {each.answer.split(b"\r\n")[0] for each in slow} == {b"HTTP/1.1 408 Request Time-out"}
    assert {each.answer for each in silent} == {b""}
