"""Secrets as files on the host of the API: the embedded default.

``NAME.pem`` or ``NAME.p12`` in ``[certificates] storage_path`` is the secret ``NAME`` of every project; in the
directory of that place which bears a project's id, it is that project's alone, and hides one of the same name above.
A reference is ``NAME``, or ``file:NAME``. Files are the operator's: Lictor only reads them, anew each time.
What reads their bytes is loaded with the first of them: it is 6 MiB of memory that only TLS needs.
"""

import hashlib
import os
import pathlib
import re
import stat

from oslo_config import cfg

from lictor import config
from lictor.drivers.secrets.base import Authority, Certificate, Revocations, SecretError

SUFFIXES = (".pem", ".p12")
LARGEST = 2**20
"""Bytes of a file that are read: revocation lists grow, certificates do not."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
"""No separators and no leading dot: a reference or a project's id leads nowhere but into the directory."""


class FileSecrets:
    """The driver ``files``."""

    has_consumers = False

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._directory = config.secrets_dir(conf)

    def version(self, project_id: str, reference: str) -> str:
        """A hash of what is in a file."""
        return hashlib.sha256(self._read(project_id, reference)).hexdigest()

    def certificate(self, project_id: str, reference: str, lapsed: bool = False) -> Certificate:
        """The certificate and key in a file."""
        from lictor.drivers.secrets import x509

        return x509.certificate(self._read(project_id, reference), lapsed)

    def authority(self, project_id: str, reference: str, lapsed: bool = False) -> Authority:
        """The CA certificates in a file."""
        from lictor.drivers.secrets import x509

        return x509.authority(self._read(project_id, reference), lapsed)

    def revocations(self, project_id: str, reference: str, lapsed: bool = False) -> Revocations:
        """The revocation lists in a file."""
        from lictor.drivers.secrets import x509

        return x509.revocations(self._read(project_id, reference), lapsed)

    def share(self, token: str | None, reference: str) -> None:
        """Nothing: what a project may use is there for it already."""

    def register(self, reference: str, load_balancer_id: str) -> None:
        """Nothing: nobody wants to know."""

    def unregister(self, reference: str, load_balancer_id: str) -> None:
        """Nothing: nobody was told."""

    def _read(self, project_id: str, reference: str) -> bytes:
        name = reference.removeprefix("file:")
        if not _NAME.fullmatch(name):
            raise SecretError("a secret's name is made of letters, digits, and . _ - after the first of them")
        for directory in self._directories(project_id):
            paths = [path for suffix in SUFFIXES if os.path.lexists(path := directory / f"{name}{suffix}")]
            if len(paths) > 1:
                raise SecretError("there is a .pem and a .p12 of this name, and only one may be")
            if paths:
                return _content(paths[0])
        raise SecretError("there is no secret of this name for the project")

    def _directories(self, project_id: str) -> list[pathlib.Path]:
        own = [self._directory / project_id] if _NAME.fullmatch(project_id) else []
        return [*own, self._directory]


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # opening a named pipe would wait for a writer


def _content(path: pathlib.Path) -> bytes:
    try:
        with open(path, "rb", opener=_open) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise SecretError("it is not a file")
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise SecretError(f"its file cannot be read ({os.strerror(error.errno or 0)})") from None
    if len(content) > LARGEST:
        raise SecretError(f"its file is longer than {LARGEST} bytes")
    return content
