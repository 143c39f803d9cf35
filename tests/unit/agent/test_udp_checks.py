"""Checks of UDP members: real sockets on loopback, and what is made of what they hear."""

import contextlib
import pathlib
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from lictor.agent.udp.checks import Checks
from lictor.agent.udp.memory import Memory
from lictor.wire import ListenerStatistics, UdpListener, UdpMember, UdpMonitor

HOME = "127.0.0.1"
KEY = ("p", "m")


def listener(kind: str, port: int, address: str = HOME, **monitor: object) -> UdpListener:
    member = UdpMember(id="m", address=address, port=port, mark=1 << 31, check_address=address, check_port=port)
    asked = UdpMonitor(**({"type": kind, "delay": 1, "timeout": 1, "rise": 1, "fall": 1} | monitor))
    return UdpListener(
        id="l", protocol="udp", port=53, vips=[], limit=1, pool="p", members=[member], monitor=asked if kind else None
    )


def until(checks: Checks, condition: Callable[[], bool], seconds: float = 8.0) -> None:
    """Run checks as the keeper does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {checks.verdicts()}"
        poll = select.poll()
        for check in checks.waiting():
            poll.register(check.probe.fileno(), check.probe.events)
        pause = min(checks.next_time(), end) - time.monotonic()
        answered = {descriptor for descriptor, _ in poll.poll(max(0, pause * 1000) + 1)}
        checks.look(time.monotonic(), answered)


@pytest.fixture
def checks() -> Iterator[Checks]:
    made = Checks({})
    yield made
    made.converge([])


def verdict(checks: Checks, wanted: bool) -> Callable[[], bool]:
    return lambda: checks.verdicts()[KEY] is wanted


@contextlib.contextmanager
def bound(kind: int, address: str = HOME) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind) as server:
        server.bind((address, 0))
        yield server


def port_of(server: socket.socket) -> int:
    return int(server.getsockname()[1])


@pytest.mark.parametrize("address", [HOME, "::1"])
def test_silence_is_health_and_a_port_nobody_listens_at_is_not(checks: Checks, address: str) -> None:
    with bound(socket.SOCK_DGRAM, address) as server:
        port = port_of(server)
        checks.converge([listener("UDP-CONNECT", port, address)])
        assert checks.verdicts() == {KEY: None}, "a new member has first to be good once"
        until(checks, verdict(checks, True))
    until(checks, verdict(checks, False))
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, port))
        until(checks, verdict(checks, True))


def test_a_member_that_answers_is_up_at_once(checks: Checks) -> None:
    with bound(socket.SOCK_DGRAM) as server:
        checks.converge([listener("UDP-CONNECT", port_of(server), timeout=30)])
        checks.look(time.monotonic(), set())
        server.sendto(b"here", server.recvfrom(10)[1])
        until(checks, verdict(checks, True), 1)


def test_datagrams_of_clients_that_came_back_are_news(checks: Checks) -> None:
    with bound(socket.SOCK_DGRAM) as server:
        (one,) = wanted = [listener("UDP-CONNECT", port_of(server), timeout=30)]
        checks.converge(wanted)
        until(checks, lambda: bool(checks.waiting()))
        checks.miss("p", one.members[0])
        until(checks, verdict(checks, False), 1)


def test_a_connection_over_tcp_is_taken_or_refused(checks: Checks) -> None:
    with bound(socket.SOCK_STREAM) as server:
        checks.converge([listener("TCP", port_of(server))])
        until(checks, verdict(checks, False))
        server.listen()
        until(checks, verdict(checks, True))


def test_a_member_that_never_answers_tcp_is_down_when_its_time_is_over(checks: Checks) -> None:
    with bound(socket.SOCK_STREAM) as server:
        server.listen()
        checks.converge([listener("HTTP", port_of(server), request="GET / HTTP/1.0\r\n\r\n", codes=[(200, 200)])])
        until(checks, verdict(checks, False))


@pytest.mark.parametrize(
    ("answer", "good"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.0 201\r\n\r\n", True),
        (b"HTTP/1.1 500 Trouble\r\n\r\n", False),
        (b"SSH-2.0 200\r\n", False),
        (b"HTTP/1.1 two", False),
        (b"", False),
        (b"x" * 5000, False),
    ],
)
def test_an_answer_over_http_is_good_by_its_status(checks: Checks, answer: bytes, good: bool) -> None:
    heard: list[bytes] = []

    def serve(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            heard.append(connection.recv(1000))
            for piece in (answer[:7], answer[7:]):
                connection.sendall(piece)
                time.sleep(0.02)

    with bound(socket.SOCK_STREAM) as server:
        server.listen()
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        checks.converge([listener("HTTP", port_of(server), request="HEAD /x HTTP/1.0\r\n\r\n", codes=[(200, 204)])])
        until(checks, verdict(checks, good))
    assert heard == [b"HEAD /x HTTP/1.0\r\n\r\n"]


def test_a_member_turns_after_as_many_checks_as_the_monitor_says(checks: Checks) -> None:
    with bound(socket.SOCK_STREAM) as server:
        server.listen()
        (one,) = wanted = [listener("TCP", port_of(server), fall=2)]
        checks.converge(wanted)
        until(checks, verdict(checks, True))
    began = time.monotonic()
    until(checks, verdict(checks, False))
    assert time.monotonic() - began > one.monitor.delay, "one bad check is not enough"


def test_what_served_unchecked_goes_on_until_checks_say_otherwise(checks: Checks) -> None:
    with bound(socket.SOCK_DGRAM) as server:
        port = port_of(server)
    checks.converge([listener("", port)])
    assert checks.verdicts() == {}
    checks.converge([listener("UDP-CONNECT", port)])
    assert checks.verdicts() == {KEY: True}
    until(checks, verdict(checks, False))
    checks.converge([listener("UDP-CONNECT", port, timeout=9)])
    assert checks.verdicts() == {KEY: False}, "another monitor does not forget"
    checks.converge([])
    assert checks.verdicts() == {}


def test_a_restarted_agent_knows_who_was_up_and_figures_never_fall(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "udp.json"
    memory = Memory(file)
    assert not memory.used
    memory.learn({KEY: False, ("p", "other"): True, ("q", "new"): None})
    assert memory.count({"l": figures(10, active=3)}) == {"l": figures(10, active=3)}
    again = Memory(file)
    assert again.known() == {KEY: False, ("p", "other"): True}
    assert again.figures("l") == figures(10, active=3)
    assert again.count({"l": figures(4, active=1), "m": figures(2)}) == {"l": figures(14, active=1), "m": figures(2)}
    assert again.count({"l": figures(5), "m": figures(3)}) == {"l": figures(15), "m": figures(3)}
    assert Memory(file).count({"l": figures(0)}) == {"l": figures(15)}
    checks = Checks(again.known())
    checks.converge([listener("UDP-CONNECT", 1)])
    assert checks.verdicts() == {KEY: False}


def figures(number: int, active: int = 0) -> ListenerStatistics:
    return ListenerStatistics(
        bytes_in=number, bytes_out=2 * number, total_connections=number, active_connections=active
    )


def test_what_cannot_be_read_is_forgotten(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "udp.json"
    file.write_text("{")
    assert Memory(file).known() == {}
