"""``python -m lictor.agent.main --config FILE``: the daemon inside an amphora.

SIGTERM ends the agent only: HAProxy goes on, and the next agent finds it.
"""

import fcntl
import pathlib
import signal
import sys
import threading
import time
from typing import IO

from lictor import wire
from lictor.agent import pingcheck
from lictor.agent import settings as configuration
from lictor.agent.agent import Agent, decode
from lictor.agent.errors import log
from lictor.agent.heartbeat import Pulse
from lictor.agent.server import Server

_GRACE = 10.0
"""Seconds that a change under way is given to end at SIGTERM; cut short, it is repaired at the next start."""


def main() -> None:
    """Run until SIGTERM. Exits with 2 and a sentence when the configuration is wrong."""
    try:
        settings = configuration.load(_argument())
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = _only_one(settings.home)
        server = Server(settings, lambda method, body: _handle(agent, method, body))
    except (ValueError, OSError) as error:
        sys.exit(f"lictor-agent: {error}")
    agent = Agent(settings)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    pingcheck.provide()
    agent.resume()
    for loop in (server.run, agent.haproxy.watch, Pulse(agent, settings.amphora_id).run):
        threading.Thread(target=loop, daemon=True).start()
    log(f"amphora {settings.amphora_id} listens on {settings.bind_address} port {settings.bind_port}")
    try:
        signal.pause()
    finally:
        agent.close(_GRACE)
        lock.close()


def _handle(agent: Agent, method: str, body: bytes) -> wire.Report:
    return agent.deliver(decode(body)) if method == "PUT" else agent.report()


def _argument() -> str:
    if len(sys.argv) != 3 or sys.argv[1] != "--config":
        sys.exit("usage: python -m lictor.agent.main --config FILE")
    return sys.argv[2]


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
