"""``python -m lictor.agent.main --config FILE``: the daemon inside an amphora.

SIGTERM ends the agent only: HAProxy goes on, and the next agent finds it.
"""

import fcntl
import os
import pathlib
import signal
import sys
import threading
import time
from typing import IO

from lictor import wire
from lictor.agent import settings as configuration
from lictor.agent.agent import Agent, decode
from lictor.agent.errors import log
from lictor.agent.haproxy.section import EXPORTER, METRICS, NOBODY
from lictor.agent.heartbeat import Pulse
from lictor.agent.metrics import datagrams
from lictor.agent.metrics.page import Page
from lictor.agent.metrics.server import Server as MetricsServer
from lictor.agent.papers import Papers
from lictor.agent.server import Call, Handler, Server

_GRACE = 10.0
"""Seconds that a change under way is given to end at SIGTERM; cut short, it is repaired at the next start."""


def main() -> None:
    """Run until SIGTERM. Exits with 2 and a sentence when the configuration is wrong."""
    try:
        settings = configuration.load(_argument())
        _make_home(settings.home)
        lock = _only_one(settings.home)
        papers = Papers(settings)
        calls: dict[Call, Handler] = {
            ("GET", "/1.0/state"): lambda _: agent.report(),
            ("PUT", "/1.0/state"): lambda body: agent.deliver(decode(body, wire.DesiredState)),
            ("GET", "/1.0/sticks"): lambda _: agent.sticks(),
            ("PUT", "/1.0/sticks"): lambda body: agent.stick(decode(body, wire.Sticks)),
            ("PUT", "/1.0/certificate"): lambda body: _take(agent, papers, body),
        }
        server = Server(settings, lambda: papers.context, calls)
    except (ValueError, OSError) as error:
        sys.exit(f"lictor-agent: {error}")
    agent = Agent(settings)
    page = Page(settings.home / EXPORTER, lambda: datagrams.samples(*agent.udp.report()), agent.logs.dropped)
    metrics = MetricsServer(settings.home / METRICS, page)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    agent.resume()
    health = agent.haproxy.health
    loops = (
        server.run,
        metrics.run,
        agent.haproxy.reviver.watch,
        agent.haproxy.vigil.run,
        agent.keepalived.reviver.watch,
        agent.keepalived.vigil.run,
        agent.keepalived.presence.run,
        agent.udp.run,
        health.pinger.run,
        health.nursery.run,
        Pulse(agent, settings.amphora_id).run,
    )
    for loop in loops:
        threading.Thread(target=loop, daemon=True).start()
    log(f"amphora {settings.amphora_id} listens on {settings.bind_address} port {settings.bind_port}")
    try:
        signal.pause()
    finally:
        agent.close(_GRACE)
        lock.close()


def _take(agent: Agent, papers: Papers, body: bytes) -> wire.Report:
    papers.take(decode(body, wire.Papers), agent.state.epoch if agent.state else 0)
    return agent.report()


def _argument() -> str:
    if len(sys.argv) != 3 or sys.argv[1] != "--config":
        sys.exit("usage: python -m lictor.agent.main --config FILE")
    return sys.argv[2]


def _make_home(home: pathlib.Path) -> None:
    """The working directory. HAProxy's workers, who run as nobody, may pass through it to sockets, and see nothing."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chown(home, -1, NOBODY)
    home.chmod(0o710)


def _only_one(directory: pathlib.Path) -> IO[str]:
    """Hold the directory's lock, waiting a moment for a predecessor to end: two agents would fight over HAProxy."""
    lock = (directory / "lock").open("w")
    for _ in range(100):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.1)
        else:
            return lock
    raise OSError(f"another agent holds {directory}")


if __name__ == "__main__":
    main()
