"""HTTP/2 (RFC 9113) frame by frame, for clients that do not keep to it: over plain TCP, with prior knowledge."""

import socket
import struct
from collections.abc import Iterable

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """One frame."""
    return struct.pack("!I", len(payload))[1:] + bytes([kind, flags]) + struct.pack("!I", stream) + payload


def block(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Fields as HPACK literals without indexing (RFC 7541, 6.2.2), whatever is in them."""
    return b"".join(b"\0" + _string(name) + _string(value) for name, value in fields)


def _string(text: bytes) -> bytes:
    if len(text) < 127:
        return bytes([len(text)]) + text
    rest, octets = len(text) - 127, [127]
    while rest >= 128:
        octets.append(rest % 128 + 128)
        rest //= 128
    return bytes([*octets, rest]) + text


def request(path: bytes = b"/first", *more: tuple[bytes, bytes], stream: int = 1, body: bytes | None = None) -> bytes:
    """The frames of one request."""
    fields = [(b":method", b"GET" if body is None else b"POST"), (b":scheme", b"http"), (b":path", path)]
    return message([*fields, (b":authority", b"a"), *more], stream, body)


def message(fields: Iterable[tuple[bytes, bytes]], stream: int = 1, body: bytes | None = None) -> bytes:
    """The frames of one request with just these fields."""
    if body is None:
        return frame(HEADERS, END_HEADERS | END_STREAM, stream, block(fields))
    return frame(HEADERS, END_HEADERS, stream, block(fields)) + frame(DATA, END_STREAM, stream, body)


def connect(address: str, port: int) -> socket.socket:
    """A connection on which requests may follow."""
    connection = socket.create_connection((address, port), timeout=5)
    connection.sendall(PREFACE + frame(SETTINGS))
    return connection
