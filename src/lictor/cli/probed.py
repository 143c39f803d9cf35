"""Probes and metrics of the API below another WSGI server, which may have any number of processes: a port for each."""

import logging
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

from lictor.api.middleware import Application
from lictor.cli.probes import Probes
from lictor.cli.refusal import Refusal

LOG = logging.getLogger(__name__)


class Probed:
    """The application. The first request that a process gets starts its probes: the server may fork until then."""

    def __init__(self, application: Application, make: Callable[[], Probes]) -> None:
        self._application = application
        self._make = make
        self._started_in = 0
        self._starting = threading.Lock()

    def __call__(self, environment: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        if self._started_in != os.getpid():
            with self._starting:
                self._start()
        return self._application(environment, start_response)

    def _start(self) -> None:
        if self._started_in == os.getpid():
            return
        self._started_in = os.getpid()
        try:
            probes = self._make()
        except Refusal as refusal:
            LOG.warning("This process has no probes and no metrics: %s", refusal)
            return
        probes.start()
        LOG.info("%s tells how this process does.", probes.place or "No port")
