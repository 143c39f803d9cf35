"""Logs of connections leave an amphora whatever becomes of HAProxy's workers and of the agent, and hold up nobody."""

import contextlib
import http.client
import signal
import socket
import threading

import pytest

from lictor import wire
from tests.agent_lab.amphora import eventually

LOGGED = ["    log global", "    log-format '%f %HU %ST'"]


class Syslog:
    """Keeps what comes by UDP."""

    def __init__(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.target = wire.LogTarget(addresses=[f"127.0.0.1:{self._socket.getsockname()[1]}"], retry_interval=0.1)
        self.lines = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while line := self._socket.recv(65536):
            self.lines.append(line.decode())

    def heard_of(self, path):
        return eventually(lambda: [line for line in self.lines if f" {path} " in line])


@pytest.fixture
def syslog():
    return Syslog()


def state(amphora, servers, syslog, *lines):
    logs = wire.Logs(flow=syslog.target, administrative=syslog.target)
    return amphora.state(servers, frontend_lines=[*LOGGED, *lines], logs=logs)


def test_a_connection_that_outlives_a_reload_is_logged_by_its_old_worker(amphora, webs, syslog):
    servers = [amphora.member(webs[0])]
    amphora.deliver(state(amphora, servers, syslog))
    slow = threading.Thread(target=lambda: amphora.get("/slow", seconds=20))
    slow.start()
    eventually(lambda: f"{servers[0].name},0,0,1," in amphora.haproxy("show stat"))
    worker = amphora.worker()
    amphora.deliver(state(amphora, servers, syslog, "    timeout client 51s"))
    assert amphora.worker() != worker
    assert amphora.get("/new")[0] == 200
    (line,) = syslog.heard_of("/new")
    assert f" amphora-{amphora.id} haproxy[" in line and line.startswith("<134>")
    webs[0].release.set()
    slow.join(10)
    assert syslog.heard_of("/slow")


def test_logs_go_on_after_a_restart_of_the_agent_and_end_when_they_are_not_wanted(amphora, webs, syslog):
    servers = [amphora.member(webs[0])]
    amphora.deliver(state(amphora, servers, syslog))
    assert amphora.get("/before")[0] == 200 and syslog.heard_of("/before")
    amphora.end(signal.SIGKILL)
    assert amphora.get("/without")[0] == 200, "nobody takes lines now, and nobody minds"
    amphora.start()
    assert amphora.get("/after")[0] == 200 and syslog.heard_of("/after")
    assert not [line for line in syslog.lines if "/without" in line]
    amphora.deliver(amphora.state(servers))
    assert amphora.get("/quiet")[0] == 200
    amphora.deliver(state(amphora, servers, syslog))
    assert amphora.get("/loud")[0] == 200 and syslog.heard_of("/loud")
    assert not [line for line in syslog.lines if "/quiet" in line]


def test_an_agent_that_does_not_read_holds_up_no_request_and_what_is_lost_is_counted(amphora, webs, syslog):
    deny = "    http-request return status 200 if { path /flood }"
    amphora.deliver(state(amphora, [amphora.member(webs[0])], syslog, deny))
    amphora.process.send_signal(signal.SIGSTOP)
    with contextlib.closing(http.client.HTTPConnection(amphora.vip, 80, timeout=5)) as connection:
        for _ in range(2000):
            connection.request("GET", "/flood")
            answer = connection.getresponse()
            assert answer.status == 200 and answer.read() == b""
    (dropped,) = [line for line in amphora.haproxy("show info").split("\n") if line.startswith("DroppedLogs: ")]
    assert int(dropped.split()[1]) > 0
    amphora.process.send_signal(signal.SIGCONT)
    # Until the agent has read what waits for it there is still no room.
    eventually(lambda: amphora.get("/later")[0] == 200 and any(" /later " in line for line in syslog.lines))
    assert 0 < len(syslog.heard_of("/flood")) <= 2000 - int(dropped.split()[1])
