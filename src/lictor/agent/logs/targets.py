"""The syslog servers that one kind of log goes to: the first that takes lines gets them."""

import collections
import select
import socket
import time

from lictor import wire
from lictor.agent.errors import log

_CONNECT = 2.0
_SEND = 5.0
_ON_THE_WAY = 128 * 1024
"""Bytes that were sent over TCP and of which the server has not told yet that it has them."""

_ECHO = 0.1
"""Seconds for a host to say that nobody listens for datagrams (ICMP, port unreachable)."""

_BATCH = 256
"""Lines that are sent at once over TCP."""

Lines = collections.deque[bytes]
"""Each with its priority and head, and without a line end."""


class Target:
    """One server. ``failures`` are those since it last took something; until ``rest`` is over it is not asked."""

    def __init__(self, address: str, protocol: str) -> None:
        self.address = address
        self.failures = 0
        self.rest = 0.0
        self._send = self._stream if protocol == "TCP" else self._datagrams
        self._kind = socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM
        self._socket: socket.socket | None = None

    def send(self, lines: Lines) -> None:
        """Take lines from the left as they are sent. Raises ``OSError``; what was not sent is still there then."""
        try:
            if self._socket is None:
                self._socket = self._connected()
            self._send(self._socket, lines)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Forget the connection."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _connected(self) -> socket.socket:
        host, _, port = self.address.rpartition(":")
        host = host.strip("[]")
        made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, self._kind)
        made.settimeout(_CONNECT)
        if self._kind == socket.SOCK_STREAM:
            # A server that falls silent is found out soon, and what was on its way to it is lost: so it is not much.
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * _SEND))
            made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _ON_THE_WAY)
        try:
            made.connect((host, int(port)))
        except OSError:
            made.close()
            raise
        made.settimeout(_SEND)
        return made

    def _stream(self, connection: socket.socket, lines: Lines) -> None:
        """Lines with an end each (RFC 6587, 3.4.2). Some come twice when a connection breaks, rather than never."""
        if select.select([connection], [], [], 0)[0] and not connection.recv(4096):
            raise ConnectionResetError("it has hung up")
        batch = [lines[number] for number in range(min(len(lines), _BATCH))]
        connection.sendall(b"\n".join([*batch, b""]))
        for _ in batch:
            lines.popleft()

    def _datagrams(self, connection: socket.socket, lines: Lines) -> None:
        """A datagram each (RFC 5426); after a failure, the first has to be let through before others follow."""
        doubtful = self.failures > 0
        while lines:
            connection.send(lines[0])
            if doubtful and select.select([connection], [], [], _ECHO)[0]:
                connection.recv(4096)  # raises what the other host has said
            doubtful = False
            lines.popleft()


class Targets:
    """A fail-over list, as Octavia's rsyslog has it: the first one is asked again when its rest is over."""

    def __init__(self, wanted: wire.LogTarget) -> None:
        self.wanted = wanted
        self._all = [Target(address, wanted.protocol) for address in wanted.addresses]

    def send(self, lines: Lines) -> float:
        """Send some lines, or say after how many seconds it should be tried again."""
        for target in self._all:
            if target.rest > time.monotonic():
                continue
            try:
                target.send(lines)
            except OSError as error:
                if self._patient(target, error):
                    return self.wanted.retry_interval
            else:
                self._taken(target)
                return 0.0
        return min(max(target.rest - time.monotonic(), 0.0) for target in self._all)

    def close(self) -> None:
        """Forget all connections."""
        for target in self._all:
            target.close()

    def _patient(self, target: Target, error: OSError) -> bool:
        """Count a failure; whether the same server is to be tried again before the next one."""
        target.failures += 1
        if target.failures <= self.wanted.retry_count:
            return True
        if target.failures == self.wanted.retry_count + 1:
            log(f"logs: {target.address} takes none: {error}")
        target.rest = time.monotonic() + self.wanted.retry_interval
        return False

    def _taken(self, target: Target) -> None:
        if target.failures > self.wanted.retry_count:
            log(f"logs: {target.address} takes them again")
        target.failures = 0
        for other in self._all[self._all.index(target) + 1 :]:
            other.close()
