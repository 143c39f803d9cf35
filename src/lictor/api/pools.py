"""Pools: ``/pools`` (reference, 1.8)."""

from typing import Any

import falcon
from sqlalchemy import select
from sqlalchemy.orm import Session

from lictor.api import certificates, errors, healthmonitors, members, supported, tls
from lictor.api.auth.context import context_of
from lictor.api.fields import changes, given
from lictor.api.item import Item
from lictor.api.requests.pools import PoolInGraph, PoolPost, PoolPut, SessionPersistence
from lictor.api.resource import Change, Reader, begin, rule
from lictor.api.views import LISTENERS, POOLS, Document
from lictor.model import L7Policy, Listener, Pool
from lictor.model.changes import mark_deleted, mark_updated
from lictor.model.queries import users
from lictor.model.rules import DATAGRAM_POOLS, HTTP_LISTENERS, pool_fits_listener, wrong_with_pool_tls
from lictor.model.statuses import Provisioning

_COLUMNS = (
    "name", "description", "admin_state_up", "protocol", "lb_algorithm", "tls_enabled", "tls_container_ref",
    "ca_tls_container_ref", "crl_container_ref", "tls_ciphers", "tls_versions", "alpn_protocols",
)  # fmt: skip
_DATAGRAM_ONLY = ("persistence_timeout", "persistence_granularity")


def create(change: Change, wanted: PoolInGraph) -> Pool:
    """Add a pool with its members and health monitor to a load balancer. Raises 400, 409 and 501."""
    values: dict[str, Any] = {name: getattr(wanted, name) for name in _COLUMNS}
    for name in ("protocol", "lb_algorithm"):
        if values[name] is None:
            raise errors.missing_field(name)
    supported.check(change.api.conf, "pool", values)
    change.check_project(wanted.project_id)
    _check_tls(change, str(wanted.protocol), values, {})
    pool = Pool(session_persistence=_persistence(wanted.session_persistence, str(wanted.protocol), None), **values)
    change.add(pool, wanted.tags)
    members.create_all(change, pool, wanted.members)
    if wanted.healthmonitor is not None:
        healthmonitors.create(change, pool, wanted.healthmonitor)
    return pool


def _check_tls(change: Change, protocol: str, named: dict[str, Any], before: dict[str, Any]) -> None:
    after = before | named
    if (sentence := wrong_with_pool_tls(protocol, after)) is not None:
        raise errors.validation(sentence)
    tls.check(change.api.conf, named)
    if after["tls_enabled"]:
        defaults = tls.defaults(change.api.conf, "pool")
        named.update({name: default for name, default in defaults.items() if after[name] is None})
        tls.check_spoken(change.api.conf, before | named)


def check_fit(change: Change, listener: Listener, pool: Pool) -> None:
    """Raises 400 unless the listener may use the pool."""
    if listener.protocol == "PROMETHEUS":
        raise errors.no_children(listener.protocol)
    if not pool_fits_listener(listener.protocol, pool.protocol):
        raise errors.validation(
            f"The pool protocol '{pool.protocol}' is invalid while the listener protocol is '{listener.protocol}'."
        )
    check_cookies(listener.protocol, pool)
    members.check_reached(change, pool)


def check_cookies(listener_protocol: str, pool: Pool) -> None:
    """Raises 400 if the pool's cookies would have to be set in traffic that is not looked into."""
    kind = (pool.session_persistence or {}).get("type")
    if kind in ("HTTP_COOKIE", "APP_COOKIE") and listener_protocol not in HTTP_LISTENERS:
        raise errors.validation(
            f"session_persistence {kind} needs HTTP, but the listener's protocol is '{listener_protocol}'."
        )


def _persistence(asked: SessionPersistence | None, protocol: str, old: dict[str, Any] | None) -> dict[str, Any] | None:
    """The session persistence to store; what an update leaves out keeps its old value. Raises 400."""
    if asked is None:
        return None
    named = {name: value for name, value in given(asked).items() if value is not None}
    kept = old if old and named.get("type", old["type"]) == old["type"] else {}
    result: dict[str, Any] = dict.fromkeys(asked.__struct_fields__) | kept | named
    if result["type"] is None:
        raise errors.missing_field("session_persistence.type")
    _check_persistence(result, protocol)
    return result


