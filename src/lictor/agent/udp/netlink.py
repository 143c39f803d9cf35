"""The kernel's table of connections and nftables' counters, asked directly: a program for it each second costs more.

See linux/netlink.h, linux/netfilter/nfnetlink_conntrack.h and linux/netfilter/nf_tables.h.
"""

import collections
import socket
import struct
from collections.abc import Iterator

_NETFILTER = 12
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_ERROR, _DONE = 2, 3
_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_TYPE = 0x3FFF
"""Of an attribute's type: the upper bits say whether it is nested, and in network byte order."""

_CONNTRACK, _GET, _DELETE = 1, 1, 2
_MARK, _MARK_MASK = 8, 21
_NFTABLES, _GET_OBJECTS, _INET = 10, 19, 1
_OBJECT_TABLE, _OBJECT_NAME, _OBJECT_TYPE, _OBJECT_DATA = 1, 2, 3, 4
_COUNTER, _COUNTER_BYTES, _COUNTER_PACKETS = 1, 1, 2
_WINDOW = 1 << 20
_PATIENCE = 10.0


class Netlink:
    """A socket of the network namespace in which it was made. Methods raise ``OSError``."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WINDOW)
        self._socket.settimeout(_PATIENCE)
        self._sequence = 0

    def close(self) -> None:
        """Give it back."""
        self._socket.close()

    def connections(self, bit: int) -> collections.Counter[int]:
        """How many connections the kernel has for each mark that has this bit."""
        found: collections.Counter[int] = collections.Counter()
        wanted = _attribute(_MARK, _number(bit)) + _attribute(_MARK_MASK, _number(bit))
        for message in self._ask(_CONNTRACK, _GET, 0, wanted, _DUMP):
            for kind, value in _attributes(message):
                if kind == _MARK:
                    found[int.from_bytes(value, "big")] += 1
        return found

    def forget(self, mark: int) -> None:
        """End all connections that have this mark."""
        wanted = _attribute(_MARK, _number(mark)) + _attribute(_MARK_MASK, _number(0xFFFFFFFF))
        collections.deque(self._ask(_CONNTRACK, _DELETE, 0, wanted, _ACK), maxlen=0)

    def counters(self, table: str) -> dict[str, tuple[int, int]]:
        """Packets and bytes of a table's named counters."""
        found = {}
        for message in self._ask(_NFTABLES, _GET_OBJECTS, _INET, b"", _DUMP):
            fields = dict(_attributes(message))
            if _text(fields[_OBJECT_TABLE]) == table and int.from_bytes(fields[_OBJECT_TYPE], "big") == _COUNTER:
                data = {kind: int.from_bytes(value, "big") for kind, value in _attributes(fields[_OBJECT_DATA])}
                found[_text(fields[_OBJECT_NAME])] = (data[_COUNTER_PACKETS], data[_COUNTER_BYTES])
        return found

    def _ask(self, subsystem: int, command: int, family: int, attributes: bytes, flags: int) -> Iterator[memoryview]:
        """The attributes of each message of the answer."""
        self._sequence += 1
        body = struct.pack("!BBH", family, 0, 0) + attributes
        head = _HEADER.pack(_HEADER.size + len(body), subsystem << 8 | command, _REQUEST | flags, self._sequence, 0)
        self._socket.send(head + body)
        while True:
            received = memoryview(self._socket.recv(_WINDOW))
            while received:
                length, kind, _, sequence, _ = _HEADER.unpack_from(received)
                if sequence == self._sequence and kind in (_ERROR, _DONE):
                    return _check(received, length)
                if sequence == self._sequence:
                    yield received[_HEADER.size + 4 : length]
                received = received[_aligned(length) :]


def _check(message: memoryview, length: int) -> None:
    code = struct.unpack_from("=i", message, _HEADER.size)[0] if length >= _HEADER.size + 4 else 0
    if code < 0:
        raise OSError(-code, "netfilter")


def _attributes(data: "memoryview | bytes") -> Iterator[tuple[int, memoryview]]:
    data = memoryview(data)
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        yield kind & _TYPE, data[_ATTRIBUTE.size : length]
        data = data[_aligned(max(length, _ATTRIBUTE.size)) :]


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value


def _number(value: int) -> bytes:
    return struct.pack("!I", value)


def _aligned(length: int) -> int:
    return length + 3 & ~3


def _text(value: memoryview) -> str:
    return bytes(value).rstrip(b"\0").decode()
