"""Bases with RPM: their repositories are yours, answer, and are verified; or a sentence says what to do."""

import pathlib

import pytest

from lictor.cli import main
from lictor.cli.image import builder, mirrors, rpm
from lictor.cli.image.wanted import read
from lictor.cli.refusal import Refusal
from tests.unit.cli.image.servers import server

REPOSITORY = "[baseos]\nbaseurl={}/$releasever/$basearch\ngpgkey={}\ngpgcheck=1\nrepo_gpgcheck=1\n"
ROCKY = f"registry.example:5000/rocky@sha256:{'0a' * 32}"


def wanted(*words):
    return read(main.parser().parse_args(["image", "build", *words]))


def named(tmp_path, text):
    (tmp_path / "a.repo").write_text(text)
    return wanted("--base", "centos-stream", "--rpm-repos", str(tmp_path))


@pytest.mark.parametrize(
    ("was", "now", "sentence"),
    [
        ("\ngpgcheck=1", "\ngpgcheck=0", r"\[baseos\] has gpgcheck=0: it must be 1, which verifies the packages"),
        ("\ngpgcheck=1", "", r"\[baseos\] has gpgcheck=None: it must be 1"),
        ("repo_gpgcheck=1", "", r"\[baseos\] has repo_gpgcheck=None: it must be 1, which verifies the list"),
        ("gpgkey", "x", "needs gpgkey"),
        ("[baseos]", "[baseos]\nmetalink=http://other/", "must not have metalink"),
        ("[baseos]", "", "is no repository file"),
    ],
)
def test_repositories_that_do_not_verify_packages_or_lead_elsewhere_are_refused(tmp_path, was, now, sentence):
    text = REPOSITORY.format("http://m.example", "http://m.example/KEY").replace(was, now)
    with pytest.raises(Refusal, match=sentence):
        rpm.check(named(tmp_path, text))


def test_a_base_without_repositories_says_why_it_needs_them():
    with pytest.raises(Refusal, match=r"--base centos-stream needs --rpm-repos .* do not verify packages"):
        rpm.check(wanted("--base", "centos-stream"))


def test_keys_that_are_not_there_say_which_package_has_them(tmp_path):
    asked = named(tmp_path, REPOSITORY.format("http://m.example", f"file://{tmp_path}/KEY"))
    with pytest.raises(Refusal, match=r"cannot be verified, the keys .*/KEY are not on this host: .*centos-gpg-keys"):
        rpm.check(asked)


def test_every_repository_is_asked_for_its_list_and_its_signature(tmp_path):
    (tmp_path / "KEY").write_text("keys")
    pages = {"/9/x86_64/repodata/repomd.xml": b"<repomd/>"}
    with server(pages) as mirror:
        asked = named(tmp_path, REPOSITORY.format(mirror.url, f"file://{tmp_path}/KEY"))
        with pytest.raises(Refusal, match=r"repo_gpgcheck: .*repomd.xml.asc answers 404 .*that is signed has it"):
            mirrors.check(asked, "msgspec")
        pages["/9/x86_64/repodata/repomd.xml.asc"] = b"signature"
        assert mirrors.check(asked, "msgspec").suites == ()
        assert rpm.hosts(asked) == [mirror.host]
    with pytest.raises(Refusal, match=r"\[baseos\] baseurl: .*repomd.xml does not answer"):
        mirrors.check(asked, "msgspec")


@pytest.mark.parametrize("name", ["", "registry.example/rocky:9", f"rocky@sha256:{'0a' * 32}"])
def test_rocky_begins_with_a_container_image_whose_content_is_named_too(tmp_path, name):
    words = ["--container-image", name] if name else []
    with pytest.raises(Refusal, match="--container-image HOST/NAME@sha256:DIGEST"):
        rpm.check(wanted("--base", "rocky", "--rpm-repos", str(tmp_path), *words))


def test_rocky_sees_no_repositories_but_those_named(tmp_path):
    (tmp_path / "work").mkdir()
    repos = tmp_path / "repos"
    repos.mkdir()
    (repos / "a.repo").write_text(REPOSITORY.format("http://m.example", "http://m.example/KEY"))
    asked = wanted("--base", "rocky", "--rpm-repos", str(repos), "--container-image", ROCKY)
    told = builder.environment(asked, mirrors.Mirrors((), "", ()), tmp_path / "agent", tmp_path / "work")
    assert (tmp_path / "work/container/a.repo").exists()
    lines = pathlib.Path(told["DIB_CONTAINERFILE_DOCKERFILE"]).read_text().splitlines()
    assert lines[:3] == [f"FROM {ROCKY}", "RUN rm -f /etc/yum.repos.d/*", "COPY *.repo /etc/yum.repos.d/"]
    assert "DIB_DISTRIBUTION_MIRROR" not in told
    assert rpm.hosts(asked) == ["m.example", "registry.example:5000"]
