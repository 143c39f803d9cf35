"""The certificate authorities of a deployment: the one that signs, and while they change another one beside it.

All are in one file, which is replaced as a whole, so no process ever sees half a change. Its first certificate signs;
all that it holds are trusted.

    settled     key, certificate
    announced   key, certificate, key and certificate of the next: amphorae learn to trust it, before anything is signed
    moving      key and certificate of the new one, certificate of the old one: amphorae get certificates of the new one
    settled     key and certificate of the new one
"""

import dataclasses
import datetime
import pathlib
import re

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lictor.amphora.keep import Unusable

SETTLED = "settled"
ANNOUNCED = "announced"
MOVING = "moving"

AUTHORITY_YEARS = 20

CLOCK_SKEW = datetime.timedelta(minutes=10)
"""Certificates begin this long before they are made: the amphora's clock may be behind ours."""

_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----.+?-----END [A-Z ]*PRIVATE KEY-----\s*", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Ring:
    """The authorities of one file. ``keys`` are those of the first certificates, in the same order."""

    certificates: tuple[x509.Certificate, ...]
    keys: tuple[ec.EllipticCurvePrivateKey, ...] = dataclasses.field(repr=False)

    @classmethod
    def make(cls) -> "Ring":
        """A new authority, and no other."""
        key = ec.generate_private_key(ec.SECP256R1())
        return cls((_self_signed(key),), (key,))

    @classmethod
    def parse(cls, path: pathlib.Path, content: bytes) -> "Ring":
        """What the file holds. Raises ``Unusable`` with a sentence that names it."""
        try:
            found = tuple(serialization.load_pem_private_key(each, None) for each in _KEY.findall(content))
            certificates = tuple(x509.load_pem_x509_certificates(_KEY.sub(b"", content)))
            if not found:
                raise ValueError("there is no key")
        except (ValueError, TypeError) as error:
            raise Unusable(f"{path} does not hold a key and a certificate in PEM form ({error}).") from error
        keys = tuple(key for key in found if isinstance(key, ec.EllipticCurvePrivateKey))
        _check(path, certificates, keys, len(found))
        return cls(certificates, keys)

    def dump(self) -> bytes:
        """The content of the file."""
        pairs = (
            pem_key(key) + pem(certificate) for key, certificate in zip(self.keys, self.certificates, strict=False)
        )
        return b"".join([*pairs, *(pem(certificate) for certificate in self.certificates[len(self.keys) :])])

    @property
    def stage(self) -> str:
        """``SETTLED``, ``ANNOUNCED`` or ``MOVING``."""
        return SETTLED if len(self.certificates) == 1 else ANNOUNCED if len(self.keys) > 1 else MOVING

    def next(self) -> "Ring":
        """The ring of the next stage; after ``SETTLED`` comes ``ANNOUNCED``, with an authority that is new."""
        if self.stage == SETTLED:
            new = Ring.make()
            return Ring(self.certificates + new.certificates, self.keys + new.keys)
        if self.stage == ANNOUNCED:
            return Ring(self.certificates[::-1], self.keys[1:])
        return Ring(self.certificates[:1], self.keys)

    @property
    def names(self) -> list[str]:
        """What the authorities are called, for rows and people: the beginning of their keys' identifiers (hex)."""
        return [key_identifier(each).digest.hex()[:16] for each in self.certificates]

    @property
    def papers(self) -> str:
        """How a row says who signed an amphora's certificate, and whose clients the amphora obeys."""
        return f"{self.names[0]}:{','.join(self.names)}"

    def accepts(self, papers: str | None) -> bool:
        """Whether an amphora with these papers needs no others at this stage.

        Rows of earlier releases say nothing; they are of the only authority that there was. Processes may see the
        stages at different moments: what is of a later one is not taken back.
        """
        if papers is None:
            return self.stage == SETTLED
        issuer, _, rest = papers.partition(":")
        trusted = set(rest.split(","))
        if self.stage == ANNOUNCED:
            return issuer in self.names and trusted >= set(self.names)
        return issuer == self.names[0] and (self.stage == MOVING or trusted == set(self.names))


def _check(
    path: pathlib.Path,
    certificates: tuple[x509.Certificate, ...],
    keys: tuple[ec.EllipticCurvePrivateKey, ...],
    found: int,
) -> None:
    if len(keys) != found or any(
        key.public_key() != certificate.public_key() for key, certificate in zip(keys, certificates, strict=False)
    ):
        raise Unusable(f"{path} holds a key that is not the one of the certificate beside it.")
    if len(certificates) > 2 or len(keys) > len(certificates):
        raise Unusable(f"{path} holds {len(certificates)} certificates and {len(keys)} keys; two of each at most.")
    if not all(map(_may_sign, certificates)):
        raise Unusable(f"{path} holds a certificate that is not a certificate authority's.")
    if (expires := certificates[0].not_valid_after_utc) <= now():
        raise Unusable(f"{path} holds a certificate that expired on {expires:%Y-%m-%d}.")


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        key_identifier(certificate)
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _self_signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    # Two of them are trusted at once: the number in the name lets people and OpenSSL tell them apart.
    name = (
        f"Lictor certificate authority {x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest.hex()[:16]}"
    )
    expires = now() + datetime.timedelta(days=365 * AUTHORITY_YEARS)
    return (
        builder(name, _name(name), key.public_key(), expires)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(ca=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def key_identifier(certificate: x509.Certificate) -> x509.SubjectKeyIdentifier:
    """Raises ``ExtensionNotFound``."""
    return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value


def builder(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePublicKey, expires: datetime.datetime
) -> x509.CertificateBuilder:
    """What all our certificates have in common."""
    # RFC 5280, section 4.2.1.2: every certificate names its key, those of authorities must.
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - CLOCK_SKEW)
        .not_valid_after(expires)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def key_usage(ca: bool) -> x509.KeyUsage:
    """For an authority, or for a server or client."""
    return x509.KeyUsage(
        digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def pem(certificate: x509.Certificate) -> bytes:
    """In PEM form."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    """In PEM form, PKCS #8."""
    encryption = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def now() -> datetime.datetime:
    """The time in UTC, in whole seconds as certificates have it."""
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)
