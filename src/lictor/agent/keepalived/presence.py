"""Whether the shared VIPs are here: asked of the kernel, and told by it when addresses come and go (rtnetlink(7))."""

import contextlib
import itertools
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

from lictor import wire
from lictor.agent.errors import log
from lictor.agent.namespace import enter
from lictor.agent.validate import packed

_GROUPS = 0x10 | 0x100
"""RTMGRP_IPV4_IFADDR and RTMGRP_IPV6_IFADDR."""

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_NEW_ADDRESS, _GET_ADDRESS, _ERROR, _DONE = 20, 22, 2, 3
_DUMP = 0x301  # and that it is a request
_FIXED = 8  # bytes of a message before its attributes
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_ADDRESS, _LOCAL = 1, 2

_PAUSE = 1.0


class Presence:
    """``changed`` is called, by the thread in ``run``, when the VIPs came or went."""

    def __init__(self, namespace: str, changed: Callable[[], None]) -> None:
        self._namespace = namespace
        self._changed = changed
        self._lock = threading.Lock()
        self._sockets: tuple[socket.socket, socket.socket] | None = None
        self._questions = itertools.count(1)
        self._vip = b""
        self._here = False

    def follow(self, interfaces: list[wire.Interface]) -> None:
        """From now on the first of the floating addresses is meant."""
        floating = [address for interface in interfaces for address in interface.floating]
        first = packed(floating[0]) if floating else None
        self._vip = first[0] if first else b""

    def standby(self) -> bool:
        """Whether there are VIPs that are shared, and another amphora has them."""
        return bool(self._vip) and not self._look()

    def run(self) -> None:
        """Watch, for ever."""
        while True:
            try:
                self._wait()
            except OSError as error:
                log(f"addresses cannot be watched: {error}")
                time.sleep(_PAUSE)
            before, self._here = self._here, bool(self._vip) and self._look()
            if before != self._here:
                log(f"the VIPs are {'here' if self._here else 'not here'} now")
                self._changed()

    def _wait(self) -> None:
        """Until some address came or went; or for a while, so that nothing is missed for good."""
        events, _ = self._open()
        if select.select([events], [], [], _PAUSE)[0]:
            with contextlib.suppress(OSError):  # some were lost, which says as much
                events.recv(65536)

    def _look(self) -> bool:
        try:
            with self._lock:
                # All of the answer is heard: what is left of it would answer the next question.
                return self._vip in list(_addresses(self._open()[1], next(self._questions)))
        except OSError as error:
            log(f"addresses cannot be seen: {error}")
            return False

    def _open(self) -> tuple[socket.socket, socket.socket]:
        if self._sockets is None:
            # setns(2) moves one thread: a thread of its own goes there and ends; its sockets stay there.
            thread = threading.Thread(target=self._open_inside, name="presence")
            thread.start()
            thread.join()
        if self._sockets is None:
            raise OSError(f"no sockets in {self._namespace}")
        return self._sockets

    def _open_inside(self) -> None:
        with contextlib.suppress(OSError):
            enter(self._namespace)
            events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
            events.bind((0, _GROUPS))
            asking = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
            asking.settimeout(_PAUSE)
            self._sockets = events, asking


def _addresses(asking: socket.socket, question: int) -> Iterator[bytes]:
    """All addresses of the namespace, of both families."""
    asking.send(_HEADER.pack(_HEADER.size + _FIXED, _GET_ADDRESS, _DUMP, question, 0) + bytes(_FIXED))
    done = False
    while not done:
        received = asking.recv(1 << 16)
        while received and not done:
            length, kind, _, sequence, _ = _HEADER.unpack_from(received)
            done = sequence == question and kind in (_DONE, _ERROR)
            if sequence == question and kind == _NEW_ADDRESS:
                yield from _of(received[_HEADER.size + _FIXED : length])
            received = received[(length + 3) & ~3 :]


def _of(attributes: bytes) -> Iterator[bytes]:
    while len(attributes) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(attributes)
        if kind in (_ADDRESS, _LOCAL):
            yield attributes[_ATTRIBUTE.size : length]
        attributes = attributes[max(_ATTRIBUTE.size, (length + 3) & ~3) :]
