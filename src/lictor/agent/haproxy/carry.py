"""Counters that only rise, though each new HAProxy worker starts at 0."""

import pathlib

import msgspec

from lictor import wire
from lictor.agent.errors import log
from lictor.agent.store import replace

_RISING = ("bytes_in", "bytes_out", "total_connections", "request_errors")


Figures = dict[str, wire.ListenerStatistics]


class Memory(msgspec.Struct):
    """What is kept on disk: the worker last seen, its counters then, and what its predecessors counted.

    ``leaving`` are those that were replaced by a reload and still serve, by their pids.
    """

    worker: int = 0
    last: Figures = {}
    before: Figures = {}
    leaving: dict[int, Figures] = {}
    reloads: int = 0


class Carry:
    """Sums over workers. Not for use by several threads at once.

    What a worker counts after it was last seen is lost: up to a second of traffic when it is killed, and what is left
    to those that a reload has replaced when the agent restarts.
    """

    def __init__(self, file: pathlib.Path) -> None:
        self._file = file
        self.memory = _load(file)
        for worker in list(self.memory.leaving):
            self.gone(worker)

    def count(self, worker: int, counters: Figures) -> Figures:
        """Take a worker's counters and return the sums since the amphora's boot."""
        memory = self.memory
        fell = any(_fell(memory.last[name], now) for name, now in counters.items() if name in memory.last)
        if worker != memory.worker or fell:
            self._put_by(memory.last)
            memory.worker = worker
            memory.last = {}
        changed = memory.last != counters
        memory.last = counters
        if changed:
            self.save()
        sums = _sums(counters, memory.before)
        for figures in memory.leaving.values():
            sums = {name: _add(sums[name], figures[name]) if name in figures else sums[name] for name in sums}
        return sums

    def leaves(self, worker: int, counters: Figures) -> None:
        """What a worker that a reload has replaced counts, for the first time or again."""
        if worker == self.memory.worker:
            self.memory.worker, self.memory.last = 0, {}
        self.memory.leaving[worker] = counters

    def gone(self, worker: int) -> None:
        """A worker that was leaving counts no more."""
        self._put_by(self.memory.leaving.pop(worker, {}))

    def _put_by(self, figures: Figures) -> None:
        self.memory.before = {**self.memory.before, **_sums(figures, self.memory.before)}

    def reloaded(self) -> None:
        """One reload more."""
        self.memory.reloads += 1
        self.save()

    def save(self) -> None:
        """Write to disk; a full disk costs only what a restarted agent would need."""
        try:
            replace(self._file, msgspec.json.encode(self.memory).decode())
        except OSError as error:
            log(f"counters cannot be written: {error}")


def _sums(now: Figures, before: Figures) -> Figures:
    idle = {name: msgspec.structs.replace(figures, active_connections=0) for name, figures in before.items()}
    return {name: _add(figures, idle[name]) if name in idle else figures for name, figures in now.items()}


def _add(now: wire.ListenerStatistics, more: wire.ListenerStatistics) -> wire.ListenerStatistics:
    names = (*_RISING, "active_connections")
    return msgspec.structs.replace(now, **{name: getattr(now, name) + getattr(more, name) for name in names})


def _fell(last: wire.ListenerStatistics, now: wire.ListenerStatistics) -> bool:
    return any(getattr(now, name) < getattr(last, name) for name in _RISING)


def _load(file: pathlib.Path) -> Memory:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Memory)
    except (OSError, ValueError):
        return Memory()
