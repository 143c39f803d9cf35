"""Asking HAProxy's Prometheus exporter, over the UNIX socket that the agent's section gives it."""

import pathlib
import socket
from collections.abc import Iterator
from typing import BinaryIO

from lictor.agent.haproxy.runtime import RuntimeFailed

_TIMEOUT = 10.0
_START = b"# HELP "
_SCOPES = "&".join(f"scope={scope}" for scope in ("global", "frontend", "backend", "server"))


def blocks(path: pathlib.Path) -> Iterator[bytes]:
    """What the exporter says, metric by metric, each block from ``# HELP`` on. Raises ``RuntimeFailed``.

    A load balancer with a thousand members has megabytes to tell: no more than one block is held at a time.
    """
    rest = b""
    for piece in _body(path):
        *whole, rest = (rest + piece).split(b"\n" + _START)
        for block in whole:
            yield _block(block)
    if rest.strip():
        yield _block(rest.rstrip(b"\n"))


def _block(text: bytes) -> bytes:
    return (text if text.startswith(_START) else _START + text) + b"\n"


def _body(path: pathlib.Path) -> Iterator[bytes]:
    """The answer's body, as it comes."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_TIMEOUT)
        try:
            connection.connect(str(path))
            connection.sendall(f"GET /metrics?{_SCOPES} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            with connection.makefile("rb") as answer:
                _head(answer)
                yield from _chunks(answer)
        except (OSError, ValueError) as error:
            raise RuntimeFailed(f"haproxy's exporter does not answer: {error}") from None


def _head(answer: BinaryIO) -> None:
    status = answer.readline(256)
    if status.split(b" ", 2)[1:2] != [b"200"]:
        raise RuntimeFailed(f"haproxy's exporter answered {status!r}")
    while answer.readline(4096).strip():
        pass


def _chunks(answer: BinaryIO) -> Iterator[bytes]:
    """The exporter sends chunks always (RFC 9112, 7.1)."""
    while size := int(answer.readline(256), 16):
        piece = answer.read(size)
        if len(piece) < size:
            raise ValueError("it hung up")
        yield piece
        answer.readline(256)
