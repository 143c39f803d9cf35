"""One kind of log on its way: a socket that HAProxy writes to, a queue that has an end, and a thread that sends.

HAProxy never waits: its socket takes datagrams as long as there is room, and drops and counts them otherwise. Nor does
this end of it: what the queue has no room for is dropped and counted too.
"""

import collections
import contextlib
import pathlib
import socket
import threading
import time

from lictor import wire
from lictor.agent.errors import log
from lictor.agent.haproxy.sockets import bound
from lictor.agent.logs.targets import Lines, Targets

_ROOM = 512
"""Datagrams that wait in HAProxy's socket at most; Linux's own choice is 10."""

_WORDS = 10.0
"""Seconds between sentences about what was dropped."""

_LOCAL0, _INFO = 16, 6


def priority(facility: int, severity: int = _INFO) -> bytes:
    """How a line begins (RFC 3164, 4.1.1); ``facility`` is the number of a LOCAL one."""
    return b"<%d>" % (8 * (_LOCAL0 + facility) + severity)


class Forwarder:
    """``name`` is for the log; ``only`` says how the lines begin that are passed on, by the target that they go to."""

    def __init__(self, path: pathlib.Path, name: str, severity: int | None = None) -> None:
        self.dropped = 0
        self._path = path
        self._name = name
        self._severity = severity
        self._lines: Lines = collections.deque()
        self._ready = threading.Event()
        self._target: wire.LogTarget | None = None
        self._start = b"<"
        self._running = False

    def converge(self, target: wire.LogTarget | None) -> None:
        """Send to these servers from now on, or nowhere. Raises ``OSError`` when the machine fails."""
        if target is not None:
            everything = self._severity is None
            self._start = b"<" if everything else priority(target.facility, self._severity or 0)
        self._target = target
        if target is not None and not self._running:
            inbox = _inbox(self._path)
            self._running = True
            for loop in (lambda: self._receive(inbox), self._send):
                threading.Thread(target=loop, daemon=True).start()
        self._ready.set()

    def put(self, line: bytes) -> None:
        """Have a line sent, unless there is no room for it."""
        target = self._target
        if target is None:
            return
        if len(self._lines) >= target.queue_size:
            self.dropped += 1
            return
        self._lines.append(line)
        if not self._ready.is_set():
            self._ready.set()

    def _receive(self, inbox: socket.socket) -> None:
        while True:
            try:
                line = inbox.recv(65536)
            except OSError as error:
                log(f"{self._name}: {error}")
                time.sleep(0.1)
                continue
            if line.startswith(self._start):
                self.put(line.rstrip(b"\n\0"))

    def _send(self) -> None:
        targets: Targets | None = None
        told, said = 0, 0.0
        while True:
            pause = 0.0
            try:
                targets = self._current(targets)
                pause = targets.send(self._lines) if targets and self._lines else 0.0
            except Exception as error:
                log(f"{self._name}: {type(error).__name__}: {error}")
                pause = 1.0
            if self.dropped != told and time.monotonic() - said > _WORDS:
                log(f"{self._name}: {self.dropped - told} lines dropped, there was no room for them")
                told, said = self.dropped, time.monotonic()
            self._rest(pause)

    def _current(self, targets: Targets | None) -> Targets | None:
        target = self._target
        if targets is not None and targets.wanted == target:
            return targets
        if targets is not None:
            targets.close()
        if target is None:
            self._lines.clear()
            return None
        return Targets(target)

    def _rest(self, pause: float) -> None:
        """Until there is something to do; a change of targets does not cut a pause short, which is seconds at most."""
        if pause:
            time.sleep(pause)
        elif not self._lines:
            self._ready.wait()
            self._ready.clear()


def _inbox(path: pathlib.Path) -> socket.socket:
    room = pathlib.Path("/proc/sys/net/unix/max_dgram_qlen")
    with contextlib.suppress(OSError, ValueError):
        if int(room.read_text()) < _ROOM:
            room.write_text(str(_ROOM))
    return bound(path, socket.SOCK_DGRAM)
