"""What secrets may be, and who finds which of them."""

import os
import pathlib
import sys
import uuid

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from lictor import config
from lictor.cli import application
from lictor.cli.refusal import Refusal
from lictor.drivers.secrets import x509
from lictor.drivers.secrets.barbican import BarbicanSecrets
from lictor.drivers.secrets.base import Away, SecretError, Secrets
from lictor.drivers.secrets.files import LARGEST, FileSecrets
from lictor.drivers.secrets.noop import NoopSecrets
from tests.unit.certs import Identity, key_pem

MINE, YOURS = "a" * 32, "b" * 32
ROOT = Identity("root", ca=True, usage=True)
MIDDLE = Identity("middle", issuer=ROOT, ca=True)
RSA = rsa.generate_private_key(65537, 2048)
WEB = Identity("www.example.com", issuer=MIDDLE, alternative=("www.example.com", "example.com"))


@pytest.fixture
def files(tmp_path: pathlib.Path) -> FileSecrets:
    (tmp_path / "secrets" / MINE).mkdir(parents=True)
    (tmp_path / "secrets" / YOURS).mkdir()
    return FileSecrets(config.load(lictor__state_dir=str(tmp_path)))


def put(files: FileSecrets, name: str, content: bytes) -> pathlib.Path:
    path = files._directory / name
    path.write_bytes(content)
    return path


def refusal(function, *arguments: object) -> str:
    with pytest.raises(SecretError) as refused:
        function(*arguments)
    return str(refused.value)


def test_a_pem_bundle_in_any_order_is_a_certificate_its_key_and_its_chain(files: FileSecrets) -> None:
    put(files, "www.pem", ROOT.pem + key_pem(WEB.key) + b"between\n" + MIDDLE.pem + WEB.pem + Identity("x").pem)
    found = files.certificate(MINE, "www")
    assert found.certificate.encode() == WEB.pem
    assert [each.encode() for each in found.intermediates] == [MIDDLE.pem, ROOT.pem]
    assert found.names == ("www.example.com", "example.com")
    assert found.not_after == WEB.certificate.not_valid_after_utc
    assert found.private_key.encode() == key_pem(WEB.key)
    assert "PRIVATE" not in repr(found)


def test_a_pkcs12_bundle_says_the_same(files: FileSecrets) -> None:
    put(files, "www.p12", WEB.pkcs12(ROOT, MIDDLE))
    put(files, "other.pem", WEB.bundle + MIDDLE.pem + ROOT.pem)
    assert files.certificate(MINE, "www") == files.certificate(MINE, "file:other")


@pytest.mark.parametrize(
    ("key", "traditional"),
    [(RSA, False), (RSA, True), (ed25519.Ed25519PrivateKey.generate(), False), (WEB.key, True)],
)
def test_keys_of_other_kinds_and_forms_are_read_too(key: object, traditional: bool) -> None:
    own = Identity("x", issuer=ROOT, key=key)
    assert x509.certificate(own.pem + key_pem(key, traditional=traditional)).names == ("x",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (WEB.pem, "no private key"),
        (key_pem(WEB.key), "no certificate"),
        (WEB.bundle + key_pem(ROOT.key), "more than one private key"),
        (WEB.pem + key_pem(ROOT.key), "does not belong"),
        (WEB.pem + key_pem(WEB.key, b"secret"), "encrypted"),
        (WEB.pem + key_pem(WEB.key, b"secret", traditional=True), "encrypted"),
        (WEB.bundle.replace(b"MII", b"AAA"), "cannot be read"),
        (WEB.pem + b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "private key cannot be read"),
        (Identity("x", days=-1).bundle, "expired on"),
        (Identity().bundle, "no common name"),
        (Identity("x", issuer=ROOT, key=rsa.generate_private_key(65537, 1024)).bundle, "ee key too small"),
        (WEB.pkcs12(passphrase=b"secret"), "pass phrase"),
        (b"", "neither PEM nor"),
        (b"\0" * 100, "neither PEM nor"),
    ],
)
def test_a_certificate_that_cannot_serve_is_refused_with_the_reason(content: bytes, words: str) -> None:
    assert words in refusal(x509.certificate, content)


