"""A daemon that is started again whenever it dies: at once if it had lived for a while, else after a growing pause."""

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable

from lictor.agent.daemon import Daemon
from lictor.agent.errors import AgentError, log

_STEADY = 10.0
"""Seconds that it must have lived for its next death to be answered at once."""

_SHORTEST_PAUSE = 0.05
_LONGEST_PAUSE = 30.0


class Reviver:
    """``watch`` in a thread of its own. ``lock`` is the agent's: whoever changes anything holds it.

    ``wanted`` is asked whether the daemon is to run, ``died`` is called when it does not, and ``start`` starts it.
    """

    def __init__(
        self,
        name: str,
        daemon: Daemon,
        lock: threading.RLock,
        wanted: Callable[[], bool],
        start: Callable[[], None],
        died: Callable[[], None] = lambda: None,
    ) -> None:
        self._name, self._daemon, self._lock = name, daemon, lock
        self._wanted, self._start, self._died = wanted, start, died
        self._started = 0.0
        self._woken = os.eventfd(0, os.EFD_NONBLOCK)

    def starting(self) -> None:
        """It is being started now, by whomever."""
        self._started = time.monotonic()

    def wake(self) -> None:
        """What is wanted, or what runs, is another now."""
        os.eventfd_write(self._woken, 1)

    def watch(self) -> None:
        """Start it again whenever it dies, for ever."""
        pause = 0.0
        while True:
            self._sleep_until_death()
            self._died()
            steady = time.monotonic() - self._started > _STEADY
            pause = 0.0 if steady else min(_LONGEST_PAUSE, max(_SHORTEST_PAUSE, 2 * pause))
            select.select([self._woken], [], [], pause)
            with self._lock:
                self._revive()

    def _sleep_until_death(self) -> None:
        while self._daemon.running() or not self._wanted():
            try:
                watched = [self._woken] + ([self._daemon.pidfd] if self._wanted() else [])
                select.select(watched, [], [])
            except (OSError, ValueError):
                time.sleep(_SHORTEST_PAUSE)  # another thread has just put a new one in the dead one's place
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._woken)

    def _revive(self) -> None:
        if not self._wanted() or self._daemon.running():
            return
        try:
            log(f"{self._name} is not running, starting it")
            self._start()
        except (AgentError, OSError) as error:
            log(f"{self._name} does not start, trying again: {error}")
