"""ICMP echo by the kernel's ping sockets (icmp(7)): it fills in identifiers and shows each socket its own replies."""

import contextlib
import socket
import struct

_ECHO = {socket.AF_INET: 8, socket.AF_INET6: 128}
_REPLY = {socket.AF_INET: 0, socket.AF_INET6: 129}
_PROTOCOLS = {socket.AF_INET: socket.IPPROTO_ICMP, socket.AF_INET6: socket.IPPROTO_ICMPV6}
_HEADER = struct.Struct("!BBHHH")  # type, code, checksum (the kernel's work), identifier (likewise), sequence


class Echo:
    """The sockets of both families, made in the calling thread's network namespace."""

    def __init__(self) -> None:
        self.sockets: dict[socket.AddressFamily, socket.socket] = {}
        for family, protocol in _PROTOCOLS.items():
            with contextlib.suppress(OSError):  # a kernel without IPv6
                made = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, protocol)
                self.sockets[family] = made

    def send(self, address: str, sequence: int) -> None:
        """Send a request. Raises ``OSError`` if that is known to be in vain."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        if family not in self.sockets:
            raise OSError(f"no sockets for {address}")
        message = _HEADER.pack(_ECHO[family], 0, 0, 0, sequence) + b"lictor"
        self.sockets[family].sendto(message, (address, 0))

    def receive(self) -> list[int]:
        """The sequence numbers of all replies that have come."""
        found = []
        for family, each in self.sockets.items():
            # OSError: no more, or an ICMP error about an earlier request, which is missed when its time is over.
            with contextlib.suppress(OSError):
                while message := each.recv(1024):
                    if len(message) >= _HEADER.size and message[0] == _REPLY[family]:
                        found.append(_HEADER.unpack_from(message)[4])
        return found
