"""A certificate, an authority and its empty revocation list that nobody asked for: made anew in each process."""

import datetime
import functools

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lictor.drivers.secrets.base import Authority, Certificate, Revocations

_LIFE = datetime.timedelta(days=365)


def certificate() -> Certificate:
    """Always the same certificate."""
    key, own = _identity("noop.example", False)
    return Certificate(_pem(own), _pem_key(key), (), ("noop.example",), own.not_valid_after_utc)


def authority() -> Authority:
    """Always the same authority."""
    _key, own = _identity("noop authority", True)
    return Authority(_pem(own), own.not_valid_after_utc)


def revocations() -> Revocations:
    """An empty list of that authority."""
    key, own = _identity("noop authority", True)
    builder = x509.CertificateRevocationListBuilder().issuer_name(own.subject)
    signed = builder.last_update(own.not_valid_before_utc).next_update(own.not_valid_after_utc)
    text = signed.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode("ascii")
    return Revocations(text, own.not_valid_after_utc)


@functools.cache
def _identity(name: str, is_ca: bool) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now).not_valid_after(now + _LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    return key, builder.sign(key, hashes.SHA256())


def _pem(own: x509.Certificate) -> str:
    return own.public_bytes(serialization.Encoding.PEM).decode("ascii")


def _pem_key(key: ec.EllipticCurvePrivateKey) -> str:
    form, encryption = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, encryption).decode("ascii")
