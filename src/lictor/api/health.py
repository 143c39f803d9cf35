"""``/healthcheck``: whether this API works, for load balancers and monitors in front of it (reference, 1.1)."""

import functools
from collections.abc import Callable
from typing import Any

import falcon

from lictor import config
from lictor.api.resource import Api

Check = Callable[[dict[str, Any]], Any]


class Healthcheck:
    """``/healthcheck``, if ``[api_settings] healthcheck_enabled``."""

    def __init__(self, api: Api) -> None:
        self._conf = api.conf
        self._enabled: bool = api.conf.api_settings.healthcheck_enabled
        if self._enabled and config.speaks_of(api.conf, "healthcheck"):
            _ = self._check  # What makes no sense in it is to be told at the start.

    @functools.cached_property
    def _check(self) -> Check:
        # With all that it needs, this is 8 MiB of memory: it waits until somebody asks.
        from lictor.api.healthcheck import check

        return check(self._conf)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Whether this API works, as text, HTML or JSON."""
        answer = self._check(req.env) if self._enabled else None
        if answer is None:
            raise falcon.HTTPNotFound()
        resp.status = answer.status
        resp.content_type = answer.headers.get("Content-Type")
        resp.data = answer.body

    on_head = on_get
