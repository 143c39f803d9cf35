"""Heartbeats → rows: who was heard, operating statuses, statistics. One transaction writes a batch of beats.

Most heartbeats tell nothing new: their digests equal those in the row of the amphora's health, and cost one line of one
statement. The rows decide, not what this process remembers: so several health managers count nothing twice.
"""

import dataclasses
import hashlib
import time
import zlib
from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lictor.control.health import counting, standing
from lictor.control.health.counting import Count
from lictor.control.health.operating import Observed
from lictor.model import Amphora, AmphoraHealth, LoadBalancer
from lictor.model.clock import clock_ms
from lictor.model.given import given
from lictor.model.statuses import Provisioning
from lictor.wire import Heartbeat, PoolReport

RECHECK = 600
"""Seconds after which statuses are compared with the rows though nothing new was told."""


@dataclasses.dataclass(frozen=True)
class Heard:
    """A datagram, and the whole beat if it was its last part, with the digests of what the beat tells and counts."""

    beat: Heartbeat
    observed: Observed | None = None
    told: bytes = b""
    counted: str = ""


class Assembly:
    """Puts the parts of split beats together. Only the newest beat of each amphora is waited for."""

    def __init__(self) -> None:
        self._parts: dict[str, dict[int, Heartbeat]] = {}

    def add(self, part: Heartbeat) -> Observed | None:
        """The whole beat if this was its last missing part, else None."""
        if part.parts == 1:
            return Observed(part.listeners, part.pools, part.standby)
        have = self._parts.setdefault(part.amphora_id, {})
        if any(other.beat != part.beat or other.boot_id != part.boot_id for other in have.values()):
            have.clear()
        have[part.part] = part
        if len(have) < part.parts:
            return None
        return _join(self._parts.pop(part.amphora_id).values())


def _join(parts: Iterable[Heartbeat]) -> Observed:
    parts = list(parts)
    observed = Observed(standby=any(part.standby for part in parts))
    for part in parts:
        observed.listeners.update(part.listeners)
        for name, pool in part.pools.items():
            # A pool too large for one datagram is continued in the next.
            before = observed.pools.get(name)
            members = {**(before.members if before else {}), **pool.members}
            observed.pools[name] = PoolReport(status=pool.status, members=members)
    return observed


_encode = msgspec.json.Encoder(order="sorted").encode


def heard(beat: Heartbeat, parts: Assembly) -> Heard:
    """What there is to write about a datagram."""
    observed = parts.add(beat)
    if observed is None:
        return Heard(beat)
    listeners = {name: report.status for name, report in observed.listeners.items()}
    figures = {name: report.statistics for name, report in observed.listeners.items()}
    counted = _encode([beat.boot_id, figures]) if figures else b""
    told = _encode([observed.standby, listeners, observed.pools])
    return Heard(beat, observed, told, _digest(counted) if counted else "")


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=12).hexdigest()


@dataclasses.dataclass
class _Line:
    """The row of an amphora's health, and of the load balancer that it works for; what is to be written comes in."""

    health: Any
    owner: Any
    sequence: int
    told: str
    counted: str
    news: Heard | None = None

    @property
    def moved(self) -> bool:
        return bool(self.sequence != self.health.sequence)

    def hear(self, each: Heard) -> bool:
        """Take a beat in if it counts; whether all is as it should be."""
        beat = each.beat
        if beat.boot_id != self.health.boot_id:
            return False
        if beat.sequence <= self.sequence:
            return True
        self.sequence = beat.sequence
        if each.observed is not None:
            self.news = each
        return bool(beat.digest == self.health.digest)

    def tells(self) -> bool:
        """Whether statuses may be other than they were: by what is told, or because the loop or a user was at it."""
        if self.news is None or self.owner.provisioning_status == Provisioning.PENDING_DELETE:
            return False
        # Now and then all is compared anyway, each amphora at a time of its own.
        turn = (int(time.time()) + zlib.crc32(self.health.amphora_id.encode())) // RECHECK
        before, self.told = self.told, _digest(self.news.told + f"{tuple(self.owner)[2:]} {turn}".encode())
        return self.told != before

    def counts(self) -> bool:
        """Whether something was counted since the last beat."""
        if self.news is None or not self.news.counted:
            return False
        before, self.counted = self.counted, self.news.counted
        return self.counted != before


def write(session: Session, batch: list[Heard]) -> set[str]:
    """Write a batch; returns the load balancers at which something is not as it should be.

    Those are: heartbeats of a boot that no report has told of (the amphora was restarted, or somebody plays back an
    old recording), and of a state other than the one delivered (drift).
    """
    lines = _lines(session, {each.beat.amphora_id for each in batch})
    doubtful = set()
    for each in batch:
        line = lines.get(each.beat.amphora_id)
        if line is not None and not line.hear(each):
            doubtful.add(line.owner.load_balancer_id)
    _write_news(session, [line for line in lines.values() if line.news is not None])
    _write_lines(session, [line for line in lines.values() if line.moved])
    return doubtful


def _lines(session: Session, amphora_ids: set[str]) -> dict[str, _Line]:
    """Of all that are known, in the order of their ids. Nobody else writes their beats until we have committed."""
    balancer = LoadBalancer
    owner = select(Amphora.id, balancer.id.label("load_balancer_id"), balancer.provisioning_status,
                   balancer.generation, balancer.observed_generation, balancer.lease_epoch)  # fmt: skip
    owners = session.execute(
        owner.join(balancer, balancer.id == Amphora.load_balancer_id).where(Amphora.id.in_(amphora_ids))
    )
    whose = {row.id: row for row in owners}
    row = AmphoraHealth
    query = select(row.amphora_id, row.boot_id, row.sequence, row.digest, row.told, row.counted)
    # In one order, and locked before anything is compared: who comes second sees what the first has written.
    locked = query.where(row.amphora_id.in_(whose)).order_by(row.amphora_id).with_for_update()
    return {
        health.amphora_id: _Line(health, whose[health.amphora_id], health.sequence, health.told, health.counted)
        for health in session.execute(locked)
    }


def _write_news(session: Session, lines: list[_Line]) -> None:
    statuses, counts = {}, []
    for line in lines:
        assert line.news is not None and line.news.observed is not None
        observed, owner = line.news.observed, line.owner.load_balancer_id
        # What a standby sees is not what users do; that it is one is told all the same, as it may end.
        if line.tells() and not observed.standby:
            statuses[owner] = observed
        if line.counts():
            counts.append(Count(line.health.amphora_id, line.health.boot_id, owner, observed))
    standing.write(session, statuses)
    counting.write(session, counts)


def _write_lines(session: Session, lines: list[_Line]) -> None:
    health: Any = AmphoraHealth.__table__
    columns = {name: health.c[name].type for name in ("amphora_id", "sequence", "told", "counted")}
    rows = [(line.health.amphora_id, line.sequence, line.told, line.counted) for line in lines]
    for table in given(session, columns, rows):
        new = {name: table.c[name] for name in ("sequence", "told", "counted")}
        statement = update(health).where(health.c.amphora_id == table.c.amphora_id)
        session.execute(statement.values(**new, silent_since_ms=0, last_update_ms=clock_ms()))
