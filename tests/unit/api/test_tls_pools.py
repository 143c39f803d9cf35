"""Pools that speak TLS to their members."""

from typing import Any

import pytest

from lictor.config.opts import STRONG_CIPHERS
from tests.unit.api.world import World
from tests.unit.certs import Identity

ROOT = Identity("root", ca=True)


@pytest.fixture
def tls(whole: World) -> World:
    whole.secret("client.pem", Identity("client", issuer=ROOT).bundle)
    whole.secret("ca.pem", ROOT.pem)
    whole.secret("crl.pem", ROOT.revoke())
    whole.secret("other-ca.pem", Identity("other", ca=True).pem)
    return whole


def refused(world: World, **values: Any) -> str:
    wanted = {"loadbalancer_id": world.balancer()["id"], "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    text = world.create("pools", 400, **(wanted | values))
    assert world.get("/pools")["pools"] == []
    return str(text)


DEFAULTS = {
    "tls_ciphers": STRONG_CIPHERS,
    "tls_versions": ["TLSv1.2", "TLSv1.3"],
    "alpn_protocols": ["h2", "http/1.1", "http/1.0"],
}


def chosen(pool: dict[str, Any]) -> dict[str, Any]:
    return {name: pool[name] for name in DEFAULTS}


def test_a_pool_with_tls_has_the_defaults_of_the_configuration(tls: World) -> None:
    balancer = tls.balancer()
    assert chosen(tls.pool(balancer, tls_enabled=True)) == DEFAULTS
    assert chosen(tls.pool(balancer)) == dict.fromkeys(DEFAULTS)
    some = tls.pool(balancer, tls_enabled="on", tls_ciphers="HIGH", alpn_protocols=["http/1.1"])
    assert chosen(some) == DEFAULTS | {"tls_ciphers": "HIGH", "alpn_protocols": ["http/1.1"]}


def test_a_pool_that_gets_tls_later_has_them_too_and_null_brings_them_back(tls: World) -> None:
    path = f"/pools/{tls.pool(tls.balancer(), tls_versions=['TLSv1.3'])['id']}"
    assert chosen(tls.change(path, tls_enabled=True)) == DEFAULTS | {"tls_versions": ["TLSv1.3"]}
    assert chosen(tls.change(path, tls_versions=None)) == DEFAULTS
    off = tls.change(path, tls_enabled=None, **dict.fromkeys(DEFAULTS))
    assert (off["tls_enabled"], chosen(off)) == (False, dict.fromkeys(DEFAULTS))


def test_pool_defaults_are_options(tmp_path) -> None:
    world = World(
        tmp_path,
        controller_worker__compute_driver="noop",
        api_settings__default_pool_ciphers="AES128-SHA",
        api_settings__default_pool_tls_versions=["TLSv1.2"],
        api_settings__default_pool_alpn_protocols=["http/1.0"],
    )
    expected = {"tls_ciphers": "AES128-SHA", "tls_versions": ["TLSv1.2"], "alpn_protocols": ["http/1.0"]}
    assert chosen(world.pool(world.balancer(), tls_enabled=True)) == expected


def test_a_pool_refers_to_its_certificate_and_to_what_its_members_are_checked_against(tls: World) -> None:
    references = {"tls_container_ref": "client", "ca_tls_container_ref": "ca", "crl_container_ref": "crl"}
    pool = tls.pool(tls.balancer(), tls_enabled=True, **references)
    assert {name: pool[name] for name in references} == references
    path = f"/pools/{pool['id']}"
    assert "crl_container_ref needs ca_tls_container_ref" in tls.change(path, 400, ca_tls_container_ref=None)
    assert "not signed by the CA 'other-ca'" in tls.change(path, 400, ca_tls_container_ref="other-ca")
    after = tls.change(path, crl_container_ref=None, ca_tls_container_ref="other-ca", tls_container_ref=None)
    assert [after[name] for name in references] == [None, "other-ca", None]
    assert "not signed" in tls.change(path, 400, crl_container_ref="crl")
    assert tls.change(path, ca_tls_container_ref=None)["ca_tls_container_ref"] is None
    assert "crl_container_ref needs ca_tls" in tls.change(path, 400, crl_container_ref="crl")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"crl_container_ref": "crl"}, "crl_container_ref needs ca_tls_container_ref"),
        ({"tls_container_ref": "ca"}, "Could not retrieve certificate: ['ca']: it holds no private key."),
        (
            {"ca_tls_container_ref": "client"},
            "Could not retrieve certificate: ['client']: it holds a certificate that is",
        ),
        ({"tls_container_ref": "none"}, "Could not retrieve certificate: ['none']: there is no secret of this name"),
        ({"tls_ciphers": "NONSENSE"}, "OpenSSL offers no NONSENSE"),
        ({"tls_versions": []}, "tls_versions: name at least one"),
        ({"alpn_protocols": []}, "alpn_protocols: name at least one"),
        ({"protocol": "UDP", "tls_enabled": True}, "tls_enabled is not for UDP pools"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(tls: World, values: dict, words: str) -> None:
    assert words in refused(tls, **values)
    if "protocol" not in values:
        assert words in tls.change(f"/pools/{tls.pool(tls.balancer())['id']}", 400, **values)


def test_references_count_wherever_a_pool_stands_in_a_request(tls: World) -> None:
    bad = {"name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "tls_container_ref": "none"}
    listener = {"protocol": "HTTP", "protocol_port": 80, "default_pool": bad}
    for graph in ({"pools": [bad]}, {"listeners": [listener]}):
        text = tls.create("loadbalancers", 400, vip_subnet_id=tls.subnet.id, **graph)
        assert text.startswith("Could not retrieve certificate: ['none']")
    assert tls.get("/loadbalancers")["loadbalancers"] == []
    balancer = tls.balancer()
    text = tls.create("listeners", 400, loadbalancer_id=balancer["id"], **listener)
    assert text.startswith("Could not retrieve certificate: ['none']")
    listener = tls.listener(balancer)
    text = tls.create("pools", 400, listener_id=listener["id"], **{name: bad[name] for name in bad if name != "name"})
    assert text.startswith("Could not retrieve certificate: ['none']")


def test_versions_and_ciphers_that_leave_nothing_to_speak_are_refused_where_tls_is_spoken(tls: World) -> None:
    nothing = {"tls_versions": ["TLSv1.2"], "tls_ciphers": "TLS_AES_128_GCM_SHA256"}
    assert "none of them goes with tls_versions TLSv1.2" in refused(tls, tls_enabled=True, **nothing)
    idle = tls.pool(tls.balancer(), **nothing)
    assert "none of them goes with" in tls.change(f"/pools/{idle['id']}", 400, tls_enabled=True)
