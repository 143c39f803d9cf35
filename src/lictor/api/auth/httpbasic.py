"""``http_basic``: callers prove who they are with the passwords of an htpasswd file."""

import base64
import binascii
import dataclasses
import functools
import hmac
import logging
import pathlib
import secrets

import bcrypt
import falcon
from oslo_config import cfg

from lictor import config
from lictor.api import errors
from lictor.api.auth.context import DEFAULT_PROJECT, PROJECT, Context, named_project
from lictor.api.auth.enforcer import Policies

LOG = logging.getLogger(__name__)

_BCRYPT_BYTES = 72  # bcrypt looks at no more of a password; newer libraries refuse longer ones.
_CHALLENGE = 'Basic realm="lictor", charset="UTF-8"'
_ADMIN = "admin"
_IMPLIED = {"admin": ("admin", "member", "reader"), "member": ("member", "reader")}
"""Roles that come with others, as in Keystone."""


@dataclasses.dataclass(frozen=True)
class User:
    """A line of the file: ``name:hash``, ``name:hash:project`` or ``name:hash:project:role,role``.

    Without roles, the user named admin is an administrator and everybody else a member of the project; without a
    project, that is the default one. ``htpasswd`` and web servers look no further than the hash.
    """

    hash: bytes
    project_id: str
    roles: tuple[str, ...]


class HttpBasic:
    """RFC 7617 against an htpasswd file with bcrypt hashes, read again whenever it changes.

    bcrypt costs tens of milliseconds by design: a password that was found good is remembered as an HMAC under a key
    that only this process knows, together with the hash it was good for.
    """

    def __init__(self, conf: cfg.ConfigOpts, policies: Policies) -> None:
        self._policies = policies
        named = conf.api_settings.http_basic_auth_user_file
        self._path = pathlib.Path(named or config.state_dir(conf) / "htpasswd")
        self._stamp: tuple[int, int, int] | None = None
        self._users: dict[str, User] = {}
        self._key = secrets.token_bytes(32)
        self._good: dict[tuple[str, bytes], bytes] = {}
        _hash_of_nobody()

    def identify(self, req: falcon.Request, resp: falcon.Response) -> Context | None:
        """The user whose name and password the request carries. Raises 403 for a project that is not theirs."""
        name, password = _credentials(req)
        user = self._user(name, password) if name else None
        if user is None:
            errors.unauthorized(resp, _CHALLENGE)
            return None
        caller = Context(name, user.project_id, user.roles, self._policies)
        project_id = named_project(req)
        if project_id in (None, user.project_id):
            return caller
        if not caller.is_admin:
            raise errors.forbidden()
        return dataclasses.replace(caller, project_id=project_id)

    def _user(self, name: str, password: bytes) -> User | None:
        self._refresh()
        user = self._users.get(name)
        stored = user.hash if user else _hash_of_nobody()
        digest = hmac.digest(self._key, password, "sha256")
        if user and hmac.compare_digest(self._good.get((name, stored), b""), digest):
            return user
        if not _matches(password, stored) or user is None:
            return None
        self._good[name, stored] = digest
        return user

    def _refresh(self) -> None:
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp != self._stamp:
                self._users = _parse(self._path.read_bytes())
                self._good, self._stamp = {}, stamp
        except OSError as error:
            LOG.error("nobody can log in: the password file %s cannot be read: %s", self._path, error.strerror)
            self._users, self._good, self._stamp = {}, {}, None


@functools.cache
def _hash_of_nobody() -> bytes:
    """Unknown users cost as much time as known ones, so that nobody can find out who exists."""
    return bcrypt.hashpw(b"", bcrypt.gensalt(10))


def _parse(content: bytes) -> dict[str, User]:
    users = {}
    for line in content.splitlines():
        name, _, rest = line.strip().decode("utf-8", "replace").partition(":")
        if rest.startswith("$2"):
            stored, project, roles, *_ = [*rest.split(":"), "", ""]
            if project and not PROJECT.fullmatch(project):
                LOG.error("user %r of the password file cannot log in: %r is no project's id", name, project)
                continue
            users[name] = User(stored.encode(), project or DEFAULT_PROJECT, _roles(name, roles))
    return users


def _roles(name: str, text: str) -> tuple[str, ...]:
    named = [role.strip() for role in text.split(",") if role.strip()]
    given = named or [_ADMIN if name == _ADMIN else "member"]
    return tuple(dict.fromkeys(role for each in given for role in _IMPLIED.get(each.lower(), (each,))))


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
