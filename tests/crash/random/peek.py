"""The addresses of another network namespace, in well under a millisecond: so a VIP is seen that two have for a moment.

No socket stays open there: it would keep the namespace of a dead amphora, and the VIP in it.
"""

import ctypes
import ipaddress
import os
import socket
import struct
from collections.abc import Iterator

_CLONE_NEWNET = 0x40000000
_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port (netlink(7))
_ADDRESS = struct.Struct("=BBBBI")  # family, prefix, flags, scope, link's index (rtnetlink(7))
_LINK = struct.Struct("=BxHiII")  # family, type, index, flags, change
_ATTRIBUTE = struct.Struct("=HH")
_GET_LINK, _GET_ADDRESS, _NEW_LINK, _NEW_ADDRESS, _ERROR, _DONE = 18, 22, 16, 20, 2, 3
_IFA_ADDRESS, _IFA_LOCAL, _IFA_CACHEINFO, _IFLA_OPERSTATE = 1, 2, 6, 16
_DUMP = 0x301
_UP = b"\x06"

_libc = ctypes.CDLL(None, use_errno=True)


class Peek:
    """For the thread that made it, which must not do anything else on the network meanwhile."""

    def __init__(self) -> None:
        self._home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)

    def addresses(self, namespace: str) -> dict[str, int]:
        """The addresses of the namespace at this path, on links that are up, and when each was added.

        That is in hundredths of a second, by the kernel's clock: an address that went and came back has another time,
        so it tells who had one all the while. Nothing if the namespace is not there.
        """
        try:
            there = os.open(namespace, os.O_RDONLY)
        except OSError:
            return {}
        try:
            _enter(there)
            with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as asking:
                asking.settimeout(5)
                up = {index for index, state in _links(asking) if state == _UP}
                return {text: added for index, text, added in _addresses(asking) if index in up}
        except OSError:
            return {}
        finally:
            _enter(self._home)
            os.close(there)


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _links(asking: socket.socket) -> Iterator[tuple[int, bytes]]:
    for message in _dump(asking, _GET_LINK, _NEW_LINK, _LINK.size):
        _, _, index, _, _ = _LINK.unpack_from(message)
        yield index, _attributes(message[_LINK.size :]).get(_IFLA_OPERSTATE, b"")


def _addresses(asking: socket.socket) -> Iterator[tuple[int, str, int]]:
    for message in _dump(asking, _GET_ADDRESS, _NEW_ADDRESS, _ADDRESS.size):
        has = _attributes(message[_ADDRESS.size :])
        packed, cached = has.get(_IFA_LOCAL) or has[_IFA_ADDRESS], has[_IFA_CACHEINFO]
        yield _ADDRESS.unpack_from(message)[4], str(ipaddress.ip_address(packed)), struct.unpack("=IIII", cached)[2]


def _dump(asking: socket.socket, question: int, kind: int, fixed: int) -> Iterator[bytes]:
    """All answers of one kind, without their headers."""
    asking.send(_HEADER.pack(_HEADER.size + fixed, question, _DUMP, question, 0) + bytes(fixed))
    while True:
        received = asking.recv(1 << 17)
        while received:
            length, found, _, _, _ = _HEADER.unpack_from(received)
            if found in (_DONE, _ERROR):
                return
            if found == kind:
                yield received[_HEADER.size : length]
            received = received[(length + 3) & ~3 :]


def _attributes(text: bytes) -> dict[int, bytes]:
    found = {}
    while len(text) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(text)
        found[kind] = text[_ATTRIBUTE.size : length]
        text = text[max(_ATTRIBUTE.size, (length + 3) & ~3) :]
    return found
