"""A HAProxy that lives and does nothing (stopped, deadlocked, waiting for a disk that is gone): found, and ended.

That it dies is seen at once; that it hangs, only by asking. It is taken to hang when it has answered nothing for a
while in which it did nothing and wanted no processor: a busy host, where it only waits for its turn, is no reason. (Of
a thread that runs in a circle HAProxy's own watchdog takes care, and ends the process.)
"""

import contextlib
import pathlib
import select
import socket
import time
from collections.abc import Callable

from lictor.agent.daemon import Daemon
from lictor.agent.errors import log
from lictor.agent.process import activity

_PAUSE = 0.5
"""Seconds between questions."""

_STEP = 0.1
_DOUBT, _HANG = 4, 14
"""Steps without an answer after which we begin to look at what it does, and after which it hangs. They are counted, not
measured: whoever stood still himself has not waited."""

_QUESTION = b"show cli level\n"


class Vigil:
    """``run`` in a thread of its own; ``found`` is called when HAProxy hangs, and once it answers again."""

    def __init__(self, master: Daemon, socket_path: pathlib.Path, found: Callable[[], None]) -> None:
        self._master, self._path, self._found = master, str(socket_path), found
        self.hangs = False
        """Whether HAProxy has not answered since it was found to hang."""

    def run(self) -> None:
        """Ask, for ever."""
        while True:
            time.sleep(_PAUSE)
            with contextlib.suppress(OSError):  # nobody is there to be asked: it starts, has died or is not wanted
                self.ask()

    def ask(self) -> None:
        """Ask once. Raises ``OSError`` when nobody is there."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            asking.settimeout(_STEP)
            asking.connect(self._path)
            asking.sendall(_QUESTION)
            if hanging := self._hanging(asking):
                self._end(hanging)
            elif self.hangs and asking.recv(64):
                self.hangs = False
                self._found()

    def _hanging(self, asking: socket.socket) -> int:
        """The pid of the worker if it hangs; 0 when it answered, or hung up, or is busy."""
        worker, done = 0, -1
        for step in range(_HANG):
            if select.select([asking], [], [], _STEP)[0]:
                return 0
            if step == _DOUBT:
                worker, done = self._master.newest_child(), -1
            if worker:
                before, done = done, activity(worker)
                if done < 0 or before not in (-1, done):
                    return 0
        return worker

    def _end(self, worker: int) -> None:
        """End all of it, so that it is started anew; unless a change has put another worker in its place."""
        if self._master.newest_child() != worker:
            return
        log(f"haproxy hangs: process {worker} does not answer and does nothing. It is ended")
        self.hangs = True
        self._found()
        self._master.kill()
