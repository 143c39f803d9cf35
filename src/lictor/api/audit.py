"""Audit: every request and its outcome as events of CADF, by keystonemiddleware, if ``[audit] enabled`` says so.

As in Octavia, requests of nobody (401) and those to open paths are not among them. The events leave by a thread of
their own: a bus that is away costs those that find no room while it is, and no user waits for it.
"""

import configparser
import io
import json
from importlib import metadata, resources
from typing import Any

import falcon
import webob
from keystonemiddleware import audit
from oslo_config import cfg
from oslo_context.context import RequestContext

from lictor import config
from lictor.api.auth.context import Context
from lictor.outbox import Outbox

GROUP = audit.AUDIT_MIDDLEWARE_GROUP
MAP = "audit_map.conf"
_IDENTITY = ("HTTP_X_USER_ID", "HTTP_X_USER_NAME", "HTTP_X_PROJECT_ID", "HTTP_X_IDENTITY_STATUS")


class Audit:
    """Falcon middleware behind the authentication."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        """Raises ``config.Misconfigured`` if events would go nowhere, or the map cannot be read."""
        self._keystone = conf.api_settings.auth_strategy == "keystone"
        self._passed_over = {word.strip().upper() for word in conf.audit.ignore_req_list.split(",")}
        self._events = _events(conf)

    def process_request(self, req: falcon.Request, _resp: falcon.Response) -> None:
        """Tell what is asked, and by whom."""
        caller = getattr(req.context, "caller", None)
        if caller is None or req.method in self._passed_over:
            return
        req.context.audited = webob.Request(self._environment(req, caller))
        self._events.asked(req.context.audited)

    def process_response(self, req: falcon.Request, resp: falcon.Response, _resource: object, _ok: bool) -> None:
        """Tell how it ended."""
        request = getattr(req.context, "audited", None)
        if request is not None:
            self._events.answered(request, webob.Response(status=resp.status_code))

    def _environment(self, req: falcon.Request, caller: Context) -> dict[str, Any]:
        """What the middleware looks at. Nothing of it is a caller's word for who he is, and no secret is in it."""
        environ = dict(req.env)
        if not self._keystone:
            told = (caller.user, caller.user, caller.project_id, "Confirmed")
            environ |= {name: value for name, value in zip(_IDENTITY, told, strict=True) if value}
        return environ | {
            "wsgi.input": io.BytesIO(),
            "CONTENT_LENGTH": "0",
            "HTTP_X_AUTH_TOKEN": "***",
            "HTTP_X_SERVICE_CATALOG": _catalogue(req),
            "openstack.request_id": req.context.request_id,
            "openstack.global_request_id": req.context.global_request_id,
            "audit.context": RequestContext(
                user_id=caller.user, project_id=caller.project_id, request_id=req.context.request_id, overwrite=False
            ),
        }


class _Events(audit.AuditMiddleware):  # type: ignore[misc]
    """The events of keystonemiddleware: around the handling of a request by Falcon, not around an application."""

    _notifier: Any

    def __init__(self, **options: Any) -> None:
        super().__init__(None, **options)
        notifier = self._notifier
        self._notifier = _Queued(Outbox[tuple[Any, ...]]("audit events", lambda event: notifier.notify(*event)))

    def asked(self, request: webob.Request) -> None:
        """The event before."""
        self._process_request(request)

    def answered(self, request: webob.Request, response: webob.Response) -> None:
        """The event after."""
        self._process_response(request, response)


class _Queued:
    """In the place of keystonemiddleware's notifier, for which a request would wait."""

    def __init__(self, outbox: Outbox[tuple[Any, ...]]) -> None:
        self._outbox = outbox

    def notify(self, *event: Any) -> None:
        self._outbox.put(event)


def _catalogue(req: falcon.Request) -> str:
    """The target of every request is this service, as its caller reached it."""
    urls = dict.fromkeys(("adminURL", "internalURL", "publicURL"), req.prefix)
    return json.dumps([{"type": "load-balancer", "name": "octavia", "endpoints": [urls]}])


def _events(conf: cfg.ConfigOpts) -> _Events:
    path = conf.audit.audit_map_file or str(resources.files("lictor.api").joinpath(MAP))
    try:
        if "log" in metadata.entry_points(group="oslo.messaging.notify.drivers").names:
            return _sent(conf, path)
        return _Events(audit_map_file=path, service_name="octavia", oslo_config_config=conf)  # Into the log.
    except OSError as error:
        raise config.Misconfigured(f"[audit] audit_map_file {path} cannot be read: {error.strerror}") from None
    except (audit.PycadfAuditApiConfigError, configparser.Error) as error:
        reason = " ".join(str(error).split())
        raise config.Misconfigured(f"[audit] audit_map_file {path} is no audit map: {reason}") from None


def _sent(conf: cfg.ConfigOpts, path: str) -> _Events:
    """By oslo.messaging, which is there."""
    from lictor import bus

    options = bus.configuration(conf)
    for group, found in audit.list_opts():
        options.register_opts(found, group=group)
    try:
        bus.notifications(conf, options[GROUP].transport_url)
    except bus.NO_ADDRESS:
        where = f"[{GROUP}] transport_url, or that of [oslo_messaging_notifications] or [DEFAULT],"
        raise config.Misconfigured(f"{where} {bus.RIGHT}") from None
    if not (options[GROUP].driver or options.oslo_messaging_notifications.driver):
        raise config.Misconfigured(
            f"[audit] is enabled, and its events would go nowhere: set [{GROUP}] driver, for example to log"
        )
    return _Events(audit_map_file=path, service_name="octavia", oslo_config_config=options)
