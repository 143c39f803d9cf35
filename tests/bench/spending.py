"""Who uses the processors: measured from what the kernel counts, for the processes named and for everybody else."""

import os
import pathlib
import time

from sqlalchemy import text

from tests.bench.plane import used
from tests.bench.processes import TICK

CORES = os.cpu_count()
REST, OTHERS = "nobody", "others"
IDLE = 10.0
"""Per cent of the processors that nobody used: from here on it is not they that limit."""


class Spending:
    """From when it is made until ``stop``; by name, one process or a list of them."""

    def __init__(self, **processes):
        self._processes = {name: each if isinstance(each, list) else [each] for name, each in processes.items()}
        self._before, self._machine, self._began = self._now(), _machine(), time.monotonic()

    def stop(self):
        """No more is counted; itself."""
        after, (idle, total) = self._now(), _machine()
        self.wall = time.monotonic() - self._began
        self.seconds = {name: after[name] - before for name, before in self._before.items()}
        whole = max(total - self._machine[1], 1e-9)
        self.share = {name: 100 * seconds / whole for name, seconds in self.seconds.items()}
        self.share[REST] = 100 * (idle - self._machine[0]) / whole
        self.share[OTHERS] = max(0.0, 100.0 - sum(self.share.values()))
        return self

    def each(self, name, count):
        """Milliseconds of CPU for each of so many."""
        return 1000 * self.seconds[name] / max(1, count)

    def limit(self):
        """What it was that made nothing go faster."""
        if self.share[REST] >= IDLE:
            return "waiting"
        return f"processors: {max((name for name in self.share if name != REST), key=self.share.get)}"

    def _now(self):
        return {name: used(*each) for name, each in self._processes.items()}


def _machine():
    """Seconds of CPU, since the machine was started, that nobody used (disks may have been waited for), and all."""
    fields = [int(each) / TICK for each in pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return fields[3] + fields[4], sum(fields)


class Counters:
    """What MariaDB counts of itself: how often it committed, and how long transactions waited for each other's rows."""

    NAMES = ("Com_commit", "Innodb_row_lock_time")

    def __init__(self, plane):
        self._plane = plane
        self._before = self._now()

    def each(self, count):
        """Commits, and milliseconds of waiting, for each of so many."""
        return [(after - before) / count for after, before in zip(self._now(), self._before, strict=True)]

    def _now(self):
        with self._plane.store.look() as connection:
            found = dict(connection.execute(text("SHOW GLOBAL STATUS")).all())
        return [int(found[name]) for name in self.NAMES]
