"""Checks of the host."""

import socket

import pytest

from lictor import config
from lictor.cli import host
from lictor.cli.refusal import Refusal


@pytest.fixture
def haproxy(tmp_path, monkeypatch):
    """Puts a program of that name, which says what it is told to say, first in PATH."""

    def say(words):
        program = tmp_path / "haproxy"
        program.write_text(f"#!/bin/sh\necho '{words}'\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return say


@pytest.mark.parametrize("version", ["2.6.12-1+deb12u4", "2.10.0", "3.0.5"])
def test_a_recent_haproxy_will_do(haproxy, version):
    haproxy(f"HAProxy version {version} 2024/01/01 - https://haproxy.org/")
    host.check_haproxy()


def test_an_old_haproxy_is_refused_with_its_version(haproxy):
    haproxy("HA-Proxy version 2.2.9-2+deb11u6 2023/08/17 - https://haproxy.org/")
    with pytest.raises(Refusal, match=r"haproxy is 2\.2\.9-2\+deb11u6, too old: 2\.6 or newer"):
        host.check_haproxy()


def test_something_else_called_haproxy_is_refused(haproxy):
    haproxy("hello")
    with pytest.raises(Refusal, match="'hello', which names no version"):
        host.check_haproxy()


def test_a_missing_haproxy_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refusal, match="haproxy is not installed"):
        host.check_haproxy()


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_taken_port_is_refused_with_its_number_and_the_cure(kind):
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Refusal, match=f"port {port} on 127.0.0.1 is taken by another process: stop it, or wait"):
            host.check_port(kind, "127.0.0.1", port, "wait")
    host.check_port(kind, "127.0.0.1", port, "wait")


def test_an_address_of_another_host_is_refused():
    with pytest.raises(Refusal, match=r"192\.0\.2\.1 is no address of this host"):
        host.check_port(socket.SOCK_STREAM, "192.0.2.1", 9876, "")


@pytest.mark.parametrize(
    ("bind", "fine"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)]
)
def test_without_authentication_the_api_stays_on_loopback(tmp_path, bind, fine):
    conf = config.load(
        lictor__state_dir=str(tmp_path), api_settings__auth_strategy="noauth", api_settings__bind_host=bind
    )
    if fine:
        return host.check_exposure(conf)
    with pytest.raises(Refusal, match="can be reached from other hosts"):
        host.check_exposure(conf)
    return None
