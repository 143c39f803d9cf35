"""`lictor image`: what is refused before anything is done."""

import contextlib
import dataclasses
import io
import pathlib
import re

import pytest

from lictor.cli import main
from lictor.cli.image import builder, checks
from lictor.cli.image.mirrors import Mirrors, Suite
from lictor.cli.image.wanted import read
from lictor.cli.refusal import Refusal


def wanted(*words):
    return read(main.parser().parse_args(["image", "build", *words]))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--base", "gentoo"], "--base gentoo is unknown: give debian, ubuntu, centos-stream, rocky"),
        (["--release", "buster"], "--release buster of debian is not supported: give bookworm or trixie"),
        (["--apt-mirror", "mirror/debian"], "--apt-mirror 'mirror/debian' is no URL"),
        (["--apt-mirror", "http://m/$(reboot)"], "is no URL"),
        (["--pip-index-url", "http://m/a b"], "is no URL"),
        (["--pip-index-url", "https://me:secret@m/simple"], "--pip-index-url has a user or a password in it"),
        (["--base", "rocky", "--apt-mirror", "http://m/"], "--apt-mirror has no meaning for --base rocky"),
        (["--rpm-repos", "/tmp"], "--rpm-repos has no meaning for --base debian"),
        (["--elements", "/nowhere"], "/nowhere has no element lictor-amphora"),
    ],
)
def test_a_wrong_option_is_named_with_what_would_be_right(capsys, words, sentence):
    assert main.main(["image", "build", *words]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("size", ["0", "-1", "1.5", "many"])
def test_a_size_that_is_none_is_refused(capsys, size):
    with pytest.raises(SystemExit) as ended:
        main.main(["image", "build", f"--size={size}"])
    assert ended.value.code == 2
    assert "give a whole number of GiB from 1 to 1000" in capsys.readouterr().err


def test_a_keyring_that_is_missing_says_which_package_has_it(tmp_path):
    asked = wanted("--keyring", str(tmp_path / "none.gpg"))
    with pytest.raises(Refusal, match=r"cannot be verified, the keyring .*none\.gpg is not there: name another file"):
        checks._check_keyring(asked)
    base = dataclasses.replace(asked.base, keyring=str(tmp_path / "archive.gpg"))
    with pytest.raises(
        Refusal, match=r"apt-get install debian-archive-keyring; .* keys of your mirror, with --keyring"
    ):
        checks._check_keyring(dataclasses.replace(asked, keyring=None, base=base))


def test_programs_that_are_missing_are_named_with_their_packages(monkeypatch):
    monkeypatch.setattr(checks.shutil, "which", lambda name: None if name in ("syslinux", "debootstrap") else "/x")
    monkeypatch.setattr(checks, "BOOT_SECTOR", checks.pathlib.Path(__file__))
    with pytest.raises(Refusal, match=r"apt-get install debootstrap syslinux$"):
        checks._check_programs(wanted().base)


def test_a_disk_that_is_too_full_is_named(tmp_path):
    with pytest.raises(Refusal, match=f"--work-dir: {tmp_path} has .* GiB free, 1000000 are needed"):
        checks._check_space(tmp_path, 1_000_000, "--work-dir")


def test_debootstrap_is_told_to_verify_and_nothing_of_our_environment_reaches_the_elements(tmp_path, monkeypatch):
    monkeypatch.setenv("DIB_APT_SOURCES_CONF", "evil:deb http://elsewhere.example/ x main")
    monkeypatch.setenv("OS_PASSWORD", "secret")
    (tmp_path / "keys").mkdir()
    (tmp_path / "mirror.gpg").write_bytes(b"key")
    found = Mirrors((Suite("default", "http://m.example/debian", "bookworm"),), "", ())
    asked = wanted("--keyring", str(tmp_path / "mirror.gpg"))
    told = builder.environment(asked, found, tmp_path / "agent", tmp_path)
    assert told["DIB_DEBOOTSTRAP_EXTRA_ARGS"] == f"--force-check-gpg --keyring={tmp_path}/mirror.gpg"
    assert told["DIB_APT_SOURCES_CONF"] == "default:deb http://m.example/debian bookworm main"
    assert (tmp_path / "keys" / "mirror.gpg").read_bytes() == b"key"
    assert "OS_PASSWORD" not in told


def test_progress_is_told_once_for_each_part_and_every_line_is_kept():
    lines = [
        "Running hooks from /w/dib_build.X/hooks/root.d\n",
        "dib-run-parts Running /w/hooks/root.d/08-debootstrap\n",
        "I: Retrieving InRelease\n",
        "dib-run-parts Running /tmp/in_target.d/install.d/01-package-installs\n",
        "dib-run-parts Running /tmp/in_target.d/install.d/99-package-uninstalls\n",
    ]
    log, said = [], []
    builder.follow(lines, log.append, said.append)
    assert log == lines
    assert said == ["the base system is installed", "packages are installed"]


def test_a_build_that_failed_shows_what_apt_complained_of(tmp_path):
    log = tmp_path / "x.log"
    log.write_text("".join(f"line {number}\n" for number in range(50)) + "E: Unable to locate package nonsense\nbye\n")
    assert str(builder.failure(log)).endswith(f"all it said is in {log}:\n  E: Unable to locate package nonsense")


def test_a_build_that_failed_for_want_of_the_right_keys_says_so(tmp_path):
    log = tmp_path / "x.log"
    log.write_text("Error: repomd.xml GPG signature verification error: gpgme_op_verify() error: No data\ncompleted\n")
    assert "not signed by the keys named (--keyring, or gpgkey in a .repo file)" in builder.failure(log)


def test_every_option_is_in_the_documentation_and_every_one_there_exists():
    page = (pathlib.Path(__file__).parents[4] / "docs/image.md").read_text()
    documented = set(re.findall(r"^\| `(--[a-z-]+)", page, re.MULTILINE))
    with pytest.raises(SystemExit), contextlib.redirect_stdout(io.StringIO()) as helped:
        main.main(["image", "build", "--help"])
    there = set(re.findall(r"(?<![\w-])--[a-z-]+", helped.getvalue()))
    assert documented ^ there == {"--help", "--elements", "--work-dir"}
