"""Authentication: ``http_basic`` against an htpasswd file, and ``noauth`` (reference, 2.1)."""

import base64
import binascii
import hmac
import logging
import pathlib
import re
import secrets
from typing import Any, Protocol

import bcrypt
import falcon
import msgspec
from oslo_config import cfg

from lictor import config
from lictor.api import errors
from lictor.api.context import DEFAULT_PROJECT, Context

LOG = logging.getLogger(__name__)

OPEN_PATHS = frozenset({"/", "/load-balancer/", "/healthcheck", "/load-balancer/healthcheck"})
"""Paths that ask nobody who they are (reference, 1.1)."""

_PROJECT = re.compile(r"[A-Za-z0-9_.:-]{1,36}")
_BCRYPT_BYTES = 72  # bcrypt looks at no more of a password; newer libraries refuse longer ones.
_UNAUTHORIZED = msgspec.json.encode(
    {
        "error": {
            "code": 401,
            "title": "Unauthorized",
            "message": "The request you have made requires authentication.",
        }
    }
)


class Strategy(Protocol):
    """One way to find out who asks."""

    def user(self, req: falcon.Request) -> str | None:
        """The caller's name, or None if it did not prove to be anybody."""


class NoAuth:
    """Everybody is the administrator."""

    def user(self, req: falcon.Request) -> str | None:
        """Always the same name."""
        return "noauth"


class HttpBasic:
    """RFC 7617 against an htpasswd file with bcrypt hashes, read again whenever it changes.

    bcrypt costs tens of milliseconds by design: a password that was found good is remembered as an HMAC under a key
    that only this process knows, together with the hash it was good for.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._hashes: dict[str, bytes] = {}
        self._key = secrets.token_bytes(32)
        self._good: dict[tuple[str, bytes], bytes] = {}
        # Unknown users cost as much time as known ones, so that nobody can find out who exists.
        self._nobody = bcrypt.hashpw(b"", bcrypt.gensalt(10))

    def user(self, req: falcon.Request) -> str | None:
        """The user whose name and password the request carries."""
        name, password = _credentials(req)
        if not name:
            return None
        self._refresh()
        stored = self._hashes.get(name)
        digest = hmac.digest(self._key, password, "sha256")
        if stored and hmac.compare_digest(self._good.get((name, stored), b""), digest):
            return name
        if not _matches(password, stored or self._nobody) or stored is None:
            return None
        self._good[name, stored] = digest
        return name

    def _refresh(self) -> None:
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp != self._stamp:
                self._hashes = _parse(self._path.read_bytes())
                self._good, self._stamp = {}, stamp
        except OSError as error:
            LOG.error("nobody can log in: the password file %s cannot be read: %s", self._path, error.strerror)
            self._hashes, self._good, self._stamp = {}, {}, None


def _parse(content: bytes) -> dict[str, bytes]:
    lines = (line.strip().partition(b":") for line in content.splitlines())
    return {name.decode("utf-8", "replace"): stored for name, _, stored in lines if stored.startswith(b"$2")}


def _credentials(req: falcon.Request) -> tuple[str, bytes]:
    scheme, _, encoded = (req.get_header("Authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return "", b""
    try:
        name, _, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        return name.decode(), password
    except (binascii.Error, ValueError):
        return "", b""


def _matches(password: bytes, stored: bytes) -> bool:
    try:
        return bcrypt.checkpw(password[:_BCRYPT_BYTES], stored)
    except ValueError:
        return False


class Authentication:
    """Falcon middleware: leaves a ``Context`` with every request, or answers 401."""

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Find out who asks, before anything else of the request is looked at."""
        if req.path in OPEN_PATHS:
            return
        user = self._strategy.user(req)
        if user is None:
            _refuse(resp)
            return
        req.context.caller = Context(user=user, project_id=_project(req))


def _refuse(resp: falcon.Response) -> None:
    resp.status = falcon.HTTP_401
    resp.set_header("WWW-Authenticate", 'Basic realm="lictor", charset="UTF-8"')
    resp.content_type = falcon.MEDIA_JSON
    resp.data = _UNAUTHORIZED
    resp.complete = True


def _project(req: falcon.Request) -> str:
    project = req.get_header("X-Project-Id") or req.get_header("X-Tenant-Id")
    if not project:
        return DEFAULT_PROJECT
    if not _PROJECT.fullmatch(project):
        raise errors.invalid_field("X-Project-Id", project, "an id of 1 to 36 letters, digits and any of _ . : -")
    return project


def strategy(conf: cfg.ConfigOpts) -> Strategy:
    """The strategy that ``[api_settings] auth_strategy`` names."""
    options: Any = conf.api_settings
    if options.auth_strategy == "noauth":
        return NoAuth()
    return HttpBasic(pathlib.Path(options.http_basic_auth_user_file or config.state_dir(conf) / "htpasswd"))
