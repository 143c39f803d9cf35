"""From the bytes of a secret to certificates, keys and revocation lists that were checked. Pure, but for the clock.

Bytes are PEM or PKCS12, told apart by what they are. All functions raise ``SecretError``.
"""

import datetime
import os
import re
import ssl
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12
from cryptography.x509.oid import NameOID

from lictor.drivers.secrets.base import Authority, Certificate, Revocations, SecretError

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm)


def certificate(content: bytes, lapsed: bool = False) -> Certificate:
    """A certificate with its key and chain: a PEM bundle of them in any order, or PKCS12 without a pass phrase.

    It must be good today, unless it may be ``lapsed``; so must what the functions below return.
    """
    key, found = _from_pem(content) if b"-----BEGIN " in content else _from_pkcs12(content)
    public = _spki(key.public_key())
    own = next((each for each in found if _spki(each.public_key()) == public), None)
    if own is None:
        raise SecretError("the private key does not belong to the certificate")
    if not lapsed:
        _check_dates(own, "the certificate")
    chain = _chain(own, [each for each in found if each is not own])
    result = Certificate(_pem(own), _pem_key(key), tuple(map(_pem, chain)), _names(own), own.not_valid_after_utc)
    _check_usable(result)
    return result


def bundle(own: bytes, key: bytes, passphrase: bytes | None, intermediates: bytes | None) -> bytes:
    """One PEM bundle of the parts of a certificate, which are PEM; intermediates may be PKCS7 too, as PEM or DER."""
    blocks = _blocks(own, b"CERTIFICATE")
    if not blocks:
        raise SecretError("its certificate is not in PEM form")
    return b"\n".join([*blocks, _opened(key, passphrase), *_intermediates(intermediates or b"")]) + b"\n"


def authority(content: bytes, lapsed: bool = False) -> Authority:
    """Certificates of authorities, as PEM."""
    found = [_load(block, "certificate") for block in _blocks(content, b"CERTIFICATE")]
    if not found:
        raise SecretError("it holds no certificate in PEM form")
    for each in found:
        if not lapsed:
            _check_dates(each, "the CA certificate")
        if not _may_sign(each):
            raise SecretError("it holds a certificate that is not a CA's")
    return Authority("".join(map(_pem, found)), min(each.not_valid_after_utc for each in found))


def revocations(content: bytes, lapsed: bool = False) -> Revocations:
    """Certificate revocation lists, as PEM."""
    blocks = _blocks(content, b"X509 CRL")
    if not blocks:
        raise SecretError("it holds no certificate revocation list in PEM form")
    lists = [_load_list(block) for block in blocks]
    dates = [each.next_update_utc for each in lists if each.next_update_utc is not None]
    if dates and min(dates) <= _now() and not lapsed:
        raise SecretError(f"the revocation list is overdue: its next one was due on {min(dates):%Y-%m-%d}")
    return Revocations("\n".join(block.decode("ascii") for block in blocks) + "\n", min(dates, default=None))


def check_issuer(issuers: Authority, revoked: Revocations) -> None:
    """See that each revocation list was signed by one of the authorities."""
    keys = [each.public_key() for each in x509.load_pem_x509_certificates(issuers.certificates.encode())]
    for block in _blocks(revoked.lists.encode(), b"X509 CRL"):
        if not any(_signed(_load_list(block), key) for key in keys):
            raise SecretError("it is not signed by the CA")


