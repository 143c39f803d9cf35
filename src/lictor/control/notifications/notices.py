"""Who is told, of what, when a load balancer is settled."""

import dataclasses
from collections.abc import Callable
from typing import Any

from sqlalchemy import select

from lictor.control import metrics
from lictor.control.notifications.payload import payload
from lictor.model import LoadBalancer, Tag
from lictor.model.store import Store
from lictor.outbox import ROOM, Outbox


@dataclasses.dataclass(frozen=True)
class Notice:
    """One notification: what happened, to what, in which project and for which request (empty: for none)."""

    event: str
    payload: dict[str, Any]
    project_id: str
    request_id: str


class Notices:
    """Has notices told by a thread of its own, with the first of them."""

    def __init__(self, tell: Callable[[Notice], None] | None = None, room: int = ROOM) -> None:
        """Without ``tell`` nobody is told."""
        self._outbox = Outbox("notifications", tell, _count, room) if tell else None

    def start(self) -> None:
        """Nothing yet."""

    def stop(self) -> None:
        """Tell what waits, within seconds."""
        if self._outbox:
            self._outbox.stop()

    def about(self, store: Store, load_balancer: LoadBalancer, event: str, status: str) -> Notice | None:
        """What would be told, as things are; None if nobody is told. ``status`` is what they become."""
        if not (self._outbox and event):
            return None
        with store.read() as session:
            tags = session.scalars(select(Tag.tag).where(Tag.resource_id == load_balancer.id).order_by(Tag.tag)).all()
        request_id = load_balancer.requests.rpartition(" ")[2]
        told = payload(load_balancer, tags, status)
        return Notice(event, told, load_balancer.project_id, request_id)

    def send(self, notice: Notice | None) -> None:
        """Have it told, if there is one. If too many wait, it is lost."""
        if notice and self._outbox:
            self._outbox.put(notice)


def _count(result: str) -> None:
    metrics.NOTIFICATIONS.labels(result).inc()