def _check_persistence(wanted: dict[str, Any], protocol: str) -> None:
    kind = wanted["type"]
    if (kind == "APP_COOKIE") != (wanted["cookie_name"] is not None):
        verb = "needs" if kind == "APP_COOKIE" else "takes no"
        raise errors.validation(f"session_persistence type {kind} {verb} cookie_name.")
    if protocol in DATAGRAM_POOLS:
        if kind != "SOURCE_IP":
            raise errors.validation(f"session_persistence type {kind} does not fit a {protocol} pool, only SOURCE_IP.")
        return
    for name in _DATAGRAM_ONLY:
        if wanted[name] is not None:
            raise errors.validation(f"session_persistence {name} is only for pools of protocol UDP or SCTP.")
    if kind != "SOURCE_IP" and protocol not in ("HTTP", "PROXY", "PROXYV2"):
        raise errors.validation(f"session_persistence type {kind} does not fit a pool of protocol {protocol}.")


class PoolCollection(Reader):
    """``/pools``."""

    view = POOLS

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List."""
        self.list(req, resp)

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Create."""
        context = context_of(req)
        wanted = self.api.parse(req, "pool_", "pool", PoolPost)
        action = rule(POOLS, "post")
        with self.api.store.read() as session:
            parent = _load_balancer_of(session, wanted)
        members.check_outside_below(self.api, context, action, parent, wanted.members)
        certificates.check_new_below(self.api, context, action, parent, wanted)

        def work(session: Session) -> Document:
            change = begin(self.api, session, context, action, parent)
            listener = change.find(LISTENERS, Listener, wanted.listener_id) if wanted.listener_id else None
            if listener is not None and listener.default_pool_id:
                raise errors.conflict("This listener already has a default pool")
            pool = create(change, wanted)
            if listener is not None:
                check_fit(change, listener, pool)
                change.update(listener, {"default_pool_id": pool.id})
            session.flush()
            return POOLS.show(session, pool.id)

        self.respond(resp, self.api.write(work), falcon.HTTP_201)


def _load_balancer_of(session: Session, wanted: PoolPost) -> str:
    if wanted.loadbalancer_id is not None:
        return wanted.loadbalancer_id
    if wanted.listener_id is None:
        raise errors.validation("Must provide at least one of: loadbalancer_id, listener_id")
    parent = session.scalar(select(Listener.load_balancer_id).where(Listener.id == wanted.listener_id))
    if parent is None:
        raise LISTENERS.not_found(wanted.listener_id)
    return parent


class PoolItem(Item):
    """``/pools/{pool_id}``."""

    view = POOLS

    def on_get(self, req: falcon.Request, resp: falcon.Response, pool_id: str) -> None:
        """Show."""
        self.show(req, resp, pool_id)

    def on_put(self, req: falcon.Request, resp: falcon.Response, pool_id: str) -> None:
        """Change."""
        pool_id, context = POOLS.identify(pool_id), context_of(req)
        wanted = self.api.parse(req, "pool_", "pool", PoolPut)
        values = changes(wanted, PoolPost, {})
        supported.check(self.api.conf, "pool", values)
        action = rule(POOLS, "put")
        confirm = certificates.check_update(self.api, context, action, certificates.POOL, Pool, pool_id, values)

        def work(change: Change, pool: Pool) -> None:
            named = _columns(pool, values)
            _check_tls(change, pool.protocol, named, {name: getattr(pool, name) for name in _COLUMNS})
            change.update(pool, named)
            confirm(pool)
            for listener in users(change.session, pool):
                check_cookies(listener.protocol, pool)
            change.touch_users(pool)

        self.alter(req, resp, pool_id, work)

    def on_delete(self, req: falcon.Request, resp: falcon.Response, pool_id: str) -> None:
        """Delete, with members and health monitor."""
        self.remove(req, resp, POOLS.identify(pool_id), delete)


def _columns(pool: Pool, values: dict[str, Any]) -> dict[str, Any]:
    if "session_persistence" not in values:
        return dict(values)
    persistence = _persistence(values["session_persistence"], pool.protocol, pool.session_persistence)
    return values | {"session_persistence": persistence}


def delete(change: Change, pool: Pool) -> None:
    """Mark a pool and what is in it; listeners that sent their traffic there have no default pool then. Raises 409."""
    using = select(L7Policy.id).where(L7Policy.redirect_pool_id == pool.id)
    policy_id = change.session.scalar(using.where(L7Policy.provisioning_status != Provisioning.PENDING_DELETE).limit(1))
    if policy_id is not None:
        raise errors.conflict(f"Pool {pool.id} is in use by L7 policy {policy_id}")
    listeners = list(pool.listeners)
    for listener in listeners:
        listener.default_pool_id = None
    mark_updated(change.load_balancer, *listeners)
    mark_deleted(change.load_balancer, *pool.members, pool)
    if pool.health_monitor is not None:
        mark_deleted(change.load_balancer, pool.health_monitor)
