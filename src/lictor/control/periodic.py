"""What is done over and over beside the loop: each in one thread, which no failure ends."""

import logging
import threading

from lictor.control import pulse

LOG = logging.getLogger(__name__)


class Periodic:
    """Does ``turn`` every ``interval`` seconds, the first time after as many. ``trouble`` is said when it fails."""

    trouble: str

    def __init__(self, name: str, interval: float) -> None:
        self._interval = interval
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is under way."""
        self._stopping.set()
        self._thread.join(10.0)

    def turn(self) -> None:
        """What is done."""
        raise NotImplementedError

    def _run(self) -> None:
        with pulse.lasting():
            while not self._stopping.wait(self._interval):
                self._turn()

    def _turn(self) -> None:
        try:
            with pulse.busy():
                self.turn()
        except Exception:
            LOG.exception("%s; it is tried again in %.0f s.", self.trouble, self._interval)
