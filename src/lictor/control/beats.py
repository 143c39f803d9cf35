"""Heartbeats → rows: who was heard, operating statuses, statistics. One transaction writes a batch of beats."""

import dataclasses
from collections.abc import Iterable, Iterator

from sqlalchemy import select, update
from sqlalchemy.orm import Session, selectinload

from lictor.control import operating
from lictor.control.operating import Observed
from lictor.model import Amphora, AmphoraHealth, Listener, ListenerStatistics, LoadBalancer, Member, Pool
from lictor.model.clock import clock_ms
from lictor.model.statuses import Provisioning
from lictor.wire import Heartbeat, PoolReport
from lictor.wire import ListenerStatistics as Counters


@dataclasses.dataclass(frozen=True)
class Heard:
    """An amphora that a beat came from, and the beat."""

    health: AmphoraHealth
    load_balancer_id: str
    observed: Observed = dataclasses.field(default_factory=Observed)


COUNTERS = ("bytes_in", "bytes_out", "total_connections", "request_errors")


class Assembly:
    """Puts the parts of split beats together. Only the newest beat of each amphora is waited for."""

    def __init__(self) -> None:
        self._parts: dict[str, dict[int, Heartbeat]] = {}

    def add(self, part: Heartbeat) -> Observed | None:
        """The whole beat if this was its last missing part, else None."""
        if part.parts == 1:
            return Observed(part.listeners, part.pools)
        have = self._parts.setdefault(part.amphora_id, {})
        if any(other.beat != part.beat or other.boot_id != part.boot_id for other in have.values()):
            have.clear()
        have[part.part] = part
        if len(have) < part.parts:
            return None
        return _join(self._parts.pop(part.amphora_id).values())


def _join(parts: Iterable[Heartbeat]) -> Observed:
    observed = Observed()
    for part in parts:
        observed.listeners.update(part.listeners)
        for name, pool in part.pools.items():
            # A pool too large for one datagram is continued in the next.
            before = observed.pools.get(name)
            members = {**(before.members if before else {}), **pool.members}
            observed.pools[name] = PoolReport(status=pool.status, members=members)
    return observed


def write(session: Session, batch: list[tuple[Heartbeat, Observed | None]]) -> set[str]:
    """Write a batch; returns the load balancers at which something is not as it should be.

    Those are: heartbeats of a boot that no report has told of (the amphora was restarted, or somebody plays back an
    old recording), and of a state other than the one delivered (drift).
    """
    known = _known(session, {beat.amphora_id for beat, _ in batch})
    doubtful: set[str] = set()
    newest: dict[str, Heard] = {}
    for beat, observed in batch:
        heard = known.get(beat.amphora_id)
        if heard is None or not _counts(heard.health, beat):
            doubtful.update({heard.load_balancer_id} if heard and heard.health.boot_id != beat.boot_id else ())
            continue
        heard.health.sequence = beat.sequence
        heard.health.last_update_ms = clock_ms()
        if beat.digest != heard.health.digest:
            doubtful.add(heard.load_balancer_id)
        if observed is not None:
            newest[beat.amphora_id] = dataclasses.replace(heard, observed=observed)
    for heard in newest.values():
        _write_statuses(session, heard)
        _write_statistics(session, heard)
    return doubtful


def _known(session: Session, amphora_ids: set[str]) -> dict[str, Heard]:
    query = select(AmphoraHealth, Amphora.load_balancer_id).join(Amphora, Amphora.id == AmphoraHealth.amphora_id)
    rows = session.execute(query.where(Amphora.id.in_(amphora_ids))).all()
    return {health.amphora_id: Heard(health, owner) for health, owner in rows if owner is not None}


def _counts(health: AmphoraHealth, beat: Heartbeat) -> bool:
    return beat.boot_id == health.boot_id and beat.sequence > health.sequence


def _write_statuses(session: Session, heard: Heard) -> None:
    load_balancer = _tree(session, heard.load_balancer_id)
    if load_balancer is None or load_balancer.provisioning_status == Provisioning.PENDING_DELETE:
        return
    found = operating.statuses(load_balancer, heard.observed)
    for row in _rows(load_balancer):
        if row.operating_status != found[row.id]:
            table = type(row)
            statement = update(table).where(table.id == row.id)
            # Spelled out: a status that heartbeats brought is not a user's change.
            session.execute(statement.values(operating_status=found[row.id], updated_at=table.updated_at))


def _tree(session: Session, load_balancer_id: str) -> LoadBalancer | None:
    query = select(LoadBalancer).where(LoadBalancer.id == load_balancer_id)
    pools = selectinload(LoadBalancer.pools).selectinload(Pool.members)
    return session.scalar(query.options(selectinload(LoadBalancer.listeners), pools))


def _rows(load_balancer: LoadBalancer) -> Iterator[LoadBalancer | Listener | Pool | Member]:
    yield load_balancer
    yield from load_balancer.listeners
    for pool in load_balancer.pools:
        yield pool
        yield from pool.members


def _write_statistics(session: Session, heard: Heard) -> None:
    amphora_id = heard.health.amphora_id
    query = select(ListenerStatistics).where(ListenerStatistics.amphora_id == amphora_id)
    rows = {row.listener_id: row for row in session.scalars(query)}
    real = set(session.scalars(select(Listener.id).where(Listener.load_balancer_id == heard.load_balancer_id)))
    for listener_id, report in heard.observed.listeners.items():
        if listener_id not in real:
            continue
        row = rows.get(listener_id) or _first(session, heard, listener_id)
        _grow(row, report.statistics, heard.health.boot_id)


def _first(session: Session, heard: Heard, listener_id: str) -> ListenerStatistics:
    zeros = {name: 0 for counter in COUNTERS for name in (counter, f"last_{counter}")}
    row = ListenerStatistics(
        listener_id=listener_id,
        amphora_id=heard.health.amphora_id,
        load_balancer_id=heard.load_balancer_id,
        boot_id=heard.health.boot_id,
        **zeros,
    )
    session.add(row)
    return row


def _grow(row: ListenerStatistics, counters: Counters, boot_id: str) -> None:
    """Add what was counted since the last beat; a new boot counts from zero."""
    for counter in COUNTERS:
        reported = getattr(counters, counter)
        before = getattr(row, f"last_{counter}") if row.boot_id == boot_id else 0
        setattr(row, counter, getattr(row, counter) + max(0, reported - before))
        setattr(row, f"last_{counter}", reported)
    row.active_connections = counters.active_connections
    row.boot_id = boot_id
