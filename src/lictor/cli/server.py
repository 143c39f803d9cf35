"""The embedded HTTP server: waitress in a thread, its errors in the API's shape and its words in our log.

One thread reads from all connections, and a request takes one of the others only when it has come whole: so clients
that hang keep nobody waiting, however many they are.
"""

import contextlib
import logging
import resource
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from oslo_config import cfg
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, ThreadedTaskDispatcher
from waitress.utilities import Error

from lictor.api import errors
from lictor.cli.host import unavailable
from lictor.cli.refusal import Refusal

LOG = logging.getLogger(__name__)

BACKLOG = 128
"""Connections that may wait to be accepted: a script that makes fifty load balancers at once should not be refused."""

MOST_CONNECTIONS = 1000
"""More wait in the backlog. Fewer where the limit of open files is low, as half of it is the database's and others'."""

TIMEOUT = 60
"""Seconds without a byte after which a connection is closed, and half a request refused (408)."""

LINGER = 30
"""Seconds for which the rest of a body that was refused is thrown away: a client that sends does not listen yet."""

GRACE = 5
"""Seconds that requests under way have to finish when the server stops."""

# Its warnings say that every thread was busy for a moment, at each request.
logging.getLogger("waitress.queue").setLevel(logging.ERROR)


class _Late(Error):
    code = 408
    reason = "Request Timeout"


class _Refusal(ErrorTask):
    """What cannot be handed to the application, said as the application would say it."""

    def execute(self) -> None:
        """Answer, then close: what follows on such a connection cannot be understood."""
        error: Error = self.request.error
        sentence = {
            408: f"The request did not come whole: nothing of it came for {TIMEOUT} seconds.",
            413: errors.too_large(self.channel.adj.max_request_body_size).description,
        }.get(error.code, f"Request is not valid HTTP: {error.body}")
        content = errors.encoded(error.code, sentence)
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", "application/json"))
        self.set_close_on_finish()
        self.channel.lingers = error.code == 413
        self.content_length = len(content)
        self.write(content)


class _Channel(HTTPChannel):
    error_task_class = _Refusal
    request: Any
    lingers = False
    closes_at: float | None = None

    def readable(self) -> bool:
        """Asked by the thread that reads."""
        return self.closes_at is not None or super().readable()

    def writable(self) -> bool:
        """Asked by the thread that reads."""
        return self.closes_at is None and super().writable()

    def handle_read(self) -> None:
        """Once we have refused, what still comes is of no interest."""
        if self.closes_at is None:
            super().handle_read()
        elif time.monotonic() < self.closes_at:
            self.recv(2**20)
        else:
            self.handle_close()

    def handle_close(self) -> None:
        """Close; after a refusal only when the client has stopped to send, as a reset would take our answer away."""
        if self.lingers and self.closes_at is None:
            self.closes_at = time.monotonic() + LINGER
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)
        else:
            super().handle_close()

    def expire(self) -> None:
        """Say that time is up to a client that began a request; close the connection of one that said nothing."""
        if self.closes_at is not None:
            self.handle_close()
            return
        with self.requests_lock:
            late, self.request = self.request, None
            if late is None:
                self.will_close = True
                return
            late.error = _Late("")
            self.last_activity = time.time()
            self.requests.append(late)
        self.server.add_task(self)


class _Server(TcpWSGIServer):
    channel_class = _Channel

    def maintenance(self, now: float) -> None:
        """Called every few seconds by the thread that reads."""
        for channel in list(self.active_channels.values()):
            if not channel.requests and channel.last_activity < now - self.adj.channel_timeout:
                channel.expire()


class ApiServer:
    """Serves a WSGI application on ``[api_settings] bind_host`` and ``bind_port``."""

    def __init__(self, conf: cfg.ConfigOpts, app: Callable[..., Any], broken: Callable[[], None]) -> None:
        """``broken`` is called if the serving thread ends by itself. Raises ``Refusal`` if the port is taken."""
        options = conf.api_settings
        self._broken = broken
        self._connections: dict[int, Any] = {}
        self._stopping = threading.Event()
        self._workers = ThreadedTaskDispatcher()
        self._server = _Server(
            app,
            self._connections,
            _sock=(listening := _bind(options.bind_host, options.bind_port)),
            dispatcher=self._workers,
            adj=_adjustments(options, listening),
            sockinfo=(listening.family, listening.type, listening.proto, listening.getsockname()),
            bind_socket=False,
        )
        self.port: int = listening.getsockname()[1]
        self._threads = options.threads
        self._thread = threading.Thread(target=self._serve, name="api", daemon=True)

    def start(self) -> None:
        """Answer requests; those that came since the port was opened first."""
        self._workers.set_thread_count(self._threads)
        self._thread.start()

    def stop(self) -> None:
        """Finish the requests under way (for five seconds), then close."""
        self._stopping.set()
        self._server.pull_trigger()
        self._thread.join(GRACE)
        self._workers.shutdown(timeout=GRACE)
        wasyncore.close_all(self._connections)

    def _serve(self) -> None:
        try:
            while not self._stopping.is_set():
                wasyncore.loop(timeout=1, use_poll=True, map=self._connections, count=1)
        except Exception:
            LOG.exception("The API server ended by itself.")
            self._broken()


def _adjustments(options: Any, listening: socket.socket) -> Adjustments:
    open_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Adjustments(
        sockets=[listening],
        threads=options.threads,
        backlog=BACKLOG,
        connection_limit=min(MOST_CONNECTIONS, open_files // 2),
        channel_timeout=TIMEOUT,
        cleanup_interval=5,
        max_request_body_size=options.max_request_body_size,
        # Whether a proxy's headers count is the application's to decide ([oslo_middleware]).
        clear_untrusted_proxy_headers=False,
        ident=None,
    )


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise Refusal(unavailable("TCP", host, port, "name another one with --port", error)) from None
    listening.listen(BACKLOG)
    return listening
