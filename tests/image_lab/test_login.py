"""`make test-image FILE=…`: nobody logs in; of an image built with `--ssh` root does, by the key pair of Nova."""

import contextlib
import socket
import subprocess

import pytest

from lictor.cli.image import manifest
from tests.agent_lab.amphora import eventually
from tests.image_lab.instance import IMAGE, Instance, free_port, needs_image, running

pytestmark = needs_image


def has_sshd():
    return bool(IMAGE) and manifest.load(IMAGE).sshd


def banner(port):
    """What a server at this port of our loopback says first; nothing, if there is none behind it."""
    with socket.create_connection(("127.0.0.1", port), 10) as line, contextlib.suppress(ConnectionError, TimeoutError):
        return line.recv(100)
    return b""


@pytest.mark.skipif(has_sshd(), reason="this image was built with --ssh")
def test_without_being_asked_for_there_is_no_sshd_in_the_manifest_nor_in_the_machine(tmp_path):
    found = manifest.load(IMAGE)
    assert not [name for name in found.packages if "ssh" in name]
    assert not [name for name in found.enabled if "ssh" in name]
    assert not [line for line in found.files if "sshd" in line.rpartition("/")[2]]
    port = free_port()
    with running(Instance(tmp_path), ports={port: 22}) as instance:
        instance.until_it_answers()
        assert banner(port) == b""


@pytest.mark.skipif(not has_sshd(), reason="this image was built without --ssh")
def test_root_logs_in_with_the_key_pair_that_nova_was_told_and_nobody_else(tmp_path):
    for name in ("nova", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    port = free_port()
    instance = Instance(tmp_path, public_keys={"nova": (tmp_path / "nova.pub").read_text()})
    with running(instance, ports={port: 22}):
        instance.until_it_answers()
        eventually(lambda: banner(port).startswith(b"SSH-2.0"), 120)
        assert ssh(tmp_path / "other", port, "id").returncode == 255
        assert ssh(tmp_path / "nova", port, "id -un").stdout == "root\n"
        assert ssh(tmp_path / "nova", port, "findmnt -no OPTIONS /").stdout.startswith("ro,")
        for words in (
            "systemd-analyze",
            "systemd-analyze blame",
            "systemd-analyze critical-chain lictor-agent.service",
        ):
            print(f"{words}\n{ssh(tmp_path / 'nova', port, words).stdout}")


def ssh(key, port, words):
    options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentitiesOnly=yes"]
    command = ["ssh", "-F", "/dev/null", "-i", key, "-p", str(port), *(f"-o{each}" for each in options)]
    return subprocess.run(
        [*command, "root@127.0.0.1", words], capture_output=True, text=True, timeout=120, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
