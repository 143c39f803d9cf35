"""One question to one member each: is anybody there? Sockets that never block; ``Checks`` waits for all of them."""

import errno
import os
import select
import socket

from lictor import wire

SCTP = 132
"""Of IP protocols (IANA); Python names it only where its build found the header."""

_IP_RECVERR, _IPV6_RECVERR = 11, 25
_LONGEST_LINE = 256

_NEIGHBOUR = 4.0
"""Seconds: the kernel asks three times, a second apart, for a neighbour that does not answer (arp(7), ndisc)."""

Verdict = bool | None
"""Good, bad, or not known yet."""


def sctp_missing() -> bool:
    """Whether the kernel has no SCTP sockets."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, SCTP).close()
    except OSError as error:
        return error.errno in (errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT)
    return False


class Connect:
    """Is good when the member accepts a connection: over TCP, or as the INIT of SCTP is answered."""

    silence = False
    """What it means when the time is over."""

    patience = 0.0
    """Seconds that the time must be at least for that."""

    def __init__(self, address: str, port: int, protocol: int = socket.IPPROTO_TCP) -> None:
        self._place = (address, port)
        self._protocol = protocol
        self._socket: socket.socket | None = None
        self.events = select.POLLOUT

    def start(self) -> Verdict:
        """Ask; what was asked before is over."""
        self.close()
        family = socket.AF_INET6 if ":" in self._place[0] else socket.AF_INET
        try:
            self._socket = self._open(family)
            code = self._socket.connect_ex(self._place)
        except OSError:
            return False
        return self._begin() if code in (0, errno.EINPROGRESS) else False

    def fileno(self) -> int:
        """Of the socket that an answer comes to."""
        return self._socket.fileno() if self._socket else -1

    def ready(self) -> Verdict:
        """Look at what came. Never raises."""
        try:
            return self._answer(self._socket) if self._socket else False
        except BlockingIOError:
            return None
        except OSError:
            return False

    def finish(self) -> None:
        """The question is answered, or its time is over."""
        self.close()

    def close(self) -> None:
        """Give the socket back."""
        if self._socket:
            self._socket.close()
            self._socket = None

    def _open(self, family: int) -> socket.socket:
        return socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK, self._protocol)

    def _begin(self) -> Verdict:
        return None

    def _answer(self, connection: socket.socket) -> Verdict:
        return connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


class Http(Connect):
    """Is good when the answer to a request has one of the wanted statuses."""

    def __init__(self, address: str, port: int, monitor: wire.UdpMonitor) -> None:
        super().__init__(address, port)
        self._monitor = monitor
        self._line = b""

    def _begin(self) -> Verdict:
        self.events, self._line = select.POLLOUT, b""
        return None

    def _answer(self, connection: socket.socket) -> Verdict:
        if self.events == select.POLLOUT:
            code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, os.strerror(code))
            connection.sendall(self._monitor.request.encode())
            self.events = select.POLLIN
            return None
        received = connection.recv(_LONGEST_LINE)
        self._line += received
        if received and b"\n" not in self._line and len(self._line) < _LONGEST_LINE:
            return None
        return self._good(self._line.split(b"\n")[0])

    def _good(self, line: bytes) -> bool:
        words = line.split(None, 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
            return False
        return any(low <= int(words[1]) <= high for low, high in self._monitor.codes)


class Datagram(Connect):
    """Is bad when the member's host says that nobody is there (ICMP unreachable). Silence is good: that is UDP.

    The kernel gives up on a host that is off only after three seconds, which may be after the question's time. So
    the socket stays open, and bad news that came to it in between are the answer to the next question; and once a host
    could not be found, shorter silence is no sign that it is back.
    """

    silence = True

    def __init__(self, address: str, port: int) -> None:
        super().__init__(address, port)
        self.events = select.POLLIN

    def start(self) -> Verdict:
        """Ask, even if the answer is there already: the next question may need this one's."""
        if self._socket is None:
            return super().start()
        if code := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            super().start()
            self._heard(code)
            return False
        return self._begin()

    def finish(self) -> None:
        """Listen on."""

    def _open(self, family: int) -> socket.socket:
        opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
        else:
            opened.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        return opened

    def _begin(self) -> Verdict:
        try:
            return None if self._socket and self._socket.send(b"") == 0 else False
        except OSError:
            self.close()
            return False

    def _answer(self, connection: socket.socket) -> Verdict:
        try:
            connection.recv(1)
        except BlockingIOError:
            return None
        except OSError as error:
            # Not to be used again: its queue of errors would stay.
            self.close()
            self._heard(error.errno)
            return False
        return True

    def _heard(self, code: int | None) -> None:
        self.patience = 0.0 if code == errno.ECONNREFUSED else _NEIGHBOUR


def probe(monitor: wire.UdpMonitor, address: str, port: int) -> Connect:
    """The question that a monitor asks."""
    if monitor.type == "UDP-CONNECT":
        return Datagram(address, port)
    if monitor.type == "HTTP":
        return Http(address, port, monitor)
    return Connect(address, port, SCTP if monitor.type == "SCTP" else socket.IPPROTO_TCP)
