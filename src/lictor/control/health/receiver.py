"""The heartbeat port: datagrams in, heartbeats whose seal is good out."""

import contextlib
import functools
import logging
import select
import socket
import time

from lictor.amphora.keys import heartbeat_key
from lictor.wire import BadSeal, Heartbeat, sender, unseal

LOG = logging.getLogger(__name__)

LONGEST = 65536
"""Bytes of a datagram."""

KEYS = 2**17
"""Keys that are remembered: who claims to be ever another amphora shall not fill our memory."""

_SO_RCVBUFFORCE = 33


class PortTakenError(Exception):
    """Another process listens on the heartbeat port."""


class Receiver:
    """One UDP socket. What comes while nobody takes it waits in the kernel, as much of it as there is room for."""

    def __init__(self, address: str, port: int, room: int, secret: bytes) -> None:
        """``room`` is in bytes. Raises ``PortTakenError``."""
        self._key = functools.lru_cache(maxsize=KEYS)(functools.partial(heartbeat_key, secret))
        self._socket = _bind(address, port, room)
        self._complained = 0.0
        self.refused = 0
        """Datagrams that were no heartbeats of ours."""

    def take(self, most: int, seconds: float) -> list[Heartbeat]:
        """What has come, ``most`` datagrams of it; waits up to so many seconds for the first."""
        if not select.select([self._socket], [], [], seconds)[0]:
            return []
        beats = []
        with contextlib.suppress(BlockingIOError):
            for _ in range(most):
                datagram = self._socket.recv(LONGEST)
                try:
                    beats.append(unseal(datagram, self._key(sender(datagram))))
                except BadSeal as error:
                    self._complain(error)
        return beats

    def close(self) -> None:
        """Hear nothing any more."""
        self._socket.close()

    def _complain(self, error: BadSeal) -> None:
        self.refused += 1
        # Whoever sends us garbage shall not fill our log with it.
        if time.monotonic() - self._complained > 1.0:
            self._complained = time.monotonic()
            LOG.warning("A datagram on the heartbeat port was dropped: %s (%d so far).", error, self.refused)


def _bind(address: str, port: int, room: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    result = socket.socket(family, socket.SOCK_DGRAM)
    try:
        # Beyond net.core.rmem_max, if we may.
        result.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, room)
    except PermissionError:
        result.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    result.setblocking(False)
    try:
        result.bind((address, port))
    except OSError as error:
        result.close()
        raise PortTakenError(f"UDP {address}:{port} cannot be used for heartbeats: {error.strerror}") from error
    return result
