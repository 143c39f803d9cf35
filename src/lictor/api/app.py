"""The API as one WSGI application: what stands around the routes of ``lictor.api.routes``."""

from collections.abc import Callable
from typing import Any

import falcon
from falcon.routing import CompiledRouter
from oslo_config import cfg

from lictor.api import errors, middleware, routes
from lictor.api.auth import authentication
from lictor.api.auth.enforcer import Policies
from lictor.api.resource import Api
from lictor.drivers.inventory import Anything, Inventory
from lictor.drivers.network.base import Networking
from lictor.drivers.secrets.base import Secrets
from lictor.model.store import Store


class _Router(CompiledRouter):
    """Has one route for all names of a path: routes cost time at the start, and memory for ever."""

    def find(self, uri: str, req: falcon.Request | None = None) -> Any:
        """The route of a path, whichever of its names that is."""
        return super().find(routes.one_name(uri), req)


def create_app(
    conf: cfg.ConfigOpts,
    store: Store,
    networking: Networking,
    secrets: Secrets,
    wake: Callable[[], None],
    strategy: authentication.Strategy | None = None,
    inventory: Inventory | None = None,
) -> middleware.Application:
    """The WSGI application. ``wake`` is called after every write that was committed, from the request's thread.

    ``strategy`` finds out who asks, if not as ``[api_settings] auth_strategy`` says. ``inventory`` knows what
    amphorae can be made of; without one, of anything. Raises ``config.Misconfigured``.
    """
    api = Api(conf, store, networking, secrets, wake, inventory or Anything(conf))
    guard = authentication.Authentication(strategy or authentication.strategy(conf, Policies(conf)))
    chain = middleware.chain(guard, *_audit(conf))
    app: falcon.App[Any, Any] = falcon.App(middleware=chain, router=_Router())
    app.req_options.strip_url_path_trailing_slash = True
    errors.register(app)
    for path, route in routes.every():
        app.add_route(path, route.build(api))
    return middleware.behind_proxies(conf, app)


def _audit(conf: cfg.ConfigOpts) -> list[Any]:
    if not conf.audit.enabled:
        return []
    from lictor.api.audit import Audit  # Megabytes that only those pay who need it.

    return [Audit(conf)]
