"""``/healthcheck``: whether this API works, for load balancers and monitors in front of it (reference, 1.1).

The check is oslo.middleware's, with its options (``[healthcheck]``) and its three forms; what it looks at by default is
the database.
"""

from typing import Any

import falcon
import webob
from oslo_config import cfg
from oslo_middleware import healthcheck
from oslo_middleware.healthcheck import opts, pluginbase
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from lictor import config
from lictor.api.resource import Api
from lictor.model.store import Store

BACKEND = "octavia_db_check"


class DatabaseCheck(pluginbase.HealthcheckBaseExtension):
    """Whether the database answers; by Octavia's name, so that an operator's options go on working."""

    def __init__(self, oslo_conf: cfg.ConfigOpts, conf: dict[str, Any]) -> None:
        super().__init__(oslo_conf, conf)
        self._store = Store(config.database_url(oslo_conf))

    def healthcheck(self, server_port: int) -> pluginbase.HealthcheckResult:
        """Ask it the smallest question there is."""
        try:
            with self._store.read() as session:
                session.execute(text("SELECT 1"))
        except SQLAlchemyError:
            return pluginbase.HealthcheckResult(False, reason="The database cannot be reached.")
        return pluginbase.HealthcheckResult(True, reason="OK")


class Healthcheck:
    """``/healthcheck``, if ``[api_settings] healthcheck_enabled``."""

    def __init__(self, api: Api) -> None:
        self._check = _check(api.conf) if api.conf.api_settings.healthcheck_enabled else None

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Whether this API works, as text, HTML or JSON."""
        answer = self._check.process_request(webob.Request(req.env)) if self._check else None
        if answer is None:  # switched off, or not for whoever asks: [healthcheck] allowed_source_ranges
            raise falcon.HTTPNotFound()
        resp.status = answer.status
        resp.content_type = answer.headers.get("Content-Type")
        resp.data = answer.body

    on_head = on_get


def _check(conf: cfg.ConfigOpts) -> healthcheck.Healthcheck:
    conf.register_opts(opts.HEALTHCHECK_OPTS, group="healthcheck")
    conf.set_default("backends", [BACKEND], group="healthcheck")
    return healthcheck.Healthcheck(None, conf)
