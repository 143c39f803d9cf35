"""The embedded HTTP server: cheroot in a thread, its words in our log."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from cheroot import wsgi
from oslo_config import cfg

from lictor.cli.host import unavailable
from lictor.cli.refusal import Refusal

LOG = logging.getLogger(__name__)

BACKLOG = 128
"""Connections that may wait to be accepted: a script that makes fifty load balancers at once should not be refused."""


MOST_THREADS = 200
"""A client that hangs, in the middle of a request or before it, holds a thread for as long as the timeout lasts."""


class _Server(wsgi.Server):
    def process_conn(self, conn: Any) -> None:
        # Whoever hangs must not keep others waiting: there is a thread for every connection, up to the most there are.
        missing = self.requests.qsize + 1 - self.requests.idle
        if missing > 0:
            self.requests.grow(missing)
        super().process_conn(conn)

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        LOG.log(level, "%s", msg, exc_info=traceback)


class ApiServer:
    """Serves a WSGI application on ``[api_settings] bind_host`` and ``bind_port``."""

    def __init__(self, conf: cfg.ConfigOpts, app: Callable[..., Any], broken: Callable[[], None]) -> None:
        """``broken`` is called if the serving thread ends by itself. Raises ``Refusal`` if the port is taken."""
        options = conf.api_settings
        self._broken = broken
        self._server = _Server(
            (options.bind_host, options.bind_port),
            app,
            numthreads=min(options.threads, MOST_THREADS),
            max=MOST_THREADS,
            request_queue_size=BACKLOG,
            timeout=60,
        )
        try:
            self._server.prepare()
        except OSError as error:
            cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
            cure = "name another one with --port"
            raise Refusal(unavailable("TCP", options.bind_host, options.bind_port, cure, cause)) from None
        self._thread = threading.Thread(target=self._serve, name="api", daemon=True)

    def start(self) -> None:
        """Answer requests; those that came since the port was opened first."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the requests under way (for five seconds), then close."""
        self._server.stop()

    def _serve(self) -> None:
        try:
            self._server.serve()
        except Exception:
            LOG.exception("The API server ended by itself.")
            self._broken()
