"""Writing down what happened to a load balancer, for its users to read."""

import datetime

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from lictor.model.event import Event
from lictor.model.loadbalancer import LoadBalancer

KEEP = 100
"""Events kept of one load balancer: one that fails for weeks must not fill the database."""


def record(
    session: Session,
    load_balancer: LoadBalancer,
    kind: str,
    message: str,
    *,
    amphora_id: str | None = None,
    attempts: int | None = None,
    next_try_at: datetime.datetime | None = None,
) -> None:
    """Add an event to a transaction that is under way. ``kind`` is a word for programs, ``message`` a sentence."""
    session.add(
        Event(
            load_balancer_id=load_balancer.id,
            project_id=load_balancer.project_id,
            amphora_id=amphora_id,
            generation=load_balancer.generation,
            kind=kind,
            message=message,
            attempts=attempts,
            next_try_at=next_try_at,
        )
    )
    mine = Event.load_balancer_id == load_balancer.id
    newest_stale = session.scalar(select(Event.id).where(mine).order_by(Event.id.desc()).offset(KEEP).limit(1))
    if newest_stale is not None:
        session.execute(delete(Event).where(mine, Event.id <= newest_stale))


def expired(before: datetime.datetime) -> ColumnElement[bool]:
    """The condition for events older than this whose load balancer is gone."""
    return (Event.created_at < before) & Event.load_balancer_id.not_in(select(LoadBalancer.id))
