"""What an amphora counts, under traffic, while HAProxy is reloaded and killed and the agent is started again."""

import contextlib
import os
import signal
import socket
import threading
import time

import pytest

from lictor import wire
from tests.agent_lab.amphora import KEY, eventually, traffic


class Receiver:
    """A health manager, as far as figures go."""

    def __init__(self, amphora):
        self.amphora, self.figures = amphora, wire.ListenerStatistics()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.target = [f"127.0.0.1:{self.socket.getsockname()[1]}"]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        with contextlib.suppress(OSError):
            while True:
                beat = wire.unseal(self.socket.recv(65536), bytes.fromhex(KEY))
                if self.amphora.listener in beat.listeners:
                    self.figures = beat.listeners[self.amphora.listener].statistics


@pytest.fixture
def receiver(amphora):
    made = Receiver(amphora)
    yield made
    made.socket.close()


def test_no_connection_is_missed_over_reloads(amphora, webs, receiver):
    servers = [amphora.member(web) for web in webs]
    amphora.deliver(amphora.state(servers, target=receiver.target))
    with socket.create_connection((amphora.vip, 80), 5) as idle, traffic(amphora) as (answers, _):
        idle.sendall(b"GET /")
        for number in range(6):
            amphora.deliver(amphora.state(servers, [f"    fullconn {1000 + number}"], target=receiver.target))
            time.sleep(0.1)
        eventually(lambda: receiver.figures.active_connections >= 1)
    assert amphora.report().reloads == 6
    assert set(answers) == {200}
    eventually(lambda: receiver.figures.active_connections == 0)
    eventually(lambda: receiver.figures.total_connections >= len(answers) + 1)
    time.sleep(1.5)
    assert receiver.figures.total_connections == len(answers) + 1, "not one too many"
    assert receiver.figures.bytes_out > len(answers) * 5


def test_counters_never_fall_when_haproxy_or_the_agent_dies(amphora, webs, receiver):
    amphora.deliver(amphora.state([amphora.member(web) for web in webs], target=receiver.target))
    seen = []
    with traffic(amphora) as (answers, _):
        for end in (kill_haproxy, restart_agent, kill_haproxy):
            time.sleep(1.2)
            seen.append(receiver.figures.total_connections)
            end(amphora)
        time.sleep(0.5)
    time.sleep(1.5)
    seen.append(receiver.figures.total_connections)
    assert seen == sorted(seen) and seen[0] > 0
    # What a killed HAProxy counted in its last second is lost; the rest is there.
    assert 0.4 * len(answers) < seen[-1] <= len(answers) + 20


def kill_haproxy(amphora):
    for pid in amphora.haproxy_pids():
        with contextlib.suppress(ProcessLookupError):  # a worker ends when its master has
            os.kill(pid, signal.SIGKILL)


def restart_agent(amphora):
    amphora.end(signal.SIGKILL)
    amphora.start()
