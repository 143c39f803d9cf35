"""openstacksdk's connections to services of the cloud: as Lictor's account, or with a user's token."""

from http.cookiejar import DefaultCookiePolicy
from typing import Any

from keystoneauth1.exceptions import ClientException
from keystoneauth1.session import Session
from keystoneauth1.token_endpoint import Token
from openstack.connection import Connection
from openstack.exceptions import SDKException
from oslo_config import cfg

from lictor.drivers import cloud

FAULTS = (SDKException, ClientException)
"""What a connection raises."""

_AGAIN = 3
"""Further attempts when a connection cannot be made, or a service answers 503: neither has changed anything."""


def connect(conf: cfg.ConfigOpts, section: str, service: str) -> Connection:
    """A connection for one service as Lictor's account. Asks nobody yet. Raises ``config.Misconfigured``.

    ``service`` is openstacksdk's word for it, such as ``network``; ``section`` has the options that are about it.
    """
    return _connection(conf, section, service, cloud.session(conf, section), conf[section].endpoint)


class Users:
    """Connections for one service with users' tokens, which so see what those users see. Thread-safe.

    Each token has a connection and a session of its own. They share what is nobody's: connections of TCP, and what the
    service says of its versions; else each would ask that anew. A cookie, by which a service or a proxy before it may
    know a caller again, is never kept.
    """

    def __init__(self, conf: cfg.ConfigOpts, section: str, service: str, base: Connection) -> None:
        """The service is where ``base``, of Lictor's account, has it: Keystone need not be asked. Asks nobody yet."""
        self._conf, self._section, self._service = conf, section, service
        self._ours = base.session
        self._versions: dict[str, Any] = {}
        self._nobodys = self._session()
        self._nobodys.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def connect(self, token: str) -> Connection:
        """One for the owner of this token. Raises one of ``FAULTS``."""
        endpoint = self._endpoint()
        session = self._session(auth=Token(endpoint, token), session=self._nobodys.session)
        return _connection(self._conf, self._section, self._service, session, endpoint)

    def _session(self, **more: Any) -> Session:
        ours = self._ours
        trust: dict[str, Any] = {"verify": ours.verify, "cert": ours.cert, "timeout": ours.timeout}
        return Session(discovery_cache=self._versions, **trust, **more)

    def _endpoint(self) -> str:
        where = cloud.endpoint(self._conf, self._section)
        kind = self._service.replace("_", "-")
        return str(self._conf[self._section].endpoint or self._ours.get_endpoint(service_type=kind, **where))


def said(error: Exception) -> tuple[str, str]:
    """The type, if it has one, and the sentence of a refusal: its body is as ``{"badRequest": {"message": "…"}}``."""
    response = getattr(error, "response", None)
    try:
        (inside,) = response.json().values()  # type: ignore[union-attr]  # what has none is an AttributeError
        return str(inside.get("type", "")), str(inside["message"])
    except (AttributeError, ValueError, KeyError, TypeError):
        return "", str(error)


def _connection(conf: cfg.ConfigOpts, section: str, service: str, session: Session, endpoint: str | None) -> Connection:
    where = cloud.endpoint(conf, section)
    known: dict[str, Any] = {
        "region_name": where["region_name"],
        f"{service}_service_name": where["service_name"],
        f"{service}_interface": where["interface"].removesuffix("URL"),
        f"{service}_endpoint_override": endpoint,
        f"{service}_connect_retries": _AGAIN,
        f"{service}_status_code_retries": _AGAIN,
    }
    return Connection(session=session, **{name: value for name, value in known.items() if value})
