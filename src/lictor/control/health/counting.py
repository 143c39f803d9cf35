"""Writes statistics: what each amphora has counted since the last heartbeat, for many amphorae at once."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Subquery, case, insert, select, update
from sqlalchemy.orm import Session

from lictor.control.health.operating import Observed
from lictor.model import Listener, ListenerStatistics
from lictor.model.given import given
from lictor.model.store import rows_changed

COUNTERS = ("bytes_in", "bytes_out", "total_connections", "request_errors")

_MOST = 2**63 - 1
"""What a column holds."""

_table: Any = ListenerStatistics.__table__
_row = _table.c
_GIVEN = {
    name: _row[name].type for name in ("listener_id", "amphora_id", "boot_id", "active_connections", *COUNTERS)
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Count:
    """What one amphora counted in one beat."""

    amphora_id: str
    boot_id: str
    load_balancer_id: str
    observed: Observed


Key = tuple[str, str]
"""Listener and amphora."""


def write(session: Session, counts: list[Count]) -> None:
    """Add to the rows what was counted since they were written. The caller keeps others from counting the same.

    A listener that the load balancer does not have any more is counted no more: only an existing row is changed, and
    who deletes a listener takes its rows along.
    """
    rows = sorted(row for count in counts for row in _reported(count))
    if _grow(session, rows) < len(rows) and (begun := _begin(session, counts)):
        _grow(session, [row for row in rows if row[:2] in begun])


def _reported(count: Count) -> Iterator[tuple[Any, ...]]:
    """As in ``_GIVEN``."""
    for listener_id, report in count.observed.listeners.items():
        told = report.statistics
        figures = (told.active_connections, *(getattr(told, counter) for counter in COUNTERS))
        yield (listener_id, count.amphora_id, count.boot_id, *(max(0, min(figure, _MOST)) for figure in figures))


def _grow(session: Session, rows: list[tuple[Any, ...]]) -> int:
    """How many rows there are of these. Who is told the same once more adds nothing."""
    return sum(rows_changed(session, _growth(table)) for table in given(session, _GIVEN, rows))


def _growth(new: Subquery) -> Any:
    statement = update(_table)
    statement = statement.where(_row.listener_id == new.c.listener_id, _row.amphora_id == new.c.amphora_id)
    # In this order: MySQL takes the columns from left to right, and shows to the later ones what it put into the first.
    return statement.ordered_values(
        *((counter, _total(counter, new)) for counter in COUNTERS),
        *((f"last_{counter}", new.c[counter]) for counter in COUNTERS),
        ("active_connections", new.c.active_connections),
        ("boot_id", new.c.boot_id),
    )


def _total(counter: str, new: Subquery) -> ColumnElement[int]:
    """What was counted, and since the last beat; a new boot counts from zero."""
    told, counted = new.c[counter], _row[counter]
    before = case((_row.boot_id == new.c.boot_id, _row[f"last_{counter}"]), else_=0)
    growth = case((told > before, told - before), else_=0)
    return case((counted > _MOST - growth, _MOST), else_=counted + growth)


def _begin(session: Session, counts: list[Count]) -> set[Key]:
    """Make the rows that are missing, of zeros; returns their keys."""
    reported = {(listener, count.amphora_id): count for count in counts for listener in count.observed.listeners}
    missing = reported.keys() - _there(session, reported)
    owners = _owners(session, {listener_id for listener_id, _ in missing})
    begun = sorted(key for key in missing if owners.get(key[0]) == reported[key].load_balancer_id)
    if begun:
        session.execute(insert(ListenerStatistics), [_zeros(key, reported[key]) for key in begun])
    return set(begun)


def _there(session: Session, reported: dict[Key, Count]) -> set[Key]:
    listeners, amphorae = ({key[part] for key in reported} for part in (0, 1))
    query = select(_row.listener_id, _row.amphora_id)
    found = session.execute(query.where(_row.listener_id.in_(listeners), _row.amphora_id.in_(amphorae)))
    return {(listener_id, amphora_id) for listener_id, amphora_id in found}


def _owners(session: Session, listener_ids: set[str]) -> dict[str, str]:
    if not listener_ids:
        return {}
    query = select(Listener.id, Listener.load_balancer_id).where(Listener.id.in_(listener_ids))
    return dict(session.execute(query).all())


def _zeros(key: Key, count: Count) -> dict[str, Any]:
    zeros = {name: 0 for counter in COUNTERS for name in (counter, f"last_{counter}")}
    names = {"listener_id": key[0], "amphora_id": key[1], "load_balancer_id": count.load_balancer_id}
    return {**names, "boot_id": count.boot_id, "active_connections": 0, **zeros}
