"""`lictor up` in places that do not fit: one clear sentence, the right exit status, and nothing is changed."""

import contextlib
import pathlib
import shutil
import socket
import sqlite3
import subprocess
import sys

import pytest

from tests.lab.deployment import world

UP = [sys.executable, "-m", "lictor.cli.main", "up"]


@pytest.fixture
def up(tmp_path):
    """Runs `lictor up`, which must refuse and change nothing; returns its exit status and what it says."""

    def refused(*words, state=tmp_path / "state", config="", through=(), **how):
        (tmp_path / "lictor.conf").write_text(config)
        command = [*through, *UP, "--state-dir", state, "--config-file", tmp_path / "lictor.conf", *words]
        before = world(), contents(state)
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, **how)
        assert (world(), contents(state)) == before
        assert result.stdout == ""
        assert result.stderr.startswith("lictor: "), result.stderr
        assert result.stderr.count("\n") == 1, result.stderr
        return result.returncode, result.stderr.removeprefix("lictor: ").strip()

    return refused


def contents(state: pathlib.Path):
    """All files and what is in them; None for a directory that is not there."""
    if not state.exists():
        return None
    files = (path for path in state.rglob("*") if path.is_file() and path.name not in ("lock", "lictor.db-shm"))
    return {str(path): path.read_bytes() for path in files}


def test_not_root(up):
    # A user of a namespace of its own: not root, and yet this checkout's files can be read wherever it lies.
    status, words = up(through=["unshare", "--user", "--map-user=65534"])
    assert status == 1
    assert words == "lictor makes network namespaces, which needs root: run it as root, for example with sudo"


@pytest.fixture
def haproxy(tmp_path):
    """Puts another program in haproxy's place, in this laboratory only."""
    place = shutil.which("haproxy")
    mounted = []

    def replace(script, mode=0o755):
        program = tmp_path / "haproxy"
        program.write_text(script)
        program.chmod(mode)
        subprocess.run(["mount", "--bind", program, place], check=True)
        mounted.append(place)

    yield replace
    for path in mounted:
        subprocess.run(["umount", path], check=True)


def test_haproxy_missing(up, haproxy):
    haproxy("", mode=0o644)
    status, words = up()
    assert status == 1
    assert "'haproxy' is missing" in words


def test_haproxy_too_old(up, haproxy):
    haproxy("#!/bin/sh\necho 'HA-Proxy version 2.2.9-2+deb11u6 2023/08/17 - https://haproxy.org/'\n")
    status, words = up()
    assert status == 1
    assert "2.2 is too old" in words


def test_no_namespaces(up):
    # Without CAP_SYS_ADMIN, as in an unprivileged container, not even root may make any.
    status, words = up(through=["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"])
    assert status == 1
    assert "refuses namespaces" in words


@pytest.mark.parametrize(
    ("kind", "option", "cure"),
    [
        (socket.SOCK_STREAM, "[api_settings]", "name another one with --port"),
        (socket.SOCK_DGRAM, "[health_manager]", "set [health_manager] bind_port to another one"),
    ],
)
def test_a_port_is_taken(up, kind, option, cure):
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            other.listen()
        port = other.getsockname()[1]
        status, words = up(config=f"{option}\nbind_port = {port}\n")
    assert status == 1
    assert f" port {port} on " in words
    assert words.endswith(f"is taken by another process: stop it, or {cure}")


def test_the_address_range_is_in_use(up):
    subprocess.run("ip link add other type bridge && ip addr add 198.18.3.1/24 dev other", shell=True, check=True)
    try:
        status, words = up()
        assert status == 1
        assert "[local_network] cidr = 198.18.0.0/20 is in use on this host" in words
        assert "other" in words
    finally:
        subprocess.run(["ip", "link", "del", "other"], check=True)


@pytest.mark.parametrize("value", ["banana", "10.0.0.1/24", "127.0.0.0/8", "198.18.0.0/30"])
def test_an_address_range_that_cannot_be(up, value):
    status, words = up(config=f"[local_network]\ncidr = {value}\n")
    assert status == 2
    assert words.startswith(f"[local_network] cidr = {value}")


def test_a_read_only_state_directory(up, tmp_path):
    mount(tmp_path / "disk", "ro")
    try:
        status, words = up(state=tmp_path / "disk" / "state")
        assert status == 1
        assert "is not writable (Read-only file system)" in words
    finally:
        subprocess.run(["umount", tmp_path / "disk"], check=True)


def test_a_full_disk(up, tmp_path):
    mount(tmp_path / "disk", "size=1m")
    with contextlib.suppress(OSError), (tmp_path / "disk" / "data").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    try:
        status, words = up(state=tmp_path / "disk" / "state")
        assert status == 1
        assert words.startswith(f"the disk of the state directory {tmp_path}/disk/state is full")
    finally:
        subprocess.run(["umount", tmp_path / "disk"], check=True)


def mount(place, options):
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=True)


def test_a_state_directory_of_a_newer_release(up, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "version").write_text("2\n")
    status, words = up()
    assert status == 1
    assert "is of version 2, made by a newer release" in words


def test_a_database_of_a_newer_release(up, tmp_path, deployment):
    deployment.start()
    deployment.stop()
    with contextlib.closing(sqlite3.connect(deployment.state_dir / "lictor.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = 'from_the_future'")
        database.commit()
    status, words = up(state=deployment.state_dir)
    assert status == 1
    assert "schema revision 'from_the_future'" in words
    assert "newer release" in words


def test_two_on_one_state_directory(up, deployment):
    deployment.start()
    status, words = up("--port", "9999", state=deployment.state_dir)
    assert status == 1
    assert f"another lictor (process {deployment.process.pid}) works on {deployment.state_dir}" in words


def test_somebody_elses_directory(up, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "thesis.tex").write_text("...")
    status, words = up()
    assert status == 1
    assert "not empty and no state directory of Lictor's" in words


def test_no_authentication_for_the_whole_world(up):
    status, words = up("--auth", "noauth", config="[api_settings]\nbind_host = 0.0.0.0\n")
    assert status == 2
    assert "can be reached from other hosts" in words


def test_a_driver_that_does_not_exist(up):
    status, words = up(config="[controller_worker]\ncompute_driver = abacus\n")
    assert status == 2
    assert "no driver 'abacus'" in words


def test_a_cloud_without_an_account_in_it(up):
    status, words = up(config="[controller_worker]\ncompute_driver = nova\nnetwork_driver = neutron\n")
    assert status == 2
    assert "[service_auth] auth_type is missing" in words
