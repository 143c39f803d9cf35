"""New members behind a monitor: down until their first good check, and up with it.

HAProxy 2.6 would take them for up until a check fails; told that they are down, it would want ``rise`` good checks.
"""

import os
import pathlib
import select
import threading
import time
from collections.abc import Callable

from lictor.agent.errors import log
from lictor.agent.haproxy import statistics
from lictor.agent.haproxy.pinger import Key, health
from lictor.agent.haproxy.runtime import RuntimeFailed, Session

_FIRST_LOOK, _SLOWER, _LAST_LOOK = 0.01, 1.3, 0.5
"""Seconds between looks: the first checks are made at once, but there may be one that waits for its timeout."""


class Nursery:
    """``run`` in a thread of its own; ``changed`` is called when a server left the nursery."""

    def __init__(self, haproxy: pathlib.Path, changed: Callable[[], None]) -> None:
        self._haproxy = haproxy
        self._changed = changed
        self._lock = threading.Lock()
        self._fresh: set[Key] = set()
        self._woken = os.eventfd(0, os.EFD_NONBLOCK)

    def admit(self, fresh: set[Key], known: set[Key]) -> None:
        """Wait for the first good check of these, too. Only the known ones are there to wait for."""
        with self._lock:
            self._fresh = (self._fresh | fresh) & known
        if fresh:
            os.eventfd_write(self._woken, 1)

    def run(self) -> None:
        """Look after them, for ever."""
        pause = _FIRST_LOOK
        while True:
            ready, _, _ = select.select([self._woken], [], [], pause if self._fresh else None)
            if ready:
                os.eventfd_read(self._woken)
                pause = _FIRST_LOOK
            try:
                self._look()
            except RuntimeFailed as error:
                log(f"new servers: {error}")
                time.sleep(_LAST_LOOK)
            pause = min(_LAST_LOOK, pause * _SLOWER)

    def _look(self) -> None:
        """Let go of those that had a check, and raise those for which it was good."""
        with self._lock:
            waiting = set(self._fresh)
        if not waiting:
            return
        with Session(self._haproxy) as session:
            rows = {(row.proxy, row.server): row for row in statistics.parse(session.ask("show stat"))}
            checked = {key for key in waiting if key not in rows or rows[key].checked}
            for key in checked & rows.keys():
                if rows[key].passed and rows[key].status.startswith("DOWN"):
                    session.ask(health(key, True))
        with self._lock:
            self._fresh -= checked
        if checked:
            self._changed()
