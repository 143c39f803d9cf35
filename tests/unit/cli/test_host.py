"""Checks of the host."""

import socket

import pytest

from lictor import config
from lictor.cli import host
from lictor.cli.refusal import Refusal


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


@pytest.mark.parametrize(("driver", "fine"), [("netns", False), ("noop", True)])
def test_only_amphorae_on_this_host_need_root(monkeypatch, driver, fine):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    conf = config.load(controller_worker__compute_driver=driver)
    if fine:
        return host.check_root(conf)
    with pytest.raises(Refusal, match="needs root"):
        host.check_root(conf)
    return None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"default_pool_ciphers": "NONSENSE"}, "choices of pools: Validation failure: tls_ciphers: OpenSSL offers no"),
        ({"tls_cipher_prohibit_list": "TLS_AES_256_GCM_SHA384"}, "not allowed in this deployment: TLS_AES_256_GCM"),
        (
            {"minimum_tls_version": "TLSv1.3"},
            "choices of listeners: Validation failure: tls_versions: TLSv1.2 is below",
        ),
    ],
)
def test_tls_defaults_that_nobody_may_choose_are_refused(options, words):
    host.check_tls(config.load())
    with pytest.raises(Refusal) as refused:
        host.check_tls(config.load(**{f"api_settings__{name}": value for name, value in options.items()}))
    assert words in str(refused.value)
    assert refused.value.status == 2
