"""How a process that serves ends: on a signal, in order, and in any case soon."""

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Iterator
from typing import Protocol

from lictor.cli import notify

LOG = logging.getLogger(__name__)

PATIENCE = 12.0
"""Seconds that a stop may take. What is not finished then is finished by the next start."""


class Service(Protocol):
    """A part of the process that runs by itself."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """Finish what is under way, within seconds."""


@contextlib.contextmanager
def running(services: list[Service]) -> Iterator[None]:
    """All services run inside the block; at its end the last one started stops first."""
    with contextlib.ExitStack() as stack:
        for service in services:
            service.start()
            stack.callback(service.stop)
        yield
        notify.stopping()
        LOG.info("Stopping; load balancers go on serving.")
        _no_longer_than(PATIENCE)


def _no_longer_than(seconds: float) -> None:
    # Leases run out and every step can be taken again, so ending on any line is safe; hanging for ever is not.
    timer = threading.Timer(seconds, os._exit, (1,))
    timer.daemon = True
    timer.start()


class Stopping(threading.Event):
    """Set when it is time to stop; ``failed`` says that it is not because somebody wished it."""

    failed = False

    def fail(self) -> None:
        """It is time to stop, because a part ended that should not have."""
        self.failed = True
        self.set()


@contextlib.contextmanager
def stop_signals() -> Iterator[Stopping]:
    """An event that SIGTERM, SIGINT (Ctrl-C) and SIGHUP (a terminal that closes) set; the next of them ends at once."""
    stopping = Stopping()
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def stop(_number: int, _frame: object) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_DFL)
        stopping.set()

    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
