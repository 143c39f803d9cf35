"""Health monitors: ``/healthmonitors`` (reference, 1.10)."""

from typing import Any

import falcon
from sqlalchemy import select
from sqlalchemy.orm import Session

from lictor.api import errors, supported
from lictor.api.auth.context import context_of
from lictor.api.fields import changes
from lictor.api.item import Item
from lictor.api.requests.healthmonitors import MonitorInGraph, MonitorPost, MonitorPut
from lictor.api.resource import Change, Reader, begin_at, rule
from lictor.api.views import MONITORS, POOLS, Document
from lictor.model import HealthMonitor, Pool
from lictor.model.changes import mark_deleted
from lictor.model.queries import forget
from lictor.model.rules import HTTP_MONITORS, monitor_fits_pool
from lictor.model.statuses import Provisioning

_COLUMNS = (
    "name", "admin_state_up", "type", "delay", "timeout", "max_retries", "max_retries_down", "http_method", "url_path",
    "expected_codes", "http_version", "domain_name",
)  # fmt: skip
_HTTP_DEFAULTS = {"http_method": "GET", "url_path": "/", "expected_codes": "200"}
_HTTP_ONLY = (*_HTTP_DEFAULTS, "http_version", "domain_name")
_FIRST_VERSION_WITH_HOST = 1.1


def create(change: Change, pool: Pool, wanted: MonitorInGraph) -> HealthMonitor:
    """Give a pool its health monitor. Raises 400, 409 and 501."""
    values: dict[str, Any] = {name: getattr(wanted, name) for name in _COLUMNS}
    supported.check(change.api.conf, "healthmonitor", values)
    change.check_project(wanted.project_id)
    if wanted.type == "PING" and not change.api.conf.api_settings.allow_ping_health_monitors:
        raise errors.disabled_option("type", wanted.type)
    if not monitor_fits_pool(wanted.type, pool.protocol):
        raise errors.validation(
            f"Health monitor type '{wanted.type}' does not fit the pool protocol '{pool.protocol}'."
        )
    _check_http(values)
    _check_delay(change, values)
    _make_room(change, pool)
    monitor = HealthMonitor(pool_id=pool.id, **_with_defaults(values))
    change.add(monitor, wanted.tags)
    return monitor


def _with_defaults(values: dict[str, Any]) -> dict[str, Any]:
    if values["type"] not in HTTP_MONITORS:
        return values
    return values | {name: values[name] or default for name, default in _HTTP_DEFAULTS.items()}


def _check_http(values: dict[str, Any]) -> None:
    for name in _HTTP_ONLY:
        if values[name] is not None and values["type"] not in HTTP_MONITORS:
            raise errors.validation(f"{name} is only for health monitors of type HTTP or HTTPS, not {values['type']}.")
    if values["domain_name"] is not None and (values["http_version"] or 0) < _FIRST_VERSION_WITH_HOST:
        raise errors.validation("domain_name needs http_version 1.1: HTTP 1.0 does not say a host's name.")


def _check_delay(change: Change, values: dict[str, Any]) -> None:
    shortest = change.api.conf.api_settings.udp_connect_min_interval_health_monitor
    if values["type"] == "UDP-CONNECT" and values["delay"] < shortest:
        raise errors.validation(f"delay is {values['delay']}, but UDP-CONNECT needs at least {shortest} here.")


def _make_room(change: Change, pool: Pool) -> None:
    there = change.session.scalar(select(HealthMonitor).where(HealthMonitor.pool_id == pool.id))
    if there is None:
        return
    if there.provisioning_status != Provisioning.PENDING_DELETE:
        raise errors.conflict("This pool already has a health monitor")
    forget(change.session, there)
    change.session.expire(pool, ["health_monitor"])


class MonitorCollection(Reader):
    """``/healthmonitors``."""

    view = MONITORS

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List."""
        self.list(req, resp)

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Create."""
        context = context_of(req)
        wanted = self.api.parse(req, "health_monitor_", "healthmonitor", MonitorPost)

        def work(session: Session) -> Document:
            change, pool = begin_at(self.api, session, context, rule(MONITORS, "post"), POOLS, Pool, wanted.pool_id)
            monitor = create(change, pool, wanted)
            change.touch_users(pool)
            session.flush()
            return MONITORS.show(session, monitor.id)

        self.respond(resp, self.api.write(work), falcon.HTTP_201)


class MonitorItem(Item):
    """``/healthmonitors/{monitor_id}``."""

    view = MONITORS

    def on_get(self, req: falcon.Request, resp: falcon.Response, monitor_id: str) -> None:
        """Show."""
        self.show(req, resp, monitor_id)

    def on_put(self, req: falcon.Request, resp: falcon.Response, monitor_id: str) -> None:
        """Change."""
        monitor_id = MONITORS.identify(monitor_id)
        values = changes(self.api.parse(req, "health_monitor_", "healthmonitor", MonitorPut), MonitorPost, {})

        def work(change: Change, monitor: HealthMonitor) -> None:
            after = {name: getattr(monitor, name) for name in _COLUMNS} | values
            _check_http(after)
            if "delay" in values:
                _check_delay(change, after)
            change.update(monitor, {name: _with_defaults(after)[name] for name in values})
            change.touch_users(monitor.pool)

        self.alter(req, resp, monitor_id, work)

    def on_delete(self, req: falcon.Request, resp: falcon.Response, monitor_id: str) -> None:
        """Delete."""
        self.remove(req, resp, MONITORS.identify(monitor_id), _delete)


def _delete(change: Change, monitor: HealthMonitor) -> None:
    mark_deleted(change.load_balancer, monitor)
    change.touch_users(monitor.pool)
