"""The manifest of an image: written, shown, compared."""

import msgspec
import pytest

from lictor.cli import main
from lictor.cli.image import manifest, tree


def an_image(place, name="a.qcow2", **changes):
    (place / name).write_bytes(b"image")
    fields = {
        "image": name, "sha256": manifest.digest(place / name), "bytes": 5, "disk_gib": 2, "base": "debian",
        "release": "bookworm", "kernel": "6.1.0-1-cloud-amd64", "command_line": "ro", "built": "2026-11-29T00:00:00Z",
        "agent": manifest.Agent(version="0.1", sha256="ab" * 32, python="3.11", libraries={"msgspec": "0.20"}),
        "packages": {"haproxy": "2.6.12-1", "zstd": "1.5"}, "settings": {"kernel.panic": "10"},
        "enabled": ["lictor-agent.service"], "sshd": False, "mirrors": ["m.example"],
        "glance": manifest.glance("debian"),
    } | changes  # fmt: skip
    found = manifest.Manifest(**fields)
    manifest.write(found, place / f"{name}.json")
    return found


def test_what_is_written_is_read_by_the_image_and_by_its_own_name(tmp_path):
    written = an_image(tmp_path)
    assert manifest.load(str(tmp_path / "a.qcow2")) == written
    assert manifest.load(str(tmp_path / "a.qcow2.json")) == written


def test_show_says_what_is_in_it(tmp_path, capsys):
    an_image(tmp_path)
    assert main.main(["image", "show", str(tmp_path / "a.qcow2")]) == 0
    shown = capsys.readouterr().out
    assert "base      debian bookworm, kernel 6.1.0-1-cloud-amd64" in shown
    assert "programs  haproxy 2.6.12-1" in shown
    assert "glance    --min-disk 2 --min-ram 512 --property architecture=x86_64" in shown
    assert "--property hw_cdrom_bus=scsi" in shown


def test_an_image_that_is_not_the_manifests_is_noticed(tmp_path, capsys):
    an_image(tmp_path)
    (tmp_path / "a.qcow2").write_bytes(b"other")
    assert main.main(["image", "show", str(tmp_path / "a.qcow2.json")]) == 1
    assert "its SHA-256 differs" in capsys.readouterr().err


def test_diff_says_what_is_gone_new_and_changed(tmp_path, capsys):
    an_image(tmp_path)
    an_image(
        tmp_path,
        "b.qcow2",
        packages={"haproxy": "2.6.12-2", "xz": "1"},
        elements="cd" * 32,
        settings={"kernel.panic": "5"},
        sshd=True,
    )
    assert main.main(["image", "diff", str(tmp_path / "a.qcow2"), str(tmp_path / "b.qcow2")]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "~ image elements  -> cdcdcdcdcdcd",
        "~ image sshd False -> True",
        "~ package haproxy 2.6.12-1 -> 2.6.12-2",
        "+ package xz 1",
        "- package zstd 1.5",
        "~ setting kernel.panic 10 -> 5",
    ]
    assert main.main(["image", "diff", str(tmp_path / "a.qcow2"), str(tmp_path / "a.qcow2")]) == 0
    assert capsys.readouterr().out == "nothing differs\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [("{}", "is no manifest"), ("no", "is no manifest"), (None, "cannot be read"), (2, "has format 2")],
)
def test_what_is_no_manifest_is_named(tmp_path, capsys, text, words):
    if text == 2:
        found = msgspec.structs.replace(an_image(tmp_path), format=2)
        manifest.write(found, tmp_path / "a.qcow2.json")
    elif text is not None:
        (tmp_path / "a.qcow2.json").write_text(text)
    assert main.main(["image", "show", str(tmp_path / "a.qcow2")]) == 1
    assert words in capsys.readouterr().err


def test_secrets_in_a_tree_are_found(tmp_path):
    (tmp_path / "etc/ssh").mkdir(parents=True)
    (tmp_path / "etc/shadow").write_text("root:!:1::::::\ndaemon:*:1::::::\nme:!*:1::::::\n")
    assert tree.secrets(tmp_path) == set()
    (tmp_path / "etc/ssh/ssh_host_rsa_key").write_text("key")
    (tmp_path / "etc/shadow").write_text("root:$y$j9T$x:1::::::\nother::1::::::\n")
    assert tree.secrets(tmp_path) == {"etc/ssh/ssh_host_rsa_key", "a password of root", "a password of other"}


def test_units_are_those_enabled_and_not_masked(tmp_path):
    wants = tmp_path / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True)
    for name in ("a.service", "b.service"):
        (wants / name).symlink_to(f"/lib/systemd/system/{name}")
    (tmp_path / "etc/systemd/system/b.service").symlink_to("/dev/null")
    assert tree.enabled(tmp_path) == ["a.service"]
