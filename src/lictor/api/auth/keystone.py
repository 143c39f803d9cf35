"""``keystone``: callers prove who they are with tokens of OpenStack's identity service (reference, 2.1)."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

import falcon
from keystoneauth1.exceptions import ClientException
from keystonemiddleware import auth_token
from keystonemiddleware.opts import list_auth_token_opts
from oslo_config import cfg

from lictor import config
from lictor.api import errors
from lictor.api.auth.context import Context
from lictor.api.auth.enforcer import Policies

LOG = logging.getLogger(__name__)

GROUP = "keystone_authtoken"
_PASSED = "lictor.authenticated"
_UNREACHABLE = "Keystone cannot be asked at the moment whether the token is good. Please try again later."

DEFAULTS: dict[str, object] = {
    # Else any token at all vouches for one that has expired.
    "service_token_roles_required": True,
    # Nobody here reads it, and it is most of what Keystone would answer.
    "include_service_catalog": False,
    # Else a Keystone that hangs holds a thread for good, and one that is down for several seconds.
    "http_connect_timeout": 10,
    "http_request_max_retries": 1,
}

_OTHERS = {
    "system_scope": "HTTP_OPENSTACK_SYSTEM_SCOPE",
    "domain_id": "HTTP_X_DOMAIN_ID",
    "user_domain_id": "HTTP_X_USER_DOMAIN_ID",
    "project_domain_id": "HTTP_X_PROJECT_DOMAIN_ID",
    "service_user_id": "HTTP_X_SERVICE_USER_ID",
    "service_project_id": "HTTP_X_SERVICE_PROJECT_ID",
}
"""What policy rules can refer to by oslo.context's names, and the headers in which auth_token says it."""


class Headers:
    """Takes the word of the headers that auth_token leaves with a request whose token it found good."""

    def __init__(self, policies: Policies, challenge: str = "Keystone") -> None:
        self._policies, self._challenge = policies, challenge

    def identify(self, req: falcon.Request, resp: falcon.Response) -> Context | None:
        """The user whose token it was."""
        caller = self._caller(req.env)
        if caller is None:
            errors.unauthorized(resp, self._challenge)
        return caller

    def _caller(self, environ: dict[str, Any]) -> Context | None:
        user = environ.get("HTTP_X_USER_ID")
        if environ.get("HTTP_X_IDENTITY_STATUS") != "Confirmed" or not user:
            return None
        named = {name: environ[header] for name, header in _OTHERS.items() if environ.get(header)}
        named["service_roles"] = _words(environ.get("HTTP_X_SERVICE_ROLES"))
        return Context(
            user=user,
            project_id=environ.get("HTTP_X_PROJECT_ID") or None,
            roles=_words(environ.get("HTTP_X_ROLES")),
            policies=self._policies,
            others=tuple(named.items()),
            token=environ.get("HTTP_X_AUTH_TOKEN"),
        )


class Keystone:
    """keystonemiddleware's auth_token in front of every request that is not for an open path.

    It takes tokens and service tokens from the headers, asks Keystone (and remembers for ``token_cache_time``), and
    answers 401 itself. What callers write into the headers of ``Headers`` it takes out.
    """

    def __init__(self, conf: cfg.ConfigOpts, policies: Policies) -> None:
        """Raises ``config.Misconfigured`` if ``[keystone_authtoken]`` cannot work."""
        _register(conf)
        try:
            self._guard = auth_token.AuthProtocol(_pass, {"oslo_config_config": conf, "oslo_config_project": "lictor"})
        except (ClientException, cfg.Error) as error:
            raise config.Misconfigured(f"[{GROUP}] cannot be used: {' '.join(str(error).split())}") from None
        _check(conf)
        self._headers = Headers(policies, f'Keystone uri="{conf[GROUP].www_authenticate_uri or ""}"')

    def identify(self, req: falcon.Request, resp: falcon.Response) -> Context | None:
        """The user of the token. Raises 503 if Keystone cannot be asked."""
        answer = _Answer()
        try:
            body = b"".join(self._guard(req.env, answer))
        except Exception:  # Whatever keystoneauth may think of: a token that was not confirmed is not good.
            LOG.exception("Keystone cannot be asked")
            raise errors.unavailable(_UNREACHABLE) from None
        if req.env.pop(_PASSED, False):
            return self._headers.identify(req, resp)
        answer.copy(resp, body)
        return None


class _Answer:
    """What auth_token answers itself."""

    def __init__(self) -> None:
        self.status = ""
        self.headers: dict[str, str] = {}

    def __call__(self, status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> Callable[..., None]:
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}
        return lambda _data: None

    def copy(self, resp: falcon.Response, body: bytes) -> None:
        """Answer like that; nobody can log in."""
        if not self.status.startswith("401"):
            raise errors.unavailable(_UNREACHABLE)
        errors.unauthorized(resp, self.headers["www-authenticate"])
        resp.data = body


def _pass(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The application behind auth_token: what gets here has a good token."""
    environ[_PASSED] = True
    start_response("204 No Content", [])
    return []


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in (text or "").split(",") if word.strip())


def _register(conf: cfg.ConfigOpts) -> None:
    """auth_token's options, with defaults of our own where its own are those of another time."""
    for group, options in list_auth_token_opts():
        conf.register_opts(options, group=group)
    for name, value in DEFAULTS.items():
        conf.set_default(name, value, group=GROUP)


def _check(conf: cfg.ConfigOpts) -> None:
    group = conf[GROUP].auth_section or GROUP
    if not conf[group].auth_type:
        raise config.Misconfigured(
            f"[{group}] auth_type is missing: Lictor needs a user of its own to ask Keystone about tokens, for example "
            "auth_type = password with auth_url, username, password, project_name and the domains of both"
        )
