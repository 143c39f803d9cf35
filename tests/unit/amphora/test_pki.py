"""The deployment's certificate authority."""

import datetime
import multiprocessing
import pathlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from lictor.amphora import pki, ring
from lictor.amphora.keep import Unusable
from lictor.amphora.pki import Authority
from lictor.amphora.ring import Ring
from lictor.model import new_id, now


def parsed(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


@pytest.fixture
def authority(tmp_path: pathlib.Path) -> Authority:
    return Authority.open(tmp_path / "pki")


def test_an_authority_is_made_once_and_found_again(tmp_path: pathlib.Path) -> None:
    made = Authority.open(tmp_path / "pki")
    assert Authority.open(tmp_path / "pki").ca_pem == made.ca_pem


def test_the_authoritys_key_is_for_its_owner_only(authority: Authority, tmp_path: pathlib.Path) -> None:
    assert (tmp_path / "pki").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "pki" / "authority.pem").stat().st_mode & 0o777 == 0o600


def test_a_directory_open_to_others_is_closed(tmp_path: pathlib.Path) -> None:
    tmp_path.chmod(0o755)
    Authority.open(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_the_authority_may_sign_certificates_but_no_authorities(authority: Authority) -> None:
    constraints = parsed(authority.ca_pem).extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=0)


def test_an_amphoras_certificate_names_it_and_is_good_for_a_server_only(authority: Authority) -> None:
    amphora_id = new_id()
    certificate = parsed(authority.issue_server(amphora_id, 3600).certificate)
    extensions = certificate.extensions
    assert certificate.subject.rfc4514_string() == f"CN={amphora_id}"
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [amphora_id]
    usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    certificate.verify_directly_issued_by(parsed(authority.ca_pem))


def test_a_certificate_comes_with_its_own_key_on_p256(authority: Authority) -> None:
    issued = authority.issue_server(new_id(), 3600)
    key = serialization.load_pem_private_key(issued.private_key.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert key.public_key() == parsed(issued.certificate).public_key()


def test_keys_and_serial_numbers_are_never_used_twice(authority: Authority) -> None:
    issued = [authority.issue_server("same", 3600) for _ in range(10)]
    assert len({each.private_key for each in issued}) == 10
    assert len({parsed(each.certificate).serial_number for each in issued}) == 10


def test_a_certificate_expires_when_it_says(authority: Authority) -> None:
    issued = authority.issue_server(new_id(), 3600)
    assert abs(issued.expires - now() - datetime.timedelta(hours=1)) < datetime.timedelta(minutes=1)
    assert parsed(issued.certificate).not_valid_after_utc.replace(tzinfo=None) == issued.expires


def test_no_certificate_outlives_its_authority(authority: Authority) -> None:
    issued = authority.issue_server(new_id(), 100 * 365 * 86400)
    assert issued.expires == parsed(authority.ca_pem).not_valid_after_utc.replace(tzinfo=None)


def test_private_keys_are_not_printed(authority: Authority) -> None:
    assert "PRIVATE" not in repr(authority.issue_server(new_id(), 3600))


def test_the_controllers_context_is_kept_until_its_certificate_is_old(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = authority.client_context()
    assert authority.client_context() is first
    later = ring.now() + datetime.timedelta(days=pki.CLIENT_DAYS * 2 / 3, minutes=1)
    monkeypatch.setattr(ring, "now", lambda: later)
    assert authority.client_context() is not first


def broken(tmp_path: pathlib.Path, content: bytes) -> pathlib.Path:
    file = tmp_path / "authority.pem"
    file.write_bytes(content)
    file.chmod(0o600)
    return file


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_a_damaged_authority_is_refused_by_name(tmp_path: pathlib.Path, content: bytes) -> None:
    file = broken(tmp_path, content)
    with pytest.raises(Unusable, match=f"{file} does not hold a key and a certificate"):
        Authority.open(tmp_path)
    assert file.read_bytes() == content


def test_half_an_authority_is_refused_by_name(tmp_path: pathlib.Path) -> None:
    file = broken(tmp_path, Ring.make().dump()[:400])
    with pytest.raises(Unusable, match=f"{file} does not hold"):
        Authority.open(tmp_path)


def test_another_authoritys_key_is_refused_by_name(tmp_path: pathlib.Path) -> None:
    key, rest = Ring.make().dump().split(b"-----BEGIN CERT")[0], Ring.make().dump().split(b"-----BEGIN CERT")[1]
    file = broken(tmp_path, key + b"-----BEGIN CERT" + rest)
    with pytest.raises(Unusable, match=f"{file} holds a key that is not the one"):
        Authority.open(tmp_path)


def test_a_certificate_that_may_not_sign_is_refused_by_name(authority: Authority, tmp_path: pathlib.Path) -> None:
    issued = authority.issue_server(new_id(), 3600)
    file = broken(tmp_path, (issued.private_key + issued.certificate).encode())
    with pytest.raises(Unusable, match=f"{file} holds a certificate that is not a certificate authority's"):
        Authority.open(tmp_path)


def test_an_expired_authority_is_refused_by_name(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Authority.open(tmp_path)
    later = ring.now() + datetime.timedelta(days=366 * ring.AUTHORITY_YEARS)
    monkeypatch.setattr(ring, "now", lambda: later)
    with pytest.raises(Unusable, match=r"authority\.pem holds a certificate that expired on"):
        Authority.open(tmp_path)


def test_a_directory_that_is_a_file_is_refused_by_name(tmp_path: pathlib.Path) -> None:
    (tmp_path / "pki").write_text("")
    with pytest.raises(Unusable, match=f"{tmp_path}/pki cannot be a private directory"):
        Authority.open(tmp_path / "pki")


@pytest.mark.timeout(60)
def test_of_processes_that_make_the_authority_at_once_all_get_the_same(tmp_path: pathlib.Path) -> None:
    context = multiprocessing.get_context("fork")
    start, answers = context.Event(), context.SimpleQueue()

    def run() -> None:
        start.wait()
        answers.put(Authority.open(tmp_path).ca_pem)

    processes = [context.Process(target=run) for _ in range(6)]
    for process in processes:
        process.start()
    start.set()
    got = {answers.get() for _ in processes}
    for process in processes:
        process.join()
    assert len(got) == 1
