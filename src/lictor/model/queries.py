"""Small questions about a tree that more than one house asks, each answered with one statement."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import case, delete, func, insert, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from lictor.model.amphora import Amphora, ListenerStatistics
from lictor.model.l7 import L7Policy, L7Rule
from lictor.model.listed import Hanging
from lictor.model.listener import Listener
from lictor.model.pool import Pool
from lictor.model.resource import Child
from lictor.model.statuses import AmphoraStatus, Provisioning
from lictor.model.tag import Tag

_CHUNK = 1000  # Bound values in one statement: SQLite takes 32,766, others no more than that either.


def oldest_first(
    parent: InstrumentedAttribute[Any],
    child: InstrumentedAttribute[Any],
    order: InstrumentedAttribute[Any] | None = None,
) -> Hanging:
    """Rows that hang on others by their age, or by ``order``."""
    return Hanging(parent, child, parent.class_.created_at if order is None else order)


TAGS = Hanging(Tag.resource_id, Tag.tag)
"""The tags of each object, in alphabetical order."""


def users(session: Session, pool: Pool) -> list[Listener]:
    """The listeners that send requests to a pool: all of them, or those that an L7 policy chooses."""
    mine = select(L7Policy.listener_id).where(L7Policy.load_balancer_id == pool.load_balancer_id)
    redirecting = mine.where(
        L7Policy.redirect_pool_id == pool.id, L7Policy.provisioning_status != Provisioning.PENDING_DELETE
    )
    query = select(Listener).where(Listener.load_balancer_id == pool.load_balancer_id)
    query = query.where((Listener.default_pool_id == pool.id) | Listener.id.in_(redirecting))
    return list(session.scalars(query.order_by(Listener.created_at, Listener.id)))


def tags_of(session: Session, ids: Sequence[str]) -> dict[str, list[str]]:
    """The tags of each object, in alphabetical order."""
    found: dict[str, list[str]] = {}
    for chunk in (ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK)):
        query = select(Tag.resource_id, Tag.tag).where(Tag.resource_id.in_(chunk)).order_by(Tag.tag)
        for resource_id, tag in session.execute(query):
            found.setdefault(resource_id, []).append(tag)
    return found


def replace_tags(session: Session, load_balancer_id: str, resource_id: str, tags: Iterable[str]) -> None:
    """Make these the tags of an object; said twice counts once."""
    session.execute(delete(Tag).where(Tag.resource_id == resource_id))
    rows = [
        {"resource_id": resource_id, "load_balancer_id": load_balancer_id, "tag": tag} for tag in dict.fromkeys(tags)
    ]
    if rows:
        session.execute(insert(Tag), rows)


def forget(session: Session, row: Child) -> None:
    """Take a row that is PENDING_DELETE out of the database before the loop does, because another takes its place.

    Whoever deletes an object and makes its like again must not meet the old one, whose address and port are still
    taken as far as the unique constraints can see. The new row is of a younger generation, so the amphorae are told
    either way.
    """
    if isinstance(row, Listener):
        _forget_policies(session, row)
        session.execute(delete(ListenerStatistics).where(ListenerStatistics.listener_id == row.id))
    session.execute(delete(Tag).where(Tag.resource_id == row.id))
    session.delete(row)
    session.flush()


def _forget_policies(session: Session, listener: Listener) -> None:
    policies = select(L7Policy.id).where(L7Policy.listener_id == listener.id)
    for gone in (select(L7Rule.id).where(L7Rule.l7policy_id.in_(policies)), policies):
        session.execute(delete(Tag).where(Tag.resource_id.in_(gone)))
    session.execute(delete(L7Rule).where(L7Rule.l7policy_id.in_(policies)))
    session.execute(delete(L7Policy).where(L7Policy.listener_id == listener.id))


def statistics(session: Session, column: InstrumentedAttribute[str], row_id: str) -> dict[str, int]:
    """The counters of a load balancer or a listener, summed over listeners and amphorae.

    Connections count as active only on amphorae that work; the totals also keep what dead ones counted, and rows of
    other providers, which name the listener instead of an amphora (reference, 1.6 "Stats").
    """
    rows = ListenerStatistics
    alive = (Amphora.status == AmphoraStatus.ALLOCATED) | (rows.amphora_id == rows.listener_id)
    active = func.sum(case((alive, rows.active_connections), else_=0)).label("active_connections")
    totals = ("bytes_in", "bytes_out", "total_connections", "request_errors")
    sums = [func.sum(getattr(rows, name)).label(name) for name in totals]
    query = select(active, *sums).outerjoin(Amphora, Amphora.id == rows.amphora_id).where(column == row_id)
    return {name: int(value or 0) for name, value in session.execute(query).one()._mapping.items()}
