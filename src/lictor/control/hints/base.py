"""Two threads that nothing ends but a stop: one that tells, and one that listens and connects again for ever."""

import logging
import threading
from collections.abc import Callable

from lictor.control import pulse

LOG = logging.getLogger(__name__)

AGAIN = 1.0
"""Seconds before a connection that was lost is made anew."""


class _Thread:
    def __init__(self, name: str) -> None:
        self._name = name
        self._stopping = threading.Event()
        self._well = True
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it; if it hangs in a connection, it ends with the process."""
        self._stopping.set()
        if self._thread:
            self._thread.join(2.0)

    def _turn(self) -> None:
        raise NotImplementedError

    def _run(self) -> None:
        with pulse.lasting():
            self._until_stopped()

    def _until_stopped(self) -> None:
        while not self._stopping.is_set():
            try:
                self._turn()
                self._is_well()
            except Exception as error:
                self._is_not_well(error)
                self._stopping.wait(AGAIN)

    def _is_well(self) -> None:
        if not self._well:
            self._well = True
            LOG.info("Hints of work travel again.")

    def _is_not_well(self, error: Exception) -> None:
        if self._well and not self._stopping.is_set():
            self._well = False
            words = " ".join(str(error).split())
            LOG.warning("Hints of work do not travel (%s): it is found by looking for it, a little later.", words)


class Sender(_Thread):
    """Calls ``tell`` in a thread of its own soon after ``send``: whoever has work to announce never waits for it.

    The thread starts with the first of it, also in a process that was forked since this was made.
    """

    def __init__(self, name: str, tell: Callable[[], None] | None) -> None:
        """Without ``tell`` nobody is told."""
        super().__init__(name)
        self._tell = tell
        self._asked = threading.Event()
        self._starting = threading.Lock()

    def start(self) -> None:
        """Nothing yet."""

    def send(self) -> None:
        """There may be work. However often it is said before it is told, it is told once."""
        self._asked.set()
        if self._tell and not (self._thread and self._thread.is_alive()):
            with self._starting:
                if not (self._thread and self._thread.is_alive()) and not self._stopping.is_set():
                    super().start()

    def stop(self) -> None:
        """Tell what was said last, then end."""
        self._stopping.set()
        self._asked.set()
        super().stop()

    def _turn(self) -> None:
        self._asked.wait()
        self._asked.clear()
        if self._tell:
            self._tell()


class Listener(_Thread):
    """Listens in a thread of its own: ``listen`` returns when it is told to stop, and raises if the connection ends."""

    def __init__(self, name: str, listen: Callable[[threading.Event, Callable[[], None]], None]) -> None:
        """``listen`` gets the event that stops it, and what to call when it is connected."""
        super().__init__(name)
        self._listen = listen

    def _turn(self) -> None:
        self._listen(self._stopping, self._is_well)
