"""Certificates for tests: an authority that signs what a test asks for, good or bad."""

import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
DAY = datetime.timedelta(days=1)


def pem(own: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    return own.public_bytes(serialization.Encoding.PEM)


def key_pem(key: Any, passphrase: bytes | None = None, traditional: bool = False) -> bytes:
    form = serialization.PrivateFormat.TraditionalOpenSSL if traditional else serialization.PrivateFormat.PKCS8
    how = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, how)


class Identity:
    """A key and a certificate, which can sign others."""

    def __init__(
        self,
        name: str = "",
        *,
        issuer: "Identity | None" = None,
        ca: bool = False,
        days: int = 90,
        alternative: tuple[str, ...] = (),
        key: Any = None,
        usage: bool | None = None,
    ) -> None:
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])
        end = NOW + days * DAY
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.certificate.subject if issuer else subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(NOW, end) - DAY)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if alternative:
            builder = builder.add_extension(x509.SubjectAlternativeName(list(map(x509.DNSName, alternative))), False)
        if usage is not None:
            others = dict.fromkeys(
                ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
                 "crl_sign", "encipher_only", "decipher_only"), False
            )  # fmt: skip
            builder = builder.add_extension(x509.KeyUsage(key_cert_sign=usage, **others), True)
        self.certificate = builder.sign((issuer or self).key, hashes.SHA256())

    @property
    def pem(self) -> bytes:
        return pem(self.certificate)

    @property
    def bundle(self) -> bytes:
        return self.pem + key_pem(self.key)

    def pkcs12(self, *chain: "Identity", passphrase: bytes | None = None) -> bytes:
        how = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        return pkcs12.serialize_key_and_certificates(
            b"x", self.key, self.certificate, [each.certificate for each in chain], how
        )

    def revoke(self, *others: "Identity", days: int = 30) -> bytes:
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
        builder = builder.last_update(NOW - 60 * DAY).next_update(NOW + days * DAY)
        for other in others:
            number = other.certificate.serial_number
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(number).revocation_date(NOW).build()
            )
        return pem(builder.sign(self.key, hashes.SHA256()))
