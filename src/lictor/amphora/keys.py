"""The deployment's master secret, and the keys that follow from it."""

import pathlib
import secrets

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from lictor.amphora.keep import Unusable, keep

SECRET_FILE = "secret"
SECRET_BYTES = 32

_HEARTBEAT = b"lictor heartbeat v1 "


def open_secret(directory: pathlib.Path) -> bytes:
    """The deployment's random master secret, from the file ``secret`` (mode 0600); made at first use.

    All processes of a deployment must have the same one. Raises ``Unusable`` with a sentence that names the file.
    """
    path = directory / SECRET_FILE
    secret = keep(path, lambda: secrets.token_bytes(SECRET_BYTES))
    if len(secret) != SECRET_BYTES:
        raise Unusable(
            f"{path} is {len(secret)} bytes long; a master secret has {SECRET_BYTES}. Restore it from a copy."
        )
    return secret


def heartbeat_key(secret: bytes, amphora_id: str) -> bytes:
    """The 32-byte key that seals the heartbeats of one amphora: HKDF-SHA256 of the secret (RFC 5869).

    Each amphora knows its own key only, so none can speak for another.
    """
    return HKDF(SHA256(), length=32, salt=None, info=_HEARTBEAT + amphora_id.encode()).derive(secret)
