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
    with pytest.raises(Refusal, match="apt-get install debian-archive-keyring, or name the keys of your mirror"):
        checks._check_keyring(dataclasses.replace(asked, keyring=None, base=base))


def test_programs_that_are_missing_are_named_with_their_packages(monkeypatch):
    monkeypatch.setattr(checks.shutil, "which", lambda name: None if name in ("syslinux", "debootstrap") else "/x")
    monkeypatch.setattr(checks, "BOOT_SECTOR", checks.pathlib.Path(__file__))
    with pytest.raises(Refusal, match=r"apt-get install debootstrap syslinux$"):
        checks._check_programs(wanted().base)


def test_a_disk_that_is_too_full_is_named(tmp_path):
    with pytest.raises(Refusal, match=f"--work-dir: {tmp_path} has .* GiB free, 1000000 are needed"):
        checks._check_space(tmp_path, 1_000_000, "--work-dir")


REPOSITORY = "[baseos]\nbaseurl=http://m.example/9\ngpgkey=file:///key\ngpgcheck=1\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (REPOSITORY.replace("gpgcheck=1", "gpgcheck=0"), r"\[baseos\] has gpgcheck=0: it must be 1"),
        (REPOSITORY.replace("gpgcheck=1", ""), r"\[baseos\] has gpgcheck=None: it must be 1"),
        (REPOSITORY.replace("gpgkey", "x"), "needs gpgkey"),
        (f"{REPOSITORY}metalink=http://other/\n", "must not have metalink"),
        ("baseurl=x", "is no repository file"),
    ],
)
def test_centos_repositories_that_do_not_verify_packages_are_refused(tmp_path, text, sentence):
    (tmp_path / "a.repo").write_text(text)
    with pytest.raises(Refusal, match=sentence):
        checks._check_repositories(wanted("--base", "centos-stream", "--rpm-repos", str(tmp_path)))


def test_centos_without_repositories_says_why_it_needs_them(tmp_path):
    with pytest.raises(Refusal, match="those of diskimage-builder do not verify packages"):
        checks._check_repositories(wanted("--base", "centos-stream"))
    (tmp_path / "a.repo").write_text(REPOSITORY)
    asked = wanted("--base", "centos-stream", "--rpm-repos", str(tmp_path))
    checks._check_repositories(asked)
    assert checks.rpm_hosts(asked) == ["m.example"]


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


def test_every_option_is_in_the_documentation_and_every_one_there_exists():
    page = (pathlib.Path(__file__).parents[4] / "docs/image.md").read_text()
    documented = set(re.findall(r"^\| `(--[a-z-]+)", page, re.MULTILINE))
    with pytest.raises(SystemExit), contextlib.redirect_stdout(io.StringIO()) as helped:
        main.main(["image", "build", "--help"])
    there = set(re.findall(r"(?<![\w-])--[a-z-]+", helped.getvalue()))
    assert documented ^ there == {"--help", "--elements", "--work-dir"}
