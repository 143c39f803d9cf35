"""What ``/healthcheck`` looks at, and how it says so: oslo.middleware's check, with its options and its three forms.

What it looks at by default is the database.
"""

from collections.abc import Callable
from typing import Any

import webob
from oslo_config import cfg
from oslo_middleware import healthcheck
from oslo_middleware.healthcheck import opts, pluginbase
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from lictor import config
from lictor.model.store import Store

BACKEND = "octavia_db_check"

DEFAULTS: dict[str, object] = {"backends": [BACKEND]}


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


def check(conf: cfg.ConfigOpts) -> Callable[[dict[str, Any]], webob.Response | None]:
    """Answers a request by its WSGI environment; None if it is not for whoever asks: ``allowed_source_ranges``."""
    conf.register_opts(opts.HEALTHCHECK_OPTS, group="healthcheck")
    for name, value in DEFAULTS.items():
        conf.set_default(name, value, group="healthcheck")
    made = healthcheck.Healthcheck(None, conf)
    return lambda environment: made.process_request(webob.Request(environment))
