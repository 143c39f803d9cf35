"""The deployment's own certificate authority: who is an amphora, and who may tell amphorae what to be.

An amphora's certificate is good for a server only (extended key usage serverAuth, name = amphora id) and the
controller's for a client only (clientAuth): so an amphora that was broken into cannot pose as the controller to others.
"""

import dataclasses
import datetime
import os
import pathlib
import ssl
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lictor.amphora.keep import Unusable, keep

AUTHORITY_FILE = "authority.pem"
AUTHORITY_YEARS = 20
CLIENT_DAYS = 30
"""Validity of the controller's certificate, which is never written to disk and made anew at two thirds of its life."""

CLOCK_SKEW = datetime.timedelta(minutes=10)
"""Certificates begin this long before they are made: the amphora's clock may be behind ours."""


@dataclasses.dataclass(frozen=True)
class Certificate:
    """A certificate and its private key (both PEM), and when it expires (UTC, without a zone)."""

    certificate: str
    private_key: str = dataclasses.field(repr=False)
    expires: datetime.datetime


class Authority:
    """A certificate authority with its key in one file. Thread-safe."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate = certificate
        self._key = key
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        self._renew_at = _now()

    @classmethod
    def open(cls, directory: pathlib.Path) -> "Authority":
        """Load the authority kept in ``directory`` (mode 0700), or make it if there is none.

        Key and certificate share one file (mode 0600), so that there never is one without the other; of processes that
        make it at the same time one wins, and the others load what it made. Raises ``Unusable``.
        """
        _private(directory)
        path = directory / AUTHORITY_FILE
        return cls(*_parse(path, keep(path, _make)))

    @property
    def ca_pem(self) -> str:
        """The authority's certificate, by which amphorae and the controller know each other."""
        return _pem(self._certificate)

    def issue_server(self, amphora_id: str, seconds: int) -> Certificate:
        """A fresh key and certificate for an amphora's agent, good for ``seconds`` from now."""
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        return self._issue(amphora_id, usage, datetime.timedelta(seconds=seconds))

    def client_context(self) -> ssl.SSLContext:
        """What the controller talks to agents with. Ask for it before each connection: it is renewed in time."""
        with self._lock:
            if self._context is None or _now() >= self._renew_at:
                life = datetime.timedelta(days=CLIENT_DAYS)
                self._context, self._renew_at = self._make_context(life), _now() + life * 2 / 3
            return self._context

    def _make_context(self, life: datetime.timedelta) -> ssl.SSLContext:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        identity = self._issue("lictor-controller", usage, life)
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cadata=self.ca_pem)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        _load(context, identity)
        return context

    def _issue(self, name: str, usage: x509.ExtendedKeyUsage, life: datetime.timedelta) -> Certificate:
        key = ec.generate_private_key(ec.SECP256R1())
        expires = min(_now() + life, self._certificate.not_valid_after_utc)
        issuer = self._certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        certificate = (
            _builder(name, self._certificate.subject, key.public_key(), expires)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(ca=False), critical=True)
            .add_extension(usage, critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return Certificate(_pem(certificate), _pem_key(key).decode(), expires.replace(tzinfo=None))


def _make() -> bytes:
    """Key and self-signed certificate of a new authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = "Lictor certificate authority"
    expires = _now() + datetime.timedelta(days=365 * AUTHORITY_YEARS)
    certificate = (
        _builder(name, _name(name), key.public_key(), expires)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(ca=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _pem_key(key) + _pem(certificate).encode()


def _parse(path: pathlib.Path, content: bytes) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        key = serialization.load_pem_private_key(content, None)
        certificate = x509.load_pem_x509_certificate(content)
    except (ValueError, TypeError) as error:
        raise Unusable(f"{path} does not hold a key and a certificate in PEM form ({error}).") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise Unusable(f"{path} holds a key that is not the one of the certificate beside it.")
    if not _may_sign(certificate):
        raise Unusable(f"{path} holds a certificate that is not a certificate authority's.")
    if certificate.not_valid_after_utc <= _now():
        raise Unusable(f"{path} holds a certificate that expired on {certificate.not_valid_after_utc:%Y-%m-%d}.")
    return certificate, key


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _builder(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePublicKey, expires: datetime.datetime
) -> x509.CertificateBuilder:
    # RFC 5280, section 4.2.1.2: every certificate names its key, those of authorities must.
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - CLOCK_SKEW)
        .not_valid_after(expires)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


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


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    encryption = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)
