"""PING monitors: the agent sends the echo requests and tells HAProxy of the results that change something.

HAProxy itself would have to run a program for each check, and its version 2.6 dies of servers that are added where
checks fork. A server that was never answered is down; the first answer makes it up, as the first good check of any
new member does. Then ``rise`` and ``fall`` count.
"""

import heapq
import itertools
import os
import pathlib
import select
import threading
import time
from collections.abc import Callable

from lictor import wire
from lictor.agent.errors import log
from lictor.agent.haproxy.icmp import Echo
from lictor.agent.haproxy.runtime import RuntimeFailed, Session
from lictor.agent.namespace import enter
from lictor.agent.standing import Standing

Key = tuple[str, str]
"""A server: its backend and its name."""


class Check(Standing):
    """The check of one server. ``waits_for`` is the sequence number of the request that is not answered yet, or -1."""

    def __init__(self, how: wire.Ping) -> None:
        super().__init__()
        self.how = how
        self.sent = 0.0
        self.waits_for = -1

    def result(self, good: bool) -> bool:
        """Take a result in; whether the server's state changes."""
        return self.take(good, self.how.rise, self.how.fall)


class Pinger:
    """``run`` in a thread of its own; ``changed`` is called when the state of a server changed."""

    def __init__(self, haproxy: pathlib.Path, namespace: str, changed: Callable[[], None]) -> None:
        self._haproxy = haproxy
        self._namespace = namespace
        self._changed = changed
        self._lock = threading.Lock()
        self._checks: dict[Key, Check] = {}
        self._untold: set[Key] = set()
        # When something is due: of which server and check (there may be another one by then), and how it was then.
        self._due: list[tuple[float, int, Key, Check, int]] = []
        self._order = itertools.count()
        self._sequences = itertools.count()
        self._sent: dict[int, Key] = {}
        self._woken = os.eventfd(0, os.EFD_NONBLOCK)

    def follow(self, servers: dict[Key, wire.Ping], fresh: set[Key]) -> None:
        """Check these from now on. The fresh ones start anew, at once; of the others HAProxy is told again."""
        with self._lock:
            known = {key: check for key, check in self._checks.items() if key in servers and key not in fresh}
            self._checks = {key: known.get(key) or Check(how) for key, how in servers.items()}
            for key, how in servers.items():
                self._checks[key].how = how
                if key not in known:
                    self._plan(time.monotonic(), key, self._checks[key])
            self._tell([key for key, check in known.items() if check.up is not None])
        os.eventfd_write(self._woken, 1)

    def states(self) -> dict[Key, bool | None]:
        """Whether each server is up; None where nothing is known yet."""
        with self._lock:
            return {key: check.up for key, check in self._checks.items()}

    def run(self) -> None:
        """Send and receive, for ever."""
        echo: Echo | None = None
        while True:
            with self._lock:
                idle = not self._checks
                pause = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
            try:
                if echo is None and not idle:
                    enter(self._namespace)
                    echo = Echo()
                sockets = [each.fileno() for each in echo.sockets.values()] if echo else []
                ready, _, _ = select.select([self._woken, *sockets], [], [], pause)
                if self._woken in ready:
                    os.eventfd_read(self._woken)
                if echo:
                    self._step(echo)
            except OSError as error:
                log(f"pings: {error}")
                time.sleep(1.0)

    def _step(self, echo: Echo) -> None:
        now = time.monotonic()
        with self._lock:
            changed = [key for sequence in echo.receive() for key in self._answered(sequence, now)]
            while self._due and self._due[0][0] <= now:
                _, _, key, check, waited = heapq.heappop(self._due)
                if self._checks.get(key) is check and waited == check.waits_for:
                    changed += self._at(echo, key, check, now)
            self._tell(changed)
        if changed:
            self._changed()

    def _at(self, echo: Echo, key: Key, check: Check, now: float) -> list[Key]:
        """What is due of a server: its next request, or the end of the time for an answer."""
        if check.waits_for >= 0:
            return self._finish(key, check, False, now)
        check.waits_for, check.sent = next(self._sequences) % 65536, now
        self._sent[check.waits_for] = key
        try:
            echo.send(check.how.address, check.waits_for)
        except OSError:
            return self._finish(key, check, False, now)
        self._plan(now + check.how.timeout, key, check)
        return []

    def _answered(self, sequence: int, now: float) -> list[Key]:
        key = self._sent.get(sequence)
        check = self._checks.get(key) if key else None
        if key is None or check is None or check.waits_for != sequence:
            return []
        return self._finish(key, check, True, now)

    def _finish(self, key: Key, check: Check, good: bool, now: float) -> list[Key]:
        self._sent.pop(check.waits_for, None)
        check.waits_for = -1
        self._plan(max(now, check.sent + check.how.interval), key, check)
        return [key] if check.result(good) else []

    def _plan(self, when: float, key: Key, check: Check) -> None:
        heapq.heappush(self._due, (when, next(self._order), key, check, check.waits_for))

    def _tell(self, keys: list[Key]) -> None:
        """Tell HAProxy the states of these servers, and of those that it could not be told before."""
        self._untold = {key for key in self._untold.union(keys) if key in self._checks}
        try:
            if self._untold:
                with Session(self._haproxy) as session:
                    for key in self._untold:
                        session.ask(health(key, bool(self._checks[key].up)))
            self._untold = set()
        except RuntimeFailed as error:
            log(f"pings: {error}")


def health(key: Key, up: bool) -> str:
    """The command that sets what HAProxy takes a server's health for."""
    return f"set server {key[0]}/{key[1]} health {'up' if up else 'down'}"
