"""The queue of notifications, and the thread that empties it."""

import dataclasses
import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy import select

from lictor.control import metrics, pulse
from lictor.control.notifications.payload import payload
from lictor.model import LoadBalancer, Tag
from lictor.model.store import Store

LOG = logging.getLogger(__name__)

ROOM = 1000
"""Notifications that wait at most, while the bus is away. What comes then is lost."""

PATIENCE = 2.0
"""Seconds for those that wait when the process ends."""


@dataclasses.dataclass(frozen=True)
class Notice:
    """One notification: what happened, to what, in which project and for which request (empty: for none)."""

    event: str
    payload: dict[str, Any]
    project_id: str
    request_id: str


class Notices:
    """Calls ``tell`` for each notice in a thread of its own: whoever has news never waits for it."""

    def __init__(self, tell: Callable[[Notice], None] | None = None, room: int = ROOM) -> None:
        """Without ``tell`` nobody is told."""
        self._tell = tell
        self._waiting: queue.Queue[Notice | None] = queue.Queue(room)
        self._stopping = False
        self._losing = False
        self._thread = threading.Thread(target=self._run, name="notifications", daemon=True)

    def start(self) -> None:
        """Start the thread, if there is anybody to tell."""
        if self._tell:
            self._thread.start()

    def stop(self) -> None:
        """Tell what waits, for so long; if the bus hangs, the thread ends with the process."""
        self._stopping = True
        if self._thread.is_alive():
            try:
                self._waiting.put_nowait(None)
            except queue.Full:
                LOG.debug("The thread ends when it has told what it is at.")
            self._thread.join(PATIENCE)

    def about(self, store: Store, load_balancer: LoadBalancer, event: str, status: str) -> Notice | None:
        """What would be told, as things are; None if nobody is told. ``status`` is what they become."""
        if not (self._tell and event):
            return None
        with store.read() as session:
            tags = session.scalars(select(Tag.tag).where(Tag.resource_id == load_balancer.id).order_by(Tag.tag)).all()
        request_id = load_balancer.requests.rpartition(" ")[2]
        told = payload(load_balancer, tags, status)
        return Notice(event, told, load_balancer.project_id, request_id)

    def send(self, notice: Notice | None) -> None:
        """Have it told. If too many wait, it is lost."""
        if notice is None:
            return
        try:
            self._waiting.put_nowait(notice)
        except queue.Full:
            self._lose("too many wait")

    def _run(self) -> None:
        with pulse.lasting():
            while (notice := self._waiting.get()) is not None:
                self._tell_one(notice)
                if self._stopping and self._waiting.empty():
                    return

    def _tell_one(self, notice: Notice) -> None:
        try:
            if self._tell:
                self._tell(notice)
        except Exception as error:
            self._lose(" ".join(str(error).split()))
            return
        metrics.NOTIFICATIONS.labels("sent").inc()
        if self._losing:
            self._losing = False
            LOG.info("Notifications are sent again.")

    def _lose(self, why: str) -> None:
        metrics.NOTIFICATIONS.labels("lost").inc()
        if not self._losing:
            self._losing = True
            LOG.warning("Notifications are lost (%s); load balancers are well.", why)
