"""openstacksdk's connections to services of the cloud: as Lictor's account, or with a user's token."""

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


def as_user(conf: cfg.ConfigOpts, section: str, service: str, base: Connection, token: str) -> Connection:
    """A connection for one service with a user's token, which so sees what that user sees.

    The service is where ``base`` has it: Keystone need not be asked. Raises one of ``FAULTS``.
    """
    kind = service.replace("_", "-")
    endpoint = conf[section].endpoint or base.session.get_endpoint(service_type=kind, **cloud.endpoint(conf, section))
    ours = base.session
    session = Session(auth=Token(endpoint, token), verify=ours.verify, cert=ours.cert, timeout=ours.timeout)
    return _connection(conf, section, service, session, endpoint)


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
