"""The agent's side of PROMETHEUS listeners: HAProxy passes on, over a UNIX socket, what clients ask."""

import pathlib
import socket
import threading
import time
import zlib

from lictor.agent.errors import AgentError, log
from lictor.agent.haproxy.sockets import bound
from lictor.agent.metrics.page import Page

_CONNECTIONS = 8
"""As many as HAProxy makes (``maxconn`` in the agent's section)."""

_LONGEST_HEAD = 64 * 1024
_HEAD = 5.0
_BODY = 30.0
_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Server:
    """Serves until the process ends. Who may ask, for what and how often at once is HAProxy's to say."""

    def __init__(self, path: pathlib.Path, page: Page) -> None:
        self._page = page
        self._listener = _listen(path)
        self._free = threading.BoundedSemaphore(_CONNECTIONS)

    def run(self) -> None:
        """Accept connections, for ever."""
        while True:
            self._free.acquire()
            try:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
            except (OSError, RuntimeError) as error:
                log(f"metrics: {error}")
                self._free.release()
                time.sleep(0.1)

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                _answer(connection, self._page)
        except OSError:
            pass  # who asked has gone
        except Exception as error:
            log(f"metrics: {type(error).__name__}: {error}")
        finally:
            self._free.release()


def _listen(path: pathlib.Path) -> socket.socket:
    listener = bound(path, socket.SOCK_STREAM)
    listener.listen(64)
    return listener


def _answer(connection: socket.socket, page: Page) -> None:
    method, headers = _read(connection)
    connection.settimeout(_BODY)
    try:
        body = page.compressed()
    except AgentError as error:
        log(f"metrics: {error}")
        connection.sendall(_head("502 Bad Gateway", {"Content-Length": "0"}))
        return
    compressed = _takes_gzip(headers.get("accept-encoding", ""))
    more = {"Content-Encoding": "gzip", "Content-Length": str(len(body))} if compressed else {}
    connection.sendall(_head("200 OK", {"Content-Type": _TYPE, "Vary": "Accept-Encoding", **more}))
    if method != "HEAD":
        _send(connection, body, compressed)


def _send(connection: socket.socket, body: bytes, compressed: bool) -> None:
    """The page as it is, or piece by piece as text, which the end of the connection ends."""
    if compressed:
        connection.sendall(body)
        return
    gzip = zlib.decompressobj(31)
    while piece := gzip.decompress(body, 65536):
        connection.sendall(piece)
        body = gzip.unconsumed_tail


def _read(connection: socket.socket) -> tuple[str, dict[str, str]]:
    """A request's method and headers; HAProxy has checked both."""
    connection.settimeout(_HEAD)
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(4096)
        if not piece or len(received) > _LONGEST_HEAD:
            raise ConnectionError("not a request")
        received += piece
    first, *lines = received.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
    pairs = [line.partition(":") for line in lines]
    return first.split(" ")[0], {name.strip().lower(): value.strip() for name, _, value in pairs}


def _takes_gzip(accepted: str) -> bool:
    """Whether a client's ``Accept-Encoding`` names gzip (RFC 9110, 12.5.3)."""
    for each in accepted.lower().split(","):
        name, _, weight = each.replace(" ", "").partition(";q=")
        if name == "gzip":
            return weight not in ("0", "0.0", "0.00", "0.000")
    return False


def _head(status: str, headers: dict[str, str]) -> bytes:
    lines = [f"{name}: {value}" for name, value in {**headers, "Connection": "close"}.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()
