"""Log lines go to the first syslog server that takes them, and wait for it only as far as there is room."""

import contextlib
import functools
import pathlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from lictor import wire
from lictor.agent import errors
from lictor.agent.logs.forwarder import Forwarder
from lictor.agent.logs.keeper import Logs

FLOW = b"<134>Nov 24 12:49:03 amphora-1 haproxy[105]: %d"


class Syslog:
    """A syslog server on loopback, which can be away for a while."""

    def __init__(self, protocol: str) -> None:
        self.lines: list[bytes] = []
        self._kind = socket.SOCK_DGRAM if protocol == "UDP" else socket.SOCK_STREAM
        self._open: list[socket.socket] = []
        self._port = 0
        self.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def has(self, count: int) -> bool:
        return len(self.lines) == count

    def start(self) -> None:
        listener = socket.socket(socket.AF_INET, self._kind)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        self._open = [listener]
        if self._kind == socket.SOCK_STREAM:
            listener.listen()
        run = self._datagrams if self._kind == socket.SOCK_DGRAM else self._accept
        threading.Thread(target=run, args=(listener,), daemon=True).start()

    def stop(self) -> None:
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _datagrams(self, inbox: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while line := inbox.recv(65536):
                self.lines.append(line)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                self._open.append(connection)
                threading.Thread(target=self._stream, args=(connection,), daemon=True).start()

    def _stream(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection.makefile("rb") as stream:
            for line in stream:
                self.lines.append(line.rstrip(b"\n"))


@pytest.fixture(autouse=True)
def quiet(monkeypatch) -> Iterator[None]:
    monkeypatch.setattr("os.chown", lambda *_: None)  # unit tests need no root
    yield
    errors.log_to(None, local=True)


@pytest.fixture
def haproxy(tmp_path: pathlib.Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        yield sender


def target(*servers: Syslog, **more) -> wire.LogTarget:
    given = {"protocol": "UDP", "retry_count": 0, "retry_interval": 0.2, **more}
    return wire.LogTarget(addresses=[server.address for server in servers], **given)


def eventually(true) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("protocol", ["UDP", "TCP"])
def test_lines_arrive_whole_and_in_order(tmp_path, haproxy, protocol):
    server = Syslog(protocol)
    forwarder = Forwarder(tmp_path / "s", "flow logs", 6)
    forwarder.converge(target(server, protocol=protocol))
    haproxy.connect(str(tmp_path / "s"))
    for number in range(500):
        haproxy.send(FLOW % number + b"\n")
        haproxy.send(b"<133>a notice, which is no connection's\n")
        if number % 50 == 49:  # what a socket has no room for is lost with UDP, also between the two of us
            eventually(functools.partial(server.has, number + 1))
    assert server.lines == [FLOW % number for number in range(500)]
    assert forwarder.dropped == 0


@pytest.mark.parametrize("protocol", ["UDP", "TCP"])
def test_when_the_first_server_is_away_the_next_gets_lines_and_later_the_first_again(tmp_path, protocol):
    first, second = Syslog(protocol), Syslog(protocol)
    forwarder = Forwarder(tmp_path / "s", "flow logs")
    forwarder.converge(target(first, second, protocol=protocol))
    forwarder.put(b"<1>to the first")
    eventually(lambda: first.lines == [b"<1>to the first"])
    first.stop()

    def heard(server: Syslog) -> bool:
        forwarder.put(b"<1>%d" % len(server.lines))
        return len(server.lines) > 20

    eventually(lambda: heard(second))
    first.start()
    first.lines.clear()
    eventually(lambda: heard(first))
    assert forwarder.dropped == 0


def test_a_server_is_tried_again_before_the_next_one_is_asked(tmp_path):
    first, second = Syslog("TCP"), Syslog("TCP")
    first.stop()
    forwarder = Forwarder(tmp_path / "s", "flow logs")
    forwarder.converge(target(first, second, protocol="TCP", retry_count=50, retry_interval=0.05))
    forwarder.put(b"<1>x")
    time.sleep(0.1)
    first.start()
    eventually(lambda: first.lines == [b"<1>x"])
    assert second.lines == []


def test_what_there_is_no_room_for_is_dropped_and_counted_and_nobody_waits(tmp_path, haproxy):
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # accepts, and never reads
        forwarder = Forwarder(tmp_path / "s", "flow logs")
        place = f"127.0.0.1:{deaf.getsockname()[1]}"
        forwarder.converge(wire.LogTarget(addresses=[place], protocol="TCP", queue_size=100))
        line = b"<1>" + b"x" * 4000
        began = time.monotonic()
        for _ in range(20_000):
            forwarder.put(line)
        assert time.monotonic() - began < 5
        assert forwarder.dropped > 10_000
        forwarder.converge(None)


def test_the_agents_own_words_go_with_the_operators_logs(tmp_path, capsys):
    server = Syslog("UDP")
    logs = Logs(tmp_path, "a1")
    logs.converge(wire.Logs(administrative=target(server, facility=1), local=False))
    errors.log("a sentence")
    eventually(lambda: len(server.lines) == 1)
    assert server.lines[0].startswith(b"<142>")
    assert b" amphora-a1 lictor-agent[" in server.lines[0] and server.lines[0].endswith(b"]: a sentence")
    assert "a sentence" not in capsys.readouterr().err, "nothing is kept here"
    logs.converge(wire.Logs())
    errors.log("another")
    assert capsys.readouterr().err.endswith(" lictor-agent: another\n")
