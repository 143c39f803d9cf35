"""What happens to every request and answer, whatever it is about."""

import logging
import re
from collections.abc import Callable, Iterable
from typing import Any

import falcon
from oslo_config import cfg

from lictor import config
from lictor.model import new_id, trail

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]

LOG = logging.getLogger(__name__)

_REQUEST_ID = re.compile(r"req-[a-f0-9]{8}(-[a-f0-9]{4}){3}-[a-f0-9]{12}")


class RequestId:
    """Gives each request an id, says it in the answer, as oslo.middleware does, and writes both down.

    Clients that wait ask over and over: a question that was answered is written down only for whoever debugs, or traces
    it by an id of his own. (A WSGI server has a log for all that is asked.)

    An id that the caller sends names the whole operation that this request is one of: it goes into the log beside
    ours, if it has the form of one, and never takes its place.
    """

    def process_request(self, req: falcon.Request, _resp: falcon.Response) -> None:
        """Choose the id."""
        req.context.request_id = f"req-{new_id()}"
        trail.Trail(req.context.request_id)
        sent = req.get_header("X-Openstack-Request-Id") or ""
        req.context.global_request_id = sent if _REQUEST_ID.fullmatch(sent) else None

    def process_response(self, req: falcon.Request, resp: falcon.Response, _resource: object, _ok: bool) -> None:
        """Say it, and log what was asked and answered."""
        resp.set_header("x-openstack-request-id", req.context.request_id)
        plain = req.method == "GET" and resp.status_code < 400 and req.context.global_request_id is None
        level, known_as = logging.DEBUG if plain else logging.INFO, req.context.global_request_id or "-"
        LOG.log(level, "%s %s %r -> %s", known_as, req.method, req.path, resp.status_code)


_TEXTS = ("/healthcheck", "/load-balancer/healthcheck", "/docs")


class JsonOnly:
    """Answers are JSON, but for those to be read by people: callers who do not take that get 406.

    A path may end in ``.json`` to say so.
    """

    def process_request(self, req: falcon.Request, _resp: falcon.Response) -> None:
        """Check the Accept header and take the suffix off."""
        if req.path not in _TEXTS and req.accept and not req.client_accepts_json:
            raise falcon.HTTPNotAcceptable()
        if req.path != "/openapi.json":
            req.path = req.path.removesuffix(".json")


def chain(*guards: Any) -> list[Any]:
    """The middleware in the order in which a request meets it; ``guards`` are who finds out who asks, and audits."""
    return [RequestId(), *guards, JsonOnly()]


CORS_DEFAULTS: dict[str, object] = {
    "allow_methods": ["GET", "POST", "PUT", "DELETE"],
    "allow_headers": ["X-Auth-Token", "X-Project-Id", "Authorization"],
    "expose_headers": ["X-Openstack-Request-Id"],
}
"""What pages of other origins may do, if ``[cors]`` lets them in and says no more."""


def behind_proxies(conf: cfg.ConfigOpts, app: Application) -> Application:
    """The application with what oslo.middleware puts around it, if its options ask for any (reference, 1.1).

    ``[cors] allowed_origin`` lets pages of other origins in; ``[oslo_middleware] enable_proxy_headers_parsing`` makes
    links that lead through the proxy in front of us. What is switched off costs nothing: oslo.middleware, which has
    these options, is 8 MiB of memory, and nobody needs it who does not speak of them.
    """
    if config.speaks_of(conf, "oslo_middleware", "cors"):
        return _as_asked(conf, app)
    return app


def _as_asked(conf: cfg.ConfigOpts, app: Application) -> Application:
    from oslo_middleware import cors, http_proxy_to_wsgi

    conf.register_opts(http_proxy_to_wsgi.OPTS, group="oslo_middleware")
    conf.register_opts(cors.CORS_OPTS, group="cors")
    if conf.oslo_middleware.enable_proxy_headers_parsing:
        app = http_proxy_to_wsgi.HTTPProxyToWSGI(app, conf)
    if conf.cors.allowed_origin:
        for name, value in CORS_DEFAULTS.items():
            conf.set_default(name, value, group="cors")
        app = cors.CORS(app, conf)
    return app
