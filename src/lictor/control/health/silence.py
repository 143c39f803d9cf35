"""Stale against blind: who has fallen silent, and whether we may believe it (DESIGN.md, section 3).

Pure, but for ``mark``. A health manager looks every second. It is sure of what it sees unless

- it was started, woke up, lost the database, or saw a clock jump less than one timeout ago (grace),
- it has itself heard nobody for as long, as if its own cable were cut (blind),
- so many are silent at once that the network is likelier to be broken than they are (paused).

A pause does not last for ever: a rack may be gone for good. Once as many have been silent for ``Limits.pause`` while
the others were heard, they are believed to be dead, and the loop replaces them within its budget. Where all are silent,
it is we who are blind, however long it lasts.
"""

import dataclasses
import enum
from collections.abc import Collection

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lictor.model import Amphora, AmphoraHealth, Event, LoadBalancer
from lictor.model.clock import clock_ms

JUMP = 0.25
"""By how much of a timeout the database's clock may part from ours between two looks."""


class View(enum.Enum):
    """How a health manager sees the fleet."""

    SURE = "sure"
    GRACE = "grace"
    BLIND = "blind"
    PAUSED = "paused"


@dataclasses.dataclass(frozen=True)
class Look:
    """What was seen: ``fleet`` amphorae that should be heard, ``silent`` of them that were not.

    ``clock_ms`` is the database's clock, ``moment`` and ``heard`` (when we ourselves last heard anybody) are seconds of
    CLOCK_BOOTTIME, which goes on while the machine sleeps.
    """

    clock_ms: int
    moment: float
    heard: float
    fleet: int
    silent: int


@dataclasses.dataclass(frozen=True)
class Limits:
    """``[health_manager]``: seconds of ``timeout`` and between looks; the share and numbers that are too many.

    ``pause`` are the seconds after which too many are believed all the same; 0 for never.
    """

    timeout: float
    interval: float
    share: float
    least: int
    threshold: int | None = None
    pause: float = 0.0

    def too_many(self, silent: int, fleet: int) -> bool:
        """Whether so many have fallen silent at once that they cannot all be dead."""
        if self.threshold is not None and silent >= self.threshold:
            return True
        return silent >= self.least and silent >= self.share * fleet


class Guard:
    """Judges look after look."""

    def __init__(self, limits: Limits, moment: float) -> None:
        self._limits = limits
        self._grace_until = moment + limits.timeout
        self._last: Look | None = None
        # When the pause began, or begins anew.
        self._pause: Look | None = None
        self.believed = 0
        """So many of those that are silent were too many, and are believed by now."""

    def distrust(self, moment: float) -> None:
        """Something was not as it should be (the database was away): believe nothing for one timeout."""
        self._grace_until = moment + self._limits.timeout
        self._last = self._pause = None

    def judge(self, look: Look) -> View:
        """How much this look is worth."""
        if self._last is not None and (self._slept(self._last, look) or self.jumped(self._last, look)):
            self.distrust(look.moment)
        self._last = look
        if look.moment < self._grace_until:
            return View.GRACE
        if look.fleet >= self._limits.least and look.moment - look.heard > self._limits.timeout:
            self._pause = None
            return View.BLIND
        return View.PAUSED if self._paused(look) else View.SURE

    def paused_for(self, moment: float) -> float:
        """Seconds since the pause began, or began anew; 0 if there is none."""
        return moment - self._pause.moment if self._pause else 0.0

    def _paused(self, look: Look) -> bool:
        """Whether too many fell silent, besides those that were waited for already."""
        self.believed = min(self.believed, look.silent) if look.silent < look.fleet else 0
        if self._limits.too_many(look.silent - self.believed, look.fleet) and not self._outlasted(look):
            return True
        self._pause = None
        return False

    def _outlasted(self, look: Look) -> bool:
        """Whether about as many have been silent for as long as a pause lasts; then they are believed to be dead.

        Many more or fewer, or all of them, begin it anew: then the network is still at work, or we are blind.
        """
        begun = self._pause
        if begun is None or look.silent >= look.fleet or abs(look.silent - begun.silent) >= self._limits.least:
            begun = self._pause = look
        if not self._limits.pause or look.moment - begun.moment < self._limits.pause:
            return False
        self.believed = look.silent
        return True

    def _slept(self, before: Look, look: Look) -> bool:
        """Whether this process or machine stood still, and beats were lost meanwhile."""
        return look.moment - before.moment > self._limits.interval + self._limits.timeout / 2

    def jumped(self, before: Look, look: Look) -> bool:
        """Whether the database's clock went another way than ours."""
        parted = (look.clock_ms - before.clock_ms) / 1000 - (look.moment - before.moment)
        return abs(parted) > max(1.0, JUMP * self._limits.timeout)


def mark(session: Session, amphora_ids: Collection[str], timeout_ms: int) -> set[str]:
    """Write down that these are silent, unless they were heard meanwhile; returns those for whom that is news.

    This is all that a health manager does about silence. What follows is the loop's: it looks at the load balancer, and
    replaces an amphora with ``AmphoraHealth.silent_since_ms`` that does not answer it either (``settle.failure``).
    """
    silent = AmphoraHealth.amphora_id.in_(amphora_ids), AmphoraHealth.last_update_ms < clock_ms() - timeout_ms
    news = select(AmphoraHealth.amphora_id).where(*silent, AmphoraHealth.silent_since_ms == 0)
    # In one order, whoever does it: two that wait for each other would cost one of them its transaction.
    found = set(session.scalars(news.order_by(AmphoraHealth.amphora_id).with_for_update()))
    if found:
        # A moment of 0 would say that it is heard.
        since = update(AmphoraHealth).where(AmphoraHealth.amphora_id.in_(found))
        session.execute(
            since.values(silent_since_ms=AmphoraHealth.last_update_ms + 1),
            execution_options={"synchronize_session": False},
        )
    tell(session, found, "amphora_silent", "Amphora {} sends no heartbeats: the loop looks at it.")
    return found


def tell(session: Session, amphora_ids: Collection[str], kind: str, sentence: str) -> None:
    """One event for each of these amphorae; ``sentence`` has a place for its id."""
    query = select(Amphora.id, LoadBalancer.id, LoadBalancer.project_id, LoadBalancer.generation)
    mine = query.join(LoadBalancer, LoadBalancer.id == Amphora.load_balancer_id).where(Amphora.id.in_(amphora_ids))
    session.add_all(
        Event(
            load_balancer_id=load_balancer_id,
            project_id=project_id,
            amphora_id=amphora_id,
            generation=generation,
            kind=kind,
            message=sentence.format(amphora_id),
        )
        for amphora_id, load_balancer_id, project_id, generation in session.execute(mine)
    )
