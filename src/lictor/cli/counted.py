"""Counts what the API answers, for ``/metrics``: around the application, which need not know of it."""

import time
from collections.abc import Iterable
from typing import Any

from lictor.api.middleware import Application
from lictor.control import metrics, pulse

_KNOWN = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})


def counted(application: Application) -> Application:
    """The application, with each answer counted by method and status, and timed by method."""

    def application_that_counts(environment: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        given = environment.get("REQUEST_METHOD", "")
        method = given if given in _KNOWN else "other"  # a client shall not choose how many names there are

        def start(status: str, *more: Any) -> Any:
            metrics.REQUESTS.labels(method, status[:3]).inc()
            return start_response(status, *more)

        began = time.perf_counter()
        with pulse.busy():
            try:
                return application(environment, start)
            finally:
                metrics.REQUEST_SECONDS.labels(method).observe(time.perf_counter() - began)

    return application_that_counts
