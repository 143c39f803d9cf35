"""A keepalived that lives and does nothing: found, and ended.

Its VIPs would stay here beside those that the other amphora has taken; or, where it waits for them, nobody would take
them. There is nothing to ask it, but something to expect: who has the VIPs wakes for each advertisement that he sends,
who waits for them for each that he hears or misses.
"""

import pathlib
import re
import time
from collections.abc import Callable

from lictor.agent.daemon import Daemon
from lictor.agent.errors import log
from lictor.agent.process import activity

_PAUSE = 0.5
"""Seconds between looks. They are counted, not measured: whoever stood still himself has not waited."""

_HERE, _WAITING = 2.0, 10.0
"""Seconds, besides those of ten advertisements, in which it must have done something."""

_ADVERTISEMENTS = 10
_INTERVAL = re.compile(r"advert_int ([\d.]+)")


class Vigil:
    """``run`` in a thread of its own. ``here`` tells whether the VIPs are here, ``expected`` whether they may come."""

    def __init__(
        self, daemon: Daemon, directory: pathlib.Path, here: Callable[[], bool], expected: Callable[[], bool]
    ) -> None:
        self._daemon, self._directory = daemon, directory
        self._here, self._expected = here, expected
        self._before = (0, -1)
        self._still = 0

    def run(self) -> None:
        """Look, for ever."""
        while True:
            time.sleep(_PAUSE)
            self.look()

    def look(self) -> None:
        """Look once."""
        pid = self._speaker()
        before, self._before = self._before, (pid, activity(pid) if pid else -1)
        idle = self._before == before and before[1] >= 0 and self._expected()
        self._still = self._still + 1 if idle else 0
        if self._still and self._still * _PAUSE >= self._patience():
            log(f"keepalived hangs: process {pid} does nothing. It is ended")
            self._still = 0
            self._daemon.kill()

    def _speaker(self) -> int:
        """The pid of the process that speaks VRRP; 0 if there is none."""
        try:
            return int((self._directory / "vrrp.pid").read_text()) if self._daemon.running() else 0
        except (OSError, ValueError):
            return 0

    def _patience(self) -> float:
        try:
            text = (self._directory / "current" / "keepalived.conf").read_text()
        except OSError:
            text = ""
        interval = max(map(float, _INTERVAL.findall(text)), default=1.0)
        return (_HERE if self._here() else _WAITING) + _ADVERTISEMENTS * interval
