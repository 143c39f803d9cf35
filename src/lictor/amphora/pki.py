"""The deployment's own certificate authority: who is an amphora, and who may tell amphorae what to be.

An amphora's certificate is good for a server only (extended key usage serverAuth, name = amphora id) and the
controller's for a client only (clientAuth): so an amphora that was broken into cannot pose as the controller to others.
"""

import dataclasses
import datetime
import logging
import os
import pathlib
import ssl
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from lictor.amphora import ring
from lictor.amphora.keep import Unusable, keep, read, swap
from lictor.amphora.ring import Ring

AUTHORITY_FILE = "authority.pem"
CLIENT_DAYS = 30
"""Validity of the controller's certificate, which is never written to disk and made anew at two thirds of its life."""

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Certificate:
    """A certificate and its private key (both PEM), and when it expires (UTC, without a zone).

    ``client_ca`` (PEM) are the authorities whose clients the owner is to obey; ``papers`` says in short who these are
    and who signed (``Ring.papers``).
    """

    certificate: str
    private_key: str = dataclasses.field(repr=False)
    expires: datetime.datetime
    client_ca: str = ""
    papers: str = ""


class Authority:
    """The certificate authorities kept in one file, as they are now: a change of the file is noticed. Thread-safe."""

    def __init__(self, path: pathlib.Path) -> None:
        """Raises ``Unusable``."""
        self._path = path
        self._stamp = _stamp(path)  # first: what is changed after it is read once more
        self._ring = Ring.parse(path, read(path))
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        self._renew_at = ring.now()

    @classmethod
    def open(cls, directory: pathlib.Path) -> "Authority":
        """Load the authority kept in ``directory`` (mode 0700), or make it if there is none.

        Keys and certificates share one file (mode 0600), so that there never is one without the other; of processes
        that make it at the same time one wins, and the others load what it made. Raises ``Unusable``.
        """
        _private(directory)
        path = directory / AUTHORITY_FILE
        keep(path, lambda: Ring.make().dump())
        return cls(path)

    @property
    def ring(self) -> Ring:
        """The authorities of now. A file that cannot be read any more is told of, and what it held goes on to count."""
        with self._lock:
            stamp = _stamp(self._path)
            if stamp != self._stamp:
                self._stamp = stamp
                self._reload()
            return self._ring

    def _reload(self) -> None:
        try:
            self._ring = Ring.parse(self._path, read(self._path))
        except Unusable as error:
            LOG.error("The certificate authority in use stays: %s", error)
            return
        self._context = None
        LOG.info("%s has changed: the certificate authorities are %s.", self._path, self._ring.stage)

    def replace(self, before: Ring, after: Ring) -> bool:
        """Make the file ``after`` if it still is ``before``; else somebody else changed it. Raises ``Unusable``."""
        return swap(self._path, before.dump(), after.dump())

    @property
    def ca_pem(self) -> str:
        """The certificates of all authorities, by which amphorae and the controller know each other."""
        return _pems(self.ring)

    def issue_server(self, amphora_id: str, seconds: int) -> Certificate:
        """A fresh key and certificate for an amphora's agent, good for ``seconds`` from now."""
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        return _issue(self.ring, amphora_id, usage, datetime.timedelta(seconds=seconds))

    def client_context(self) -> ssl.SSLContext:
        """What the controller talks to agents with. Ask for it before each connection: it is renewed in time."""
        current = self.ring
        with self._lock:
            if self._context is None or ring.now() >= self._renew_at:
                life = datetime.timedelta(days=CLIENT_DAYS)
                self._context, self._renew_at = _client_context(current, life), ring.now() + life * 2 / 3
            return self._context


def _client_context(current: Ring, life: datetime.timedelta) -> ssl.SSLContext:
    identity = _issue(current, "lictor-controller", x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), life)
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cadata=identity.client_ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    _load(context, identity)
    return context


def _issue(current: Ring, name: str, usage: x509.ExtendedKeyUsage, life: datetime.timedelta) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    signer = current.certificates[0]
    expires = min(ring.now() + life, signer.not_valid_after_utc)
    issuer = ring.key_identifier(signer)
    certificate = (
        ring.builder(name, signer.subject, key.public_key(), expires)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(ring.key_usage(ca=False), critical=True)
        .add_extension(usage, critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), critical=False)
        .sign(current.keys[0], hashes.SHA256())
    )
    return Certificate(
        certificate=ring.pem(certificate).decode(),
        private_key=ring.pem_key(key).decode(),
        expires=expires.replace(tzinfo=None),
        client_ca=_pems(current),
        papers=current.papers,
    )


def _pems(current: Ring) -> str:
    return b"".join(map(ring.pem, current.certificates)).decode()


def _load(context: ssl.SSLContext, identity: Certificate) -> None:
    # OpenSSL reads a certificate chain from a path only; a file in memory has one too, and leaves no key on disk.
    descriptor = os.memfd_create("lictor-controller", os.MFD_CLOEXEC)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(identity.private_key + identity.certificate)
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")


def _private(directory: pathlib.Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if directory.stat().st_mode & 0o077:
            directory.chmod(0o700)
    except OSError as error:
        raise Unusable(f"{directory} cannot be a private directory: {error.strerror or error}.") from error


def _stamp(path: pathlib.Path) -> tuple[int, int, int] | None:
    """What differs when the file does, without reading it; None if it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