def test_parts_of_a_certificate_become_one_bundle_without_a_pass_phrase() -> None:
    chain, whole = [MIDDLE.certificate, ROOT.certificate], x509.certificate(WEB.bundle + MIDDLE.pem + ROOT.pem)
    forms = [pkcs7.serialize_certificates(chain, form) for form in (Encoding.PEM, Encoding.DER)]
    for intermediates in (MIDDLE.pem + ROOT.pem, *forms):
        for traditional in (False, True):
            key = key_pem(WEB.key, b"secret", traditional)
            assert x509.certificate(x509.bundle(WEB.pem, key, b"secret", intermediates)) == whole
    assert x509.certificate(x509.bundle(WEB.pem + MIDDLE.pem + ROOT.pem, key_pem(WEB.key), b"needless", None)) == whole


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ((b"", key_pem(WEB.key), None, None), "its certificate is not in PEM form"),
        ((WEB.pem, key_pem(WEB.key, b"secret"), None, None), "there is no private_key_passphrase"),
        ((WEB.pem, key_pem(WEB.key, b"secret"), b"other", None), "does not open its private key"),
        ((WEB.pem, key_pem(WEB.key, b"secret", True), b"other", None), "does not open its private key"),
        ((WEB.pem, key_pem(WEB.key), None, b"nonsense"), "neither certificates in PEM form nor PKCS7"),
        ((WEB.pem, key_pem(WEB.key), None, key_pem(WEB.key)), "neither certificates in PEM form nor PKCS7"),
    ],
)
def test_parts_that_do_not_make_a_bundle_are_named(parts: tuple[bytes, bytes, bytes, bytes], words: str) -> None:
    assert words in refusal(x509.bundle, *parts)


def test_authorities_are_certificates_that_may_sign_and_are_good_today() -> None:
    found = x509.authority(ROOT.pem + MIDDLE.pem)
    assert found.certificates.encode() == ROOT.pem + MIDDLE.pem
    assert "not a CA's" in refusal(x509.authority, ROOT.pem + WEB.pem)
    assert "not a CA's" in refusal(x509.authority, Identity("x", ca=True, usage=False).pem)
    assert "expired" in refusal(x509.authority, Identity("x", ca=True, days=-1).pem)
    for nothing in (b"", key_pem(ROOT.key), b"\xff" * 9):
        assert "no certificate" in refusal(x509.authority, nothing)


def test_a_revocation_list_counts_if_its_authority_signed_it() -> None:
    revoked = x509.revocations(ROOT.revoke(WEB))
    x509.check_issuer(x509.authority(ROOT.pem), revoked)
    x509.check_issuer(x509.authority(MIDDLE.pem + ROOT.pem), x509.revocations(ROOT.revoke() + MIDDLE.revoke()))
    twin = Identity("root", ca=True)
    for issuers in (
        twin.pem,
        MIDDLE.pem,
        Identity("x", ca=True, key=ed25519.Ed25519PrivateKey.generate(), issuer=ROOT).pem,
    ):
        assert "not signed by the CA" in refusal(x509.check_issuer, x509.authority(issuers), revoked)
    assert "overdue" in refusal(x509.revocations, ROOT.revoke(days=-1))
    assert "no certificate revocation list" in refusal(x509.revocations, ROOT.pem)
    broken = b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"
    assert "cannot be read" in refusal(x509.revocations, broken)


def test_a_secret_above_is_everybodys_and_one_in_a_projects_directory_is_its_own(files: FileSecrets) -> None:
    put(files, "shared.pem", WEB.bundle)
    put(files, f"{MINE}/own.pem", WEB.bundle)
    put(files, f"{MINE}/shared.p12", Identity("mine").pkcs12())
    assert files.certificate(MINE, "own").certificate.encode() == WEB.pem
    assert files.certificate(MINE, "shared").names == ("mine",)
    assert files.certificate(YOURS, "shared").names[0] == "www.example.com"
    for stranger in (YOURS, "", "..", "x" * 36):
        assert refusal(files.certificate, stranger, "own") == refusal(files.certificate, MINE, "nothing")


@pytest.mark.parametrize(
    "reference",
    [
        "", ".", "..", "../other", "a/b", "/etc/passwd", "file:///etc/passwd", "file:../x", "x\0y", "a b", ".hidden",
        f"{MINE}/own", "https://barbican.example/v1/secrets/1", "ünïcode", "x\n", "file:", "own.pem/",
    ],
)  # fmt: skip
def test_no_reference_leads_out_of_the_directory(files: FileSecrets, reference: str) -> None:
    put(files, f"{MINE}/own.pem", WEB.bundle)
    (files._directory.parent / "other.pem").write_bytes(WEB.bundle)
    assert "letters, digits" in refusal(files.certificate, YOURS, reference)


def test_a_project_whose_id_is_a_path_has_no_directory(files: FileSecrets) -> None:
    (files._directory.parent / "other.pem").write_bytes(WEB.bundle)
    for project in ("..", ".", "../..", f"../secrets/{MINE}"):
        assert "no secret of this name" in refusal(files.certificate, project, "other")


def test_files_that_are_none_or_cannot_be_read_are_refused_at_once(files: FileSecrets) -> None:
    (files._directory / "folder.pem").mkdir()
    os.mkfifo(files._directory / "pipe.pem")
    (files._directory / "gone.pem").symlink_to("nowhere")
    put(files, "long.pem", b"x" * (LARGEST + 1))
    put(files, "two.pem", WEB.bundle)
    put(files, "two.p12", WEB.pkcs12())
    said = {name: refusal(files.certificate, MINE, name) for name in ("folder", "pipe", "gone", "long", "two", "none")}
    assert said["folder"] == "its file cannot be read (Is a directory)"
    assert said["pipe"] == "it is not a file"
    assert said["gone"] == "its file cannot be read (No such file or directory)"
    assert "longer than" in said["long"] and "only one" in said["two"] and "no secret" in said["none"]
    assert not any(str(files._directory) in text for text in said.values())