def _signed(revoked: x509.CertificateRevocationList, key: object) -> bool:
    try:
        return revoked.is_signature_valid(key)  # type: ignore[arg-type]  # a key that cannot sign is TypeError
    except (TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False


def _blocks(content: bytes, label: bytes) -> list[bytes]:
    return [found[0] for found in _BLOCK.finditer(content) if found[1] == label]


def _from_pem(content: bytes) -> tuple[PrivateKeyTypes, list[x509.Certificate]]:
    keys = [found[0] for found in _BLOCK.finditer(content) if found[1].endswith(b"PRIVATE KEY")]
    if len(keys) != 1:
        raise SecretError("it holds no private key" if not keys else "it holds more than one private key")
    if b"ENCRYPTED" in keys[0]:
        raise SecretError("its private key is encrypted, and must not be")
    try:
        key = serialization.load_pem_private_key(keys[0], None)
    except _UNREADABLE:
        raise SecretError("its private key cannot be read") from None
    found = [_load(block, "certificate") for block in _blocks(content, b"CERTIFICATE")]
    if not found:
        raise SecretError("it holds no certificate")
    return key, found


def _from_pkcs12(content: bytes) -> tuple[PrivateKeyTypes, list[x509.Certificate]]:
    try:
        bundle = pkcs12.load_pkcs12(content, None)
    except _UNREADABLE:
        raise SecretError("it is neither PEM nor a readable PKCS12 bundle without a pass phrase") from None
    if bundle.key is None or bundle.cert is None:
        raise SecretError(f"the PKCS12 bundle holds no {'private key' if bundle.key is None else 'certificate'}")
    return bundle.key, [bundle.cert.certificate, *(each.certificate for each in bundle.additional_certs)]


def _opened(content: bytes, passphrase: bytes | None) -> bytes:
    """A private key without its pass phrase. One that is not needed is not asked for."""
    if b"ENCRYPTED" not in content:
        return content
    if not passphrase:
        raise SecretError("its private key is encrypted, and there is no private_key_passphrase")
    try:
        return _pem_key(serialization.load_pem_private_key(content, passphrase)).encode()
    except _UNREADABLE:
        raise SecretError("its private_key_passphrase does not open its private key") from None


def _intermediates(content: bytes) -> list[bytes]:
    blocks = _blocks(content, b"CERTIFICATE")
    if blocks or not content:
        return blocks
    load = pkcs7.load_pem_pkcs7_certificates if b"-----BEGIN " in content else pkcs7.load_der_pkcs7_certificates
    try:
        return [_pem(each).encode() for each in load(content)]
    except _UNREADABLE:
        raise SecretError("its intermediates are neither certificates in PEM form nor PKCS7") from None


def _load(block: bytes, what: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(block)
    except _UNREADABLE:
        raise SecretError(f"its {what} cannot be read") from None


def _load_list(block: bytes) -> x509.CertificateRevocationList:
    try:
        return x509.load_pem_x509_crl(block)
    except _UNREADABLE:
        raise SecretError("its revocation list cannot be read") from None


def _chain(own: x509.Certificate, others: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """The others in the order of RFC 8446, 4.4.2: each one's issuer after it; those that lead nowhere are left out."""
    chain, left, last = [], list(others), own
    while issuer := next((each for each in left if each.subject == last.issuer and last.issuer != last.subject), None):
        chain.append(issuer)
        left.remove(issuer)
        last = issuer
    return chain


def _names(own: x509.Certificate) -> tuple[str, ...]:
    names = [str(each.value) for each in own.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    try:
        alternative = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names += alternative.get_values_for_type(x509.DNSName)
        names += map(str, alternative.get_values_for_type(x509.IPAddress))
    except x509.ExtensionNotFound:
        pass
    except ValueError:
        raise SecretError("its certificate has extensions that cannot be read") from None
    if not names:
        raise SecretError("its certificate has no common name (CN) and no alternative name (SAN)")
    return tuple(dict.fromkeys(names))


def _check_dates(own: x509.Certificate, what: str) -> None:
    if own.not_valid_after_utc <= _now():
        raise SecretError(f"{what} expired on {own.not_valid_after_utc:%Y-%m-%d}")


def _may_sign(own: x509.Certificate) -> bool:
    try:
        if not own.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
        return own.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound as missing:
        return missing.oid == x509.KeyUsage.oid  # RFC 5280, 4.2.1.9: without it, any use is allowed
    except ValueError:
        return False


def _check_usable(own: Certificate) -> None:
    # HAProxy would refuse its whole configuration because of one key that OpenSSL finds too weak.
    descriptor = os.memfd_create("lictor-secret", os.MFD_CLOEXEC)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(own.private_key + own.certificate + "".join(own.intermediates))
        file.flush()
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(f"/proc/self/fd/{descriptor}")
        except ssl.SSLError as error:
            reason = (error.reason or "unknown reason").replace("_", " ").lower()
            raise SecretError(f"OpenSSL refuses the certificate: {reason}") from None


def _spki(key: object) -> bytes:
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return bytes(key.public_bytes(encoding, form))  # type: ignore[attr-defined]  # all public keys have it


def _pem(own: x509.Certificate) -> str:
    return own.public_bytes(serialization.Encoding.PEM).decode("ascii")


def _pem_key(key: PrivateKeyTypes) -> str:
    form, encryption = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, encryption).decode("ascii")


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
