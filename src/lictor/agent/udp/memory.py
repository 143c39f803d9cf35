"""What of UDP listeners must outlive the agent's process: figures that only rise, and who was up."""

import pathlib

import msgspec

from lictor import wire
from lictor.agent.errors import log
from lictor.agent.store import replace
from lictor.agent.udp.checks import Key

_RISING = ("bytes_in", "bytes_out", "total_connections")


class Kept(msgspec.Struct):
    """``last`` is what the kernel counted for each listener when last seen, ``before`` what counters that are gone had.

    ``up`` holds each pool's members by their verdict.
    """

    last: dict[str, wire.ListenerStatistics] = {}
    before: dict[str, wire.ListenerStatistics] = {}
    up: dict[str, dict[str, bool]] = {}


class Memory:
    """One file on the tmpfs that the agent lives on: it is gone when the amphora boots again, as the kernel's are."""

    def __init__(self, file: pathlib.Path) -> None:
        self._file = file
        self._kept = _load(file)

    @property
    def used(self) -> bool:
        """Whether this amphora ever had such listeners."""
        return self._file.exists()

    def begin(self) -> None:
        """From now on it has."""
        if not self.used:
            self._save()

    def known(self) -> dict[Key, bool]:
        """Who was up or down."""
        return {(pool, member): up for pool, members in self._kept.up.items() for member, up in members.items()}

    def learn(self, verdicts: dict[Key, bool | None]) -> None:
        """Keep these, and no others."""
        up: dict[str, dict[str, bool]] = {}
        for (pool, member), verdict in verdicts.items():
            if verdict is not None:
                up.setdefault(pool, {})[member] = verdict
        if up != self._kept.up:
            self._kept.up = up
            self._save()

    def count(self, now: dict[str, wire.ListenerStatistics]) -> dict[str, wire.ListenerStatistics]:
        """Take what the kernel counts now, and return the sums since the amphora's boot.

        A counter that fell is a new one: its listener was switched off and on, or its table made anew.
        """
        changed = False
        for listener, figures in now.items():
            last = self._kept.last.get(listener, wire.ListenerStatistics())
            if any(getattr(figures, name) < getattr(last, name) for name in _RISING):
                self._kept.before[listener] = _add(last, self._kept.before.get(listener))
            changed = changed or figures != last
            self._kept.last[listener] = figures
        if changed:
            self._save()
        return {listener: self.figures(listener) for listener in now}

    def figures(self, listener: str) -> wire.ListenerStatistics:
        """A listener's sums, as far as they were counted."""
        return _add(self._kept.last.get(listener, wire.ListenerStatistics()), self._kept.before.get(listener))

    def _save(self) -> None:
        try:
            replace(self._file, msgspec.json.encode(self._kept).decode())
        except OSError as error:
            log(f"what is known of UDP listeners cannot be written: {error}")


def _add(figures: wire.ListenerStatistics, more: wire.ListenerStatistics | None) -> wire.ListenerStatistics:
    if more is None:
        return figures
    return msgspec.structs.replace(figures, **{name: getattr(figures, name) + getattr(more, name) for name in _RISING})


def _load(file: pathlib.Path) -> Kept:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Kept)
    except (OSError, ValueError):
        return Kept()
