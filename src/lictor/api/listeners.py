"""Listeners: ``/listeners`` (reference, 1.7)."""

from typing import Any

import falcon
from sqlalchemy import select
from sqlalchemy.orm import Session

from lictor.api import certificates, errors, expressions, l7policies, listenerchecks, members, nested, pools, supported
from lictor.api.auth.context import authorize, context_of
from lictor.api.fields import changes
from lictor.api.item import Item
from lictor.api.requests.listeners import ListenerInGraph, ListenerPost, ListenerPut
from lictor.api.resource import Api, Change, Reader, answer, begin, rule
from lictor.api.views import LISTENERS, POOLS, Document
from lictor.model import Listener, ListenerStatistics, Pool
from lictor.model.changes import mark_deleted
from lictor.model.queries import forget, statistics
from lictor.model.rules import same_port_class
from lictor.model.statuses import Provisioning

_TIMEOUTS = ("timeout_client_data", "timeout_member_connect", "timeout_member_data", "timeout_tcp_inspect")
_COLUMNS = (
    "name", "description", "admin_state_up", "protocol", "protocol_port", "connection_limit",
    "default_tls_container_ref", "sni_container_refs", "client_ca_tls_container_ref", "client_authentication",
    "client_crl_container_ref", "insert_headers", *_TIMEOUTS, "allowed_cidrs", "tls_ciphers", "tls_versions",
    "alpn_protocols", "hsts_max_age", "hsts_include_subdomains", "hsts_preload",
)  # fmt: skip


def timeouts(api: Api) -> dict[str, Any]:
    """The timeouts, in milliseconds, of listeners that name none."""
    options: Any = api.conf.haproxy_amphora
    return {name: getattr(options, name) for name in _TIMEOUTS}


def columns(listener: Listener) -> dict[str, Any]:
    """What a listener is now."""
    return {name: getattr(listener, name) for name in _COLUMNS}


def create(change: Change, wanted: ListenerInGraph, named: nested.Pools) -> Listener:
    """Add a listener with its L7 policies to a load balancer. Raises 400, 404, 409 and 501."""
    values = {name: value for name in _COLUMNS if (value := getattr(wanted, name)) is not None}
    supported.check(change.api.conf, "listener", values)
    change.check_project(wanted.project_id)
    listenerchecks.check_switches(change.api.conf, wanted)
    values = timeouts(change.api) | values
    listenerchecks.check(change, wanted.protocol, values, {})
    _make_room(change, wanted.protocol, wanted.protocol_port)
    default_pool = _default_pool(change, wanted, named)
    listener = Listener(default_pool_id=default_pool.id if default_pool else None, **values)
    if default_pool is not None:
        pools.check_fit(change, listener, default_pool)
    change.add(listener, wanted.tags)
    if wanted.l7policies:
        l7policies.create(change, listener, wanted.l7policies, named)
    return listener


def _default_pool(change: Change, wanted: ListenerInGraph, named: nested.Pools) -> Pool | None:
    if wanted.default_pool is not None:
        if wanted.default_pool_id is not None:
            raise errors.validation("A listener has default_pool or default_pool_id, not both.")
        return named.find(wanted.default_pool)
    return change.find(POOLS, Pool, wanted.default_pool_id) if wanted.default_pool_id else None


def _make_room(change: Change, protocol: str, port: int) -> None:
    for there in _listeners_on(change, port):
        if there.protocol not in same_port_class(protocol):
            continue
        if there.provisioning_status != Provisioning.PENDING_DELETE:
            raise errors.conflict(
                f"Another Listener on this Load Balancer is already using protocol {there.protocol} "
                f"and protocol_port {port}"
            )
        forget(change.session, there)


def _listeners_on(change: Change, port: int) -> list[Listener]:
    if change.load_balancer_is_new:
        # All its listeners are this request's: asking the database would only cost time.
        return [row for row in change.made if isinstance(row, Listener) and row.protocol_port == port]
    where = (Listener.load_balancer_id == change.load_balancer.id, Listener.protocol_port == port)
    return list(change.session.scalars(select(Listener).where(*where)))


class ListenerCollection(Reader):
    """``/listeners``."""

    view = LISTENERS

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List."""
        self.list(req, resp)

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Create, with the pools and L7 policies that the request puts below."""
        context = context_of(req)
        wanted = self.api.parse(req, "listener_", "listener", ListenerPost)
        definitions = nested.in_listener(wanted)
        action, parent = rule(LISTENERS, "post"), wanted.loadbalancer_id
        members.check_outside_below(self.api, context, action, parent, nested.members_of(definitions))
        expressions.check_rules(expressions.in_listeners([wanted]))
        certificates.check_new_below(self.api, context, action, wanted.loadbalancer_id, wanted)

        def work(session: Session) -> Document:
            change = begin(self.api, session, context, action, wanted.loadbalancer_id)
            listener = create(change, wanted, nested.Pools(change, definitions))
            session.flush()
            return LISTENERS.show(session, listener.id)

        self.respond(resp, self.api.write(work), falcon.HTTP_201)


class ListenerItem(Item):
    """``/listeners/{listener_id}``."""

    view = LISTENERS

    def on_get(self, req: falcon.Request, resp: falcon.Response, listener_id: str) -> None:
        """Show."""
        self.show(req, resp, listener_id)

    def on_put(self, req: falcon.Request, resp: falcon.Response, listener_id: str) -> None:
        """Change."""
        listener_id, context = LISTENERS.identify(listener_id), context_of(req)
        values = changes(self.api.parse(req, "listener_", "listener", ListenerPut), ListenerPost, timeouts(self.api))
        supported.check(self.api.conf, "listener", values)
        action = rule(LISTENERS, "put")
        confirm = certificates.check_update(
            self.api, context, action, certificates.LISTENER, Listener, listener_id, values
        )

        def work(change: Change, listener: Listener) -> None:
            named = dict(values)
            listenerchecks.check(change, listener.protocol, named, columns(listener))
            if values.get("default_pool_id"):
                pools.check_fit(change, listener, change.find(POOLS, Pool, values["default_pool_id"]))
            change.update(listener, named)
            confirm(listener)

        self.alter(req, resp, listener_id, work)

    def on_delete(self, req: falcon.Request, resp: falcon.Response, listener_id: str) -> None:
        """Delete; the pools stay."""
        self.remove(req, resp, LISTENERS.identify(listener_id), delete)


def delete(change: Change, listener: Listener) -> None:
    """Mark a listener, its L7 policies and their rules."""
    for policy in listener.l7policies:
        mark_deleted(change.load_balancer, policy, *policy.rules)
    mark_deleted(change.load_balancer, listener)


class ListenerStats(Reader):
    """``/listeners/{listener_id}/stats``."""

    view = LISTENERS

    def on_get(self, req: falcon.Request, resp: falcon.Response, listener_id: str) -> None:
        """What the listener carried so far."""
        listener_id = LISTENERS.identify(listener_id)
        with self.api.store.read() as session:
            project_id = LISTENERS.project(session, listener_id)
            authorize(context_of(req), rule(LISTENERS, "get_stats"), project_id)
            answer(resp, {"stats": statistics(session, ListenerStatistics.listener_id, listener_id)})
