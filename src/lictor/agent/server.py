"""The agent's HTTPS server: five calls, mutual TLS, one thread per connection and a deadline on everything.

Hand-made, because ``http.server`` would cost each amphora 2.7 MiB and 30 ms, and has no deadlines.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable

import msgspec

from lictor import wire
from lictor.agent.errors import AgentError, Fenced, Refused, log, work_for
from lictor.agent.settings import Settings

Handler = Callable[[bytes], wire.Report | wire.Sticks]
"""Answers a request with this body. Raises ``AgentError``."""

Call = tuple[str, str]
"""Method and path."""

_HANDSHAKE = 5.0
_HEAD = 5.0
_BODY = 30.0
_ANSWER = 10.0
_LONGEST_HEAD = 16 * 1024
_LONGEST_BODY = 32 * 2**20
_CONNECTIONS = 32
_STACK = 512 * 1024

_PHRASES = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 409: "Conflict"}
_PHRASES |= {411: "Length Required", 413: "Content Too Large", 500: "Internal Server Error"}


class _Answer(Exception):
    """Ends the handling of a request with this answer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def listen(address: str, port: int) -> socket.socket:
    """The listening socket. The address need not be there yet: its NIC may come later (IP_FREEBIND, ip(7))."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    level, option = (socket.IPPROTO_IPV6, 78) if family == socket.AF_INET6 else (socket.IPPROTO_IP, 15)
    listener.setsockopt(level, option, 1)
    listener.bind((address, port))
    listener.listen(64)
    return listener


class Server:
    """Serves until the process ends."""

    def __init__(self, settings: Settings, context: Callable[[], ssl.SSLContext], calls: dict[Call, Handler]) -> None:
        """``context`` is asked for with each connection."""
        self._context = context
        self._calls = calls
        self._listener = listen(settings.bind_address, settings.bind_port)
        self._free = threading.BoundedSemaphore(_CONNECTIONS)
        threading.stack_size(_STACK)

    def run(self) -> None:
        """Accept connections, for ever."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                log(f"accept: {error}")  # out of file descriptors, say: others must first be given back
                time.sleep(0.1)
                continue
            if self._free.acquire(blocking=False):
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
            else:
                connection.close()

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(_HANDSHAKE)
            with self._context().wrap_socket(connection, server_side=True) as tls:
                answer = self._answer(tls)
                tls.settimeout(_ANSWER)
                tls.sendall(answer)
        except OSError as error:  # ssl.SSLError and timeouts are
            log(f"connection dropped: {error}")
        except Exception as error:
            log(f"connection dropped: {type(error).__name__}: {error}")
        finally:
            connection.close()
            self._free.release()

    def _answer(self, tls: ssl.SSLSocket) -> bytes:
        try:
            handle, body = _read(tls, self._calls)
            return _response(200, handle(body))
        except _Answer as answer:
            return _response(answer.status, wire.Refusal(reason=str(answer)))
        except AgentError as error:
            log(f"refused: {error}")
            status = 409 if isinstance(error, Fenced) else 400 if isinstance(error, Refused) else 500
            return _response(status, wire.Refusal(reason=str(error)))
        except OSError:
            raise
        except Exception as error:
            log(f"a mistake in the agent: {type(error).__name__}: {error}")
            return _response(500, wire.Refusal(reason=f"a mistake in the agent: {type(error).__name__}: {error}"))


def _read(tls: ssl.SSLSocket, calls: dict[Call, Handler]) -> tuple[Handler, bytes]:
    """One request (RFC 9112): who answers it, and its body. Raises ``_Answer`` for what is not one of ours."""
    received = bytearray()
    deadline = time.monotonic() + _HEAD
    while (end := received.find(b"\r\n\r\n")) < 0:
        if len(received) > _LONGEST_HEAD:
            raise _Answer(400, "the request's head is longer than 16 KiB")
        received += _receive(tls, deadline)
    call, headers = _head(received[:end].decode("latin-1"), calls)
    work_for(headers.get("x-openstack-request-id", ""))
    del received[: end + 4]
    length = _length(call[0], headers)
    if headers.get("expect", "").lower() == "100-continue":
        tls.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    deadline = time.monotonic() + _BODY
    while len(received) < length:
        received += _receive(tls, deadline)
    return calls[call], bytes(received[:length])


def _receive(tls: ssl.SSLSocket, deadline: float) -> bytes:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the client is too slow")
    tls.settimeout(left)
    piece = tls.recv(65536)
    if not piece:
        raise ConnectionError("the client hung up")
    return piece


def _head(text: str, calls: dict[Call, Handler]) -> tuple[Call, dict[str, str]]:
    first, *lines = text.split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise _Answer(400, "not an HTTP/1.1 request")
    method, path = words[0], words[1]
    methods = [known for known, place in calls if place == path]
    if not methods:
        raise _Answer(404, f"{path} is not here, {' and '.join(dict.fromkeys(place for _, place in calls))} are")
    if method not in methods:
        raise _Answer(405, f"{method} is not possible, {' and '.join(methods)} is")
    pairs = [line.partition(":") for line in lines]
    return (method, path), {name.strip().lower(): value.strip() for name, _, value in pairs}


def _length(method: str, headers: dict[str, str]) -> int:
    text = headers.get("content-length", "")
    if "transfer-encoding" in headers or (method == "PUT" and not text):
        raise _Answer(411, "the body needs a Content-Length")
    if text and not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise _Answer(400, f"Content-Length {text!r} is not a number")
    if int(text or 0) > _LONGEST_BODY:
        raise _Answer(413, "the body is longer than 32 MiB")
    return int(text or 0)


def _response(status: int, message: msgspec.Struct) -> bytes:
    body = msgspec.json.encode(message)
    lines = [
        f"HTTP/1.1 {status} {_PHRASES[status]}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body
