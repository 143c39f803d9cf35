"""Telling others of what is done already, so that nobody who works ever waits for it."""

import logging
import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

LOG = logging.getLogger(__name__)

ROOM = 1000
"""What waits at most, while it cannot be told. What comes then is lost."""

PATIENCE = 2.0
"""Seconds for what waits when the process ends."""

SENT, LOST = "sent", "lost"

T = TypeVar("T")


def _uncounted(_result: str) -> None:
    """Nobody counts."""


class Outbox(Generic[T]):
    """A queue with an end, and a thread that tells what is in it.

    The thread starts with the first of it, also in a process that was forked since this was made.
    """

    def __init__(
        self, name: str, tell: Callable[[T], None], count: Callable[[str], None] = _uncounted, room: int = ROOM
    ) -> None:
        """``name`` is for the log, a plural; ``count`` is called with ``SENT`` or ``LOST`` for each."""
        self._name, self._tell, self._count = name, tell, count
        self._waiting: queue.Queue[T | None] = queue.Queue(room)
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._stopping = False
        self._losing = False

    def put(self, item: T) -> None:
        """Have it told. If too many wait, it is lost."""
        self._start()
        try:
            self._waiting.put_nowait(item)
        except queue.Full:
            self._lose("too many wait")

    def stop(self) -> None:
        """Tell what waits, for so long; if that hangs, the thread ends with the process."""
        self._stopping = True
        if not (self._thread and self._thread.is_alive()):
            return
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            LOG.debug("The thread ends when the queue is empty.")
        self._thread.join(PATIENCE)

    def _start(self) -> None:
        if self._thread and self._thread.is_alive():
            return
        with self._starting:
            if not (self._thread and self._thread.is_alive()) and not self._stopping:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None:
            self._tell_one(item)
            if self._stopping and self._waiting.empty():
                return

    def _tell_one(self, item: T) -> None:
        try:
            self._tell(item)
        except Exception as error:
            self._lose(" ".join(str(error).split()))
            return
        self._count(SENT)
        if self._losing:
            self._losing = False
            LOG.info("%s are sent again.", self._name.capitalize())

    def _lose(self, why: str) -> None:
        self._count(LOST)
        if not self._losing:
            self._losing = True
            LOG.warning("%s are lost (%s); load balancers are well.", self._name.capitalize(), why)
