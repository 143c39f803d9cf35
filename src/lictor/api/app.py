"""The API as one WSGI application: which path leads where (reference, 1.1 and 1.3)."""

from collections.abc import Callable
from typing import Any

import falcon
from oslo_config import cfg

from lictor.api import auth, discovery, errors, middleware, neutron
from lictor.api.healthmonitors import MonitorCollection, MonitorItem
from lictor.api.listeners import ListenerCollection, ListenerItem, ListenerStats
from lictor.api.loadbalancers import (
    LoadBalancerCollection,
    LoadBalancerItem,
    LoadBalancerStats,
    LoadBalancerStatus,
)
from lictor.api.members import MemberCollection, MemberItem
from lictor.api.pools import PoolCollection, PoolItem
from lictor.api.providers import ProviderCollection
from lictor.api.resource import Api
from lictor.drivers.network.base import Networking
from lictor.model.store import Store

VERSION_PREFIXES = ("/v2.0", "/v2")


def create_app(
    conf: cfg.ConfigOpts, store: Store, networking: Networking, wake: Callable[[], None]
) -> falcon.App[Any, Any]:
    """The WSGI application. ``wake`` is called after every write that was committed, from the request's thread."""
    api = Api(conf, store, networking, wake)
    app: falcon.App[Any, Any] = falcon.App(middleware=middleware.chain(auth.Authentication(auth.strategy(conf))))
    app.req_options.strip_url_path_trailing_slash = True
    errors.register(app)
    _add_discovery(app, api)
    for prefix in VERSION_PREFIXES:
        _add_neutron(app, api, prefix)
        for root in (prefix, f"{prefix}/lbaas"):
            _add_resources(app, api, root)
    return app


def _add_resources(app: falcon.App[Any, Any], api: Api, root: str) -> None:
    balancer, listener, pool = "/loadbalancers/{load_balancer_id}", "/listeners/{listener_id}", "/pools/{pool_id}"
    routes = {
        "/loadbalancers": LoadBalancerCollection(api),
        balancer: LoadBalancerItem(api),
        f"{balancer}/stats": LoadBalancerStats(api),
        f"{balancer}/status": LoadBalancerStatus(api),
        f"{balancer}/statuses": LoadBalancerStatus(api),
        "/listeners": ListenerCollection(api),
        listener: ListenerItem(api),
        f"{listener}/stats": ListenerStats(api),
        "/pools": PoolCollection(api),
        pool: PoolItem(api),
        f"{pool}/members": MemberCollection(api),
        f"{pool}/members/{{member_id}}": MemberItem(api),
        "/healthmonitors": MonitorCollection(api),
        "/healthmonitors/{monitor_id}": MonitorItem(api),
        "/providers": ProviderCollection(),
    }
    for path, resource in routes.items():
        app.add_route(root + path, resource)


def _add_discovery(app: falcon.App[Any, Any], api: Api) -> None:
    for path in ("/", "/load-balancer"):
        app.add_route(path, discovery.Root(api.conf))
    for path in ("/healthcheck", "/load-balancer/healthcheck"):
        app.add_route(path, discovery.Healthcheck(api.store))
    for prefix in VERSION_PREFIXES:
        for path in (prefix, f"{prefix}/lbaas", f"{prefix}/octavia"):
            app.add_route(path, discovery.Node(path.rsplit("/", 1)[1]))
    _add_kind(app, api, "", neutron.PROJECTS)


def _add_neutron(app: falcon.App[Any, Any], api: Api, prefix: str) -> None:
    for kind in neutron.NETWORK_KINDS:
        _add_kind(app, api, prefix, kind)


def _add_kind(app: falcon.App[Any, Any], api: Api, prefix: str, kind: neutron.Kind) -> None:
    app.add_route(f"{prefix}/{kind.path}", neutron.Collection(api, kind))
    app.add_route(f"{prefix}/{kind.path}/{{object_id}}", neutron.Item(api, kind))
