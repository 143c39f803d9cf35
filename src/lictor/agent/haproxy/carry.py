"""Counters that only rise, though each new HAProxy worker starts at 0."""

import pathlib

import msgspec

from lictor import wire
from lictor.agent.errors import log
from lictor.agent.store import replace

_RISING = ("bytes_in", "bytes_out", "total_connections", "request_errors")


class Memory(msgspec.Struct):
    """What is kept on disk: the worker last seen, its counters then, and what its predecessors counted."""

    worker: int = 0
    last: dict[str, wire.ListenerStatistics] = {}
    before: dict[str, wire.ListenerStatistics] = {}
    reloads: int = 0


class Carry:
    """Sums over workers. Not for use by several threads at once.

    What a worker counts after it was last seen is lost: up to a second of traffic when it is killed, and the last
    bytes of connections that an old worker keeps after a reload.
    """

    def __init__(self, file: pathlib.Path) -> None:
        self._file = file
        self.memory = _load(file)

    def count(self, worker: int, counters: dict[str, wire.ListenerStatistics]) -> dict[str, wire.ListenerStatistics]:
        """Take a worker's counters and return the sums since the amphora's boot."""
        memory = self.memory
        fell = any(_fell(memory.last[name], now) for name, now in counters.items() if name in memory.last)
        if worker != memory.worker or fell:
            memory.before = {**memory.before, **_sums(memory.last, memory.before)}
            memory.worker = worker
            memory.last = {}
        changed = memory.last != counters
        memory.last = counters
        if changed:
            self.save()
        return _sums(counters, memory.before)

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


def _sums(
    now: dict[str, wire.ListenerStatistics], before: dict[str, wire.ListenerStatistics]
) -> dict[str, wire.ListenerStatistics]:
    return {name: _add(figures, before[name]) if name in before else figures for name, figures in now.items()}


def _add(now: wire.ListenerStatistics, before: wire.ListenerStatistics) -> wire.ListenerStatistics:
    return msgspec.structs.replace(now, **{name: getattr(now, name) + getattr(before, name) for name in _RISING})


def _fell(last: wire.ListenerStatistics, now: wire.ListenerStatistics) -> bool:
    return any(getattr(now, name) < getattr(last, name) for name in _RISING)


def _load(file: pathlib.Path) -> Memory:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Memory)
    except (OSError, ValueError):
        return Memory()
