"""What systemd is told of a service of ``Type=notify`` (sd_notify(3)); nothing, if it did not start us."""

import contextlib
import os
import socket
import threading
import time

from lictor.control import pulse


def ready() -> None:
    """All threads run and all ports are open."""
    _tell("READY=1")


def stopping() -> None:
    """The end has begun."""
    _tell("STOPPING=1")


class Watchdog:
    """Says over and over that this process lives, if its unit has ``WatchdogSec``, until one of its threads has died.

    systemd starts anew what says it no more: a process that stands still, or whose ``/healthz`` is 503.
    """

    def __init__(self) -> None:
        self._interval = int(os.environ.get("WATCHDOG_USEC") or 0) / 2e6

    def start(self) -> None:
        """Begin, if somebody listens."""
        # Children inherit the variables; they are not for them (sd_watchdog_enabled(3)).
        if self._interval and os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid()):
            threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        """Nothing: it is said until the end, which is bounded by itself."""

    def _run(self) -> None:
        while True:
            if not pulse.dead():
                _tell("WATCHDOG=1")
            time.sleep(self._interval)


def _tell(words: str) -> None:
    place = os.environ.get("NOTIFY_SOCKET", "")
    if not place:
        return
    # A name that begins with @ is not in the file system (unix(7), "Abstract sockets").
    address = "\0" + place[1:] if place.startswith("@") else place
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as talking:
        talking.sendto(words.encode(), address)
