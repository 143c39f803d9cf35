"""Writing down what happened to a load balancer, for its users to read."""

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from lictor.control.task import Task
from lictor.model import Event

KEEP = 100
"""Events kept of one load balancer: one that fails for weeks must not fill the database."""


def add(session: Session, task: Task, kind: str, message: str, amphora_id: str | None = None) -> None:
    """Add an event to a transaction that is under way. ``kind`` is a word for programs, ``message`` a sentence."""
    session.add(
        Event(
            load_balancer_id=task.load_balancer.id,
            amphora_id=amphora_id,
            generation=task.claim.generation,
            kind=kind,
            message=message,
        )
    )
    mine = Event.load_balancer_id == task.load_balancer.id
    newest_stale = session.scalar(select(Event.id).where(mine).order_by(Event.id.desc()).offset(KEEP).limit(1))
    if newest_stale is not None:
        session.execute(delete(Event).where(mine, Event.id <= newest_stale))


def record(task: Task, kind: str, message: str, amphora_id: str | None = None) -> None:
    """Write an event in a transaction of its own."""
    task.tools.store.write(lambda session: add(session, task, kind, message, amphora_id))
