"""Mirrors of packages: answering, signed, and the only ones."""

import pathlib
import shutil

import pytest

from lictor.cli import main
from lictor.cli.image import mirrors
from lictor.cli.image.bases import BASES
from lictor.cli.image.mirrors import Mirrors, Suite
from lictor.cli.image.wanted import read
from lictor.cli.refusal import Refusal
from tests.unit.cli.image.servers import server

DEBIAN = pathlib.Path(BASES["debian"].keyring)
SIGNED = next(iter(sorted(pathlib.Path("/var/lib/apt/lists").glob("*_dists_bookworm_InRelease"))), None)
NEEDS_DEBIAN = pytest.mark.skipif(
    SIGNED is None or not DEBIAN.exists() or not shutil.which("gpgv"), reason="needs Debian's keyring and apt's lists"
)


def wanted(*words):
    return read(main.parser().parse_args(["image", "build", *words]))


@NEEDS_DEBIAN
def test_what_debian_signed_is_trusted_and_one_changed_letter_is_not():
    text = SIGNED.read_bytes()
    assert mirrors.unsigned(text, DEBIAN) == ""
    assert "BAD signature" in mirrors.unsigned(text.replace(b"Suite:", b"suite:", 1), DEBIAN)
    assert mirrors.unsigned(b"Suite: stable\n", DEBIAN) != ""


@NEEDS_DEBIAN
def test_a_mirror_signed_by_somebody_else_says_what_to_do(tmp_path):
    (tmp_path / "none.gpg").write_bytes(b"")
    with server({"/debian/dists/bookworm/InRelease": SIGNED.read_bytes()}) as mirror:
        asked = wanted("--apt-mirror", f"{mirror.url}/debian", "--keyring", str(tmp_path / "none.gpg"))
        with pytest.raises(Refusal, match=r"is not signed by a key in .* name its file with --keyring"):
            mirrors.check(asked, "msgspec")


@NEEDS_DEBIAN
def test_security_updates_come_from_a_mirror_named_or_beside_the_one_named_and_from_nowhere_else():
    release = SIGNED.read_bytes()
    pages = {f"/debian/dists/{suite}/InRelease": release for suite in ("bookworm", "bookworm-updates")}
    with server(pages) as mirror:
        url = f"{mirror.url}/debian"
        with pytest.raises(Refusal, match="name their mirror with --apt-security-mirror URL"):
            mirrors.check(wanted("--apt-mirror", url), "msgspec")
        without = mirrors.check(wanted("--apt-mirror", url, "--apt-security-mirror", "none"), "msgspec")
        assert [suite.name for suite in without.suites] == ["default", "updates"]
        pages["/debian-security/dists/bookworm-security/InRelease"] = release
        beside = mirrors.check(wanted("--apt-mirror", f"{url}/"), "msgspec")
        assert beside.suites[2] == Suite("security", f"{url}-security", "bookworm-security")
        assert beside.apt_hosts == {mirror.host}


def test_a_mirror_that_does_not_answer_is_named_with_what_it_said():
    with (
        server({}) as mirror,
        pytest.raises(Refusal, match=f"{mirror.url}/debian/dists/bookworm/InRelease answers 404"),
    ):
        mirrors.check(wanted("--apt-mirror", f"{mirror.url}/debian"), "msgspec")
    with pytest.raises(Refusal, match=r"--apt-mirror: .* does not answer"):
        mirrors.check(wanted("--apt-mirror", f"{mirror.url}/debian"), "msgspec")


def test_an_index_that_does_not_answer_is_named():
    with server({}) as index, pytest.raises(Refusal, match=f"--pip-index-url: {index.url}/simple/msgspec/ answers 404"):
        mirrors.check(wanted("--base", "rocky", "--pip-index-url", f"{index.url}/simple"), "msgspec")


def test_apt_is_told_of_the_mirrors_in_diskimage_builders_words():
    found = Mirrors((Suite("default", "http://m.example/debian", "bookworm"),), "", ())
    assert found.sources("main,universe") == "default:deb http://m.example/debian bookworm main universe"


def test_a_host_that_apt_asked_beside_the_mirrors_is_found_in_the_log():
    log = [
        "Get:1 http://m.example/debian bookworm InRelease [151 kB]\n",
        "> Get:2 http://elsewhere.example/debian bookworm/main amd64 zstd amd64 1.5 [600 kB]\n",
        "Hit:3 https://third.example:8080/x bookworm InRelease\n",
        "I: Retrieving http://m.example/debian\n",
    ]
    assert mirrors.strangers_asked(log, {"m.example"}) == {"elsewhere.example", "third.example:8080"}


def test_a_host_in_the_configuration_of_apt_or_pip_beside_the_mirrors_is_found(tmp_path):
    (tmp_path / "etc/apt/sources.list.d").mkdir(parents=True)
    (tmp_path / "etc/apt/sources.list.d/default.list").write_text("deb http://m.example/debian bookworm main\n")
    assert mirrors.strangers_configured(tmp_path, {"m.example"}) == set()
    (tmp_path / "etc/apt/sources.list.d/x.sources").write_text("# http://c.example/\nURIs: https://a.example/debian\n")
    (tmp_path / "etc/pip.conf").write_text("[global]\nindex-url = https://b.example/simple\n")
    assert mirrors.strangers_configured(tmp_path, {"m.example"}) == {"a.example", "b.example"}
