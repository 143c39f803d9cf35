"""Rows that go, with what is below them and what refers to them, whatever state that is in."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from lictor.model import Child, HealthMonitor, L7Policy, L7Rule, Listener, ListenerStatistics, Member, Pool, Tag

_BELOW: dict[type[Child], list[tuple[type[Child], InstrumentedAttribute[Any]]]] = {
    L7Policy: [(L7Rule, L7Rule.l7policy_id)],
    Listener: [(L7Policy, L7Policy.listener_id)],
    Pool: [(Member, Member.pool_id), (HealthMonitor, HealthMonitor.pool_id)],
}


def remove(session: Session, table: type[Child], ids: Sequence[str]) -> None:
    """Remove rows. What is below them should be gone before; if it is not, foreign keys would keep all of it."""
    if not ids:
        return
    for child, parent in _BELOW.get(table, []):
        remove(session, child, list(session.scalars(select(child.id).where(parent.in_(ids)))))
    if table is Pool:
        # A policy without the pool that it redirects to matches nothing (amphora.tree).
        redirecting = update(L7Policy).where(L7Policy.redirect_pool_id.in_(ids))
        session.execute(redirecting.values(redirect_pool_id=None, updated_at=L7Policy.updated_at))
    if table is Listener:
        session.execute(delete(ListenerStatistics).where(ListenerStatistics.listener_id.in_(ids)))
    session.execute(delete(Tag).where(Tag.resource_id.in_(ids)))
    session.execute(delete(table).where(table.id.in_(ids)))