def test_a_file_that_was_replaced_is_read_anew_also_through_a_link(files: FileSecrets) -> None:
    target = put(files, "target", WEB.bundle)
    (files._directory / "www.pem").symlink_to(target)
    assert files.certificate(MINE, "www").names[0] == "www.example.com"
    target.write_bytes(Identity("new").bundle)
    assert files.certificate(MINE, "www").names == ("new",)


def test_a_files_version_is_another_one_when_its_content_is(files: FileSecrets) -> None:
    path = put(files, "a.pem", b"one")
    before = files.version("p", "a")
    path.write_bytes(b"one")
    assert files.version("p", "a") == before
    path.write_bytes(b"two")
    assert files.version("p", "a") != before


def test_what_has_run_out_is_read_by_those_who_say_that_it_may_have(files: FileSecrets) -> None:
    root = Identity("root", ca=True, days=-1)
    put(files, "own.pem", Identity("x", days=-1).bundle)
    put(files, "ca.pem", root.pem)
    put(files, "crl.pem", root.revoke(days=-1))
    for name, read in (("own", files.certificate), ("ca", files.authority), ("crl", files.revocations)):
        with pytest.raises(SecretError):
            read("p", name)
        assert read("p", name, lapsed=True)


def test_the_directory_is_an_option(tmp_path: pathlib.Path) -> None:
    (tmp_path / "www.pem").write_bytes(WEB.bundle)
    conf = config.load(certificates__storage_path=str(tmp_path))
    assert FileSecrets(conf).certificate(MINE, "www")


def test_without_a_store_every_reference_is_good_and_goes_together() -> None:
    secrets: Secrets = NoopSecrets(config.load())
    own = secrets.certificate(MINE, "https://anything/at/all")
    assert x509.certificate((own.certificate + own.private_key).encode()) == own
    issuers, revoked = secrets.authority(MINE, "x"), secrets.revocations(MINE, "y")
    x509.check_issuer(x509.authority(issuers.certificates.encode()), x509.revocations(revoked.lists.encode()))


ACCOUNT = """[service_auth]
auth_type = password
auth_url = http://127.0.0.1:1/v3
username = lictor
password = lab
project_name = service
user_domain_name = Default
project_domain_name = Default
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "[service_auth] auth_type is missing"),
        ("[service_auth]\nauth_type = wish\n", "[service_auth] cannot be used: The plugin wish could not be found"),
        ("[service_auth]\nauth_type = password\n", "[service_auth] cannot be used: Auth plugin requires parameters"),
    ],
)
def test_without_an_account_in_the_cloud_there_is_no_barbican(tmp_path: pathlib.Path, text: str, words: str) -> None:
    path = tmp_path / "lictor.conf"
    path.write_text(text)
    with pytest.raises(config.Misconfigured) as refused:
        BarbicanSecrets(config.load([str(path)]))
    assert words in str(refused.value)


def test_a_cloud_that_is_not_there_is_asked_no_sooner_than_needed_and_is_away_then(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "lictor.conf"
    path.write_text(ACCOUNT)
    secrets, reference = BarbicanSecrets(config.load([str(path)])), f"https://x/v1/secrets/{uuid.uuid4()}"
    assert secrets.version(MINE, reference) == reference
    for ask in (secrets.certificate, secrets.authority, secrets.revocations):
        with pytest.raises(Away):
            ask(MINE, reference)
    with pytest.raises(Away):
        secrets.share("token", reference)
    with pytest.raises(Away):
        secrets.register(reference, "lb")


@pytest.mark.parametrize(
    ("name", "kind"), [("files", FileSecrets), ("noop", NoopSecrets), ("barbican", BarbicanSecrets)]
)
def test_drivers_are_found_by_their_entry_points(tmp_path: pathlib.Path, name: str, kind: type) -> None:
    path = tmp_path / "lictor.conf"
    path.write_text(ACCOUNT)
    conf = config.load([str(path)], certificates__cert_manager=name)
    assert isinstance(application.secrets(conf), kind)


def test_what_is_missing_for_a_driver_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    conf = config.load(certificates__cert_manager="barbican")
    with pytest.raises(Refusal, match=r"\[service_auth\] auth_type is missing"):
        application.secrets(conf)
    monkeypatch.setitem(sys.modules, "barbicanclient", None)
    monkeypatch.delitem(sys.modules, BarbicanSecrets.__module__)
    with pytest.raises(Refusal, match=r"needs the Python module barbicanclient: .* lictor\[openstack\]"):
        application.secrets(conf)
