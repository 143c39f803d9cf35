"""What clients asked for and were told, and whether what is there in the end can follow from that.

Every attribute, and every object's existence, is a register of its own. A write that was acknowledged is there until
another one, of which nobody knows that it came before, takes its place. A write without an answer (or with 5xx) may
have happened, at any time after it was sent.
"""

import dataclasses
import math
import threading
import time
from collections import defaultdict
from collections.abc import Hashable, Iterator
from typing import Any

GONE: Any = "gone"
"""The value of an object's register of existence after its deletion."""


@dataclasses.dataclass(eq=False)
class Write:
    """One write to one register: sent at ``start``, answered at ``end`` (never: infinity)."""

    value: Any
    start: float
    end: float = math.inf
    acknowledged: bool = False
    refused: bool = False


class History:
    """Thread-safe. ``operations`` counts requests by what became of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._writes: dict[Hashable, list[Write]] = {}
        self.operations: dict[str, int] = defaultdict(int)

    def sent(self, registers: dict[Hashable, Any]) -> list[Write]:
        """A request that writes these registers is about to be sent."""
        now = time.monotonic()
        with self._lock:
            made = []
            for register, value in registers.items():
                made.append(Write(value, now))
                self._of(register).append(made[-1])
            return made

    def _of(self, register: Any) -> list[Write]:
        """Its writes; before the first, no object is there, and no pool has members."""
        if register not in self._writes:
            what, _, attribute = register
            first = [Write(GONE, -math.inf, -math.inf, True)] if what == "exists" else []
            first += [Write((), -math.inf, -math.inf, True)] if attribute == "members" else []
            self._writes[register] = first
        return self._writes[register]

    def answered(self, writes: list[Write], outcome: str) -> None:
        """It was "acknowledged", "refused" (nothing was changed), or nobody knows ("unknown")."""
        now = time.monotonic()
        with self._lock:
            for write in writes:
                write.acknowledged, write.refused = outcome == "acknowledged", outcome == "refused"
                write.end = now if outcome == "acknowledged" else math.inf

    def count(self, outcome: str) -> None:
        """One more request."""
        with self._lock:
            self.operations[outcome] += 1

    def registers(self) -> list[Any]:
        """All that were ever written."""
        with self._lock:
            return list(self._writes)

    def knows(self, register: Hashable) -> bool:
        """Whether it was ever written."""
        with self._lock:
            return register in self._writes

    def may_be_gone(self, path: str) -> bool:
        """Whether the object at this path, or one that it hangs on, may have been deleted."""
        return any(GONE in self.possible(("exists", place, "")) for place in _places(path))

    @staticmethod
    def now() -> float:
        """The clock of all its times."""
        return time.monotonic()

    def possible(self, register: Hashable, start: float = math.inf, end: float = math.inf) -> list[Any]:
        """The values that a read from ``start`` to ``end`` may find."""
        with self._lock:
            writes = [write for write in self._writes.get(register, []) if not write.refused and write.start < end]
        return [write.value for write in writes if not any(_hides(later, write, start) for later in writes)]


def _hides(later: Write, write: Write, start: float) -> bool:
    """Whether an acknowledged write surely came after another, and before a read that begins at ``start``."""
    return later.acknowledged and later.start > write.end and later.end < start


def violations(history: History, found: dict[Hashable, Any]) -> Iterator[str]:
    """Sentences about what was lost: ``found`` holds what is there; what is not in it is gone."""
    for register in history.registers():
        possible, value = history.possible(register), found.get(register, GONE)
        if (value is GONE and history.may_be_gone(register[1])) or not possible:
            continue
        if value not in possible:
            yield f"{register} is {value!r}, and can only be one of {possible!r}"


def _places(path: str) -> Iterator[str]:
    """An object's path in the tree is ``lb/pool/member``: it goes with each part of that."""
    parts = path.split("/")
    return ("/".join(parts[:count]) for count in range(1, len(parts) + 1))
