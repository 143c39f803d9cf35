"""``/healthz``, ``/readyz`` and ``/metrics`` of every process, on a small port of its own, for monitors and systemd."""

import contextlib
import http.server
import ipaddress
import logging
import socket
import threading
from collections.abc import Callable

from oslo_config import cfg
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from lictor.cli.host import unavailable
from lictor.cli.refusal import Refusal
from lictor.control import metrics, pulse
from lictor.model.store import Store

LOG = logging.getLogger(__name__)

PORTS = {"up": 9877, "api": 9878, "worker": 9879, "health": 9880, "housekeeping": 9881}
"""Where each command is asked unless the operator says otherwise; a second one of its kind 10 higher, and so on."""

STEP, TRIES = 10, 50

TIMEOUT = 10.0
"""Seconds that a client may take to ask."""

Answer = tuple[int, str, bytes]
"""Status, content type, body."""

_PLAIN = "text/plain; charset=utf-8"


class Probes:
    """A server in threads of its own, which answers as long as the process lives at all."""

    def __init__(
        self, conf: cfg.ConfigOpts, house: str, store: Store, collectors: list[Collector], several: bool = False
    ) -> None:
        """Binds the port. Raises ``Refusal``. ``collectors`` know more than what the process counts by itself.

        ``several`` processes may have the same configuration: the place that it names is that of the first one.
        """
        self._store = store
        # Of this process's store, where the counters are of the whole process.
        self._further = CollectorRegistry()
        for collector in collectors:
            self._further.register(collector)
        self._stuck_after = conf.lictor.stuck_after
        self._stopping = False
        self._server = _bound(conf.lictor.metrics_bind, PORTS[house], several)
        if self._server is not None:
            self._server.answers = {"/healthz": self._healthz, "/readyz": self._readyz, "/metrics": self._metrics}

    @property
    def place(self) -> str:
        """The URL to ask, or an empty text if there is none."""
        if self._server is None:
            return ""
        host, port = self._server.server_address[:2]
        return f"http://{f'[{host!s}]' if ':' in str(host) else host!s}:{port}"

    def start(self) -> None:
        """Answer."""
        if self._server is not None:
            threading.Thread(target=self._server.serve_forever, name="probes", daemon=True).start()

    def stop(self) -> None:
        """Say that this process is not ready any more; it goes on to answer until it ends."""
        self._stopping = True

    def _healthz(self) -> Answer:
        """Alive: a supervisor would not do better with another process. 503 if a thread has died."""
        return _sentences(pulse.dead())

    def _readyz(self) -> Answer:
        """Fit for work: the database answers, and all threads turn."""
        found = [*pulse.dead(), *pulse.stuck(self._stuck_after)]
        if self._stopping:
            found.append("It is stopping.")
        try:
            with self._store.look() as connection:
                connection.execute(text("SELECT 1"))
        except SQLAlchemyError:
            found.append("The database cannot be reached.")
        return _sentences(found)

    def _metrics(self) -> Answer:
        page = generate_latest(metrics.REGISTRY) + generate_latest(self._further)
        return 200, CONTENT_TYPE_LATEST, page


def _sentences(wrong: list[str]) -> Answer:
    return (503 if wrong else 200), _PLAIN, ("\n".join(wrong or ["ok"]) + "\n").encode()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    answers: dict[str, Callable[[], Answer]]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up is no news."""
        LOG.debug("A probe of %s ended early.", client_address, exc_info=True)


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(http.server.BaseHTTPRequestHandler):
    timeout = TIMEOUT
    server: _Server

    def do_GET(self) -> None:
        """Answer."""
        known = self.server.answers.get(self.path.partition("?")[0])
        nothing = f"There are {', '.join(self.server.answers)}.\n".encode()
        status, kind, body = known() if known else (404, _PLAIN, nothing)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Who asks every few seconds is not written down."""


def _bound(wanted: str | None, default: int, several: bool) -> _Server | None:
    """The server where the operator wants it, or at the first port from there on that is free."""
    if wanted == "none":
        return None
    host, port = _place(wanted) if wanted else ("127.0.0.1", default)
    further = range(port, min(port + STEP * TRIES, 65536), STEP) if several or not wanted else ()
    for each in further:
        with contextlib.suppress(Refusal):
            return _listen(host, each)
    return _listen(host, port)


def _listen(host: str, port: int) -> _Server:
    try:
        return (_Server6 if ":" in host else _Server)((host, port), _Handler)
    except OSError as error:
        raise Refusal(unavailable("TCP", host, port, "name another place with --metrics-bind", error)) from None


def _place(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        address = None
    if address is None or not port.isdecimal() or not int(port) < 65536:
        raise Refusal(
            f"[lictor] metrics_bind is {text!r}: give an IP address and a port, as in 127.0.0.1:9877, or 'none'",
            status=2,
        )
    return str(address), int(port)
