"""Workers that a reload has replaced: their last connections are counted, too.

Such a worker ends with its last connection. Ours to its socket is one, so it waits until we have read its counters.
"""

from typing import NamedTuple

from lictor.agent.haproxy import statistics
from lictor.agent.haproxy.carry import Figures
from lictor.agent.haproxy.runtime import RuntimeFailed, Session


class Look(NamedTuple):
    """What a worker counted so far, and whether that is all it ever will."""

    figures: Figures
    final: bool


class Parting:
    """One of them. ``session`` was opened while it was the one that answers."""

    def __init__(self, worker: int, session: Session) -> None:
        self.worker = worker
        self._session = session

    def look(self) -> Look | None:
        """None when it does not answer any more. After the final look it may end."""
        try:
            stopping = "\nStopping: 1\n" in self._session.ask("show info")
            rows = statistics.parse(self._session.ask("show stat -1 1 -1"))
        except RuntimeFailed:
            self.close()
            return None
        figures = statistics.counters(rows)
        final = stopping and not any(each.active_connections for each in figures.values())
        if final:
            self.close()
        return Look(figures, final)

    def close(self) -> None:
        """Let it end."""
        self._session.close()
