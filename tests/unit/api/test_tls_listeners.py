"""Listeners that speak TLS: certificates, clients' certificates, HSTS, versions, ciphers and ALPN."""

from typing import Any

import pytest

from lictor.config.opts import STRONG_CIPHERS
from tests.unit.api.world import World
from tests.unit.certs import Identity

ROOT = Identity("root", ca=True)
OTHER = Identity("other", ca=True)
PROJECT = "c" * 32


@pytest.fixture
def tls(whole: World) -> World:
    """A world with secrets of every kind."""
    whole.secret("www.pem", Identity("www.example.com", issuer=ROOT).bundle)
    whole.secret("shop.p12", Identity("shop.example.com").pkcs12())
    whole.secret("ca.pem", ROOT.pem)
    whole.secret("other-ca.pem", OTHER.pem)
    whole.secret("crl.pem", ROOT.revoke())
    whole.secret("old.pem", Identity("old.example.com", days=-1).bundle)
    return whole


def wanted(world: World, **values: Any) -> dict[str, Any]:
    basic = {"loadbalancer_id": world.balancer()["id"], "protocol": "TERMINATED_HTTPS", "protocol_port": 443}
    return basic | {"default_tls_container_ref": "www"} | values


def refused(world: World, **values: Any) -> str:
    text = world.create("listeners", 400, **wanted(world, **values))
    assert world.get("/listeners")["listeners"] == []
    return str(text)


def test_a_tls_listener_has_the_defaults_of_the_configuration(tls: World) -> None:
    listener = tls.create("listeners", **wanted(tls))
    assert listener["tls_ciphers"] == STRONG_CIPHERS
    assert listener["tls_versions"] == ["TLSv1.2", "TLSv1.3"]
    assert listener["alpn_protocols"] == ["h2", "http/1.1", "http/1.0"]
    assert listener["default_tls_container_ref"] == "www"


def test_defaults_are_options(tmp_path) -> None:
    world = World(
        tmp_path,
        controller_worker__compute_driver="noop",
        api_settings__default_listener_ciphers="ECDHE-RSA-AES128-GCM-SHA256",
        api_settings__default_listener_tls_versions=["TLSv1.3"],
        api_settings__default_listener_alpn_protocols=["http/1.1"],
    )
    world.secret("www.pem", Identity("www").bundle)
    listener = world.create("listeners", **wanted(world, tls_versions=["TLSv1.2"]))
    chosen = (listener["tls_ciphers"], listener["tls_versions"], listener["alpn_protocols"])
    assert chosen == ("ECDHE-RSA-AES128-GCM-SHA256", ["TLSv1.2"], ["http/1.1"])
    after = world.change(f"/listeners/{listener['id']}", tls_versions=None, alpn_protocols=["h2"])
    assert (after["tls_versions"], after["alpn_protocols"]) == (["TLSv1.3"], ["h2"])


def test_choices_on_a_listener_without_tls_are_kept_and_mean_nothing(tls: World) -> None:
    choice = {"tls_ciphers": "HIGH", "tls_versions": ["TLSv1.3"], "alpn_protocols": ["h2"]}
    listener = tls.listener(tls.balancer(), **choice)
    assert {name: listener[name] for name in choice} == choice
    after = tls.change(f"/listeners/{listener['id']}", **dict.fromkeys(choice))
    assert {after[name] for name in choice} == {None}


def test_a_certificate_may_be_for_sni_only(tls: World) -> None:
    listener = tls.create(
        "listeners", **wanted(tls, default_tls_container_ref=None, sni_container_refs=["shop", "www"])
    )
    assert (listener["default_tls_container_ref"], listener["sni_container_refs"]) == (None, ["shop", "www"])
    path = f"/listeners/{listener['id']}"
    assert "needs default_tls_container_ref or sni" in tls.change(path, 400, sni_container_refs=None)
    after = tls.change(path, sni_container_refs=None, default_tls_container_ref="file:www")
    assert (after["default_tls_container_ref"], after["sni_container_refs"]) == ("file:www", [])


def test_clients_can_be_asked_for_certificates(tls: World) -> None:
    clients = {
        "client_authentication": "MANDATORY",
        "client_ca_tls_container_ref": "ca",
        "client_crl_container_ref": "crl",
    }
    listener = tls.create("listeners", **wanted(tls, **clients))
    assert {name: listener[name] for name in clients} == clients
    path = f"/listeners/{listener['id']}"
    assert "needs client_ca_tls_container_ref" in tls.change(path, 400, client_ca_tls_container_ref=None)
    after = tls.change(path, **dict.fromkeys(clients))
    assert {name: after[name] for name in clients} == dict.fromkeys(clients) | {"client_authentication": "NONE"}


@pytest.mark.parametrize("protocol", ["HTTP", "TCP", "HTTPS", "UDP", "SCTP"])
def test_certificates_are_for_listeners_that_terminate_tls(tls: World, protocol: str) -> None:
    sentence = f"Validation failure: certificates and client authentication are not for {protocol} listeners."
    balancer = tls.balancer()
    path = f"/listeners/{tls.listener(balancer, protocol=protocol)['id']}"
    for values in (
        {"default_tls_container_ref": "www"},
        {"sni_container_refs": ["www"]},
        {"client_ca_tls_container_ref": "ca"},
        {"client_authentication": "OPTIONAL"},
        {"client_crl_container_ref": "crl"},
    ):
        basic = {"loadbalancer_id": balancer["id"], "protocol": protocol, "protocol_port": 81}
        assert tls.create("listeners", 400, **basic, **values) == sentence
        assert tls.change(path, 400, **values) == sentence


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"default_tls_container_ref": None}, "needs default_tls_container_ref or sni_container_refs"),
        ({"client_authentication": "MANDATORY"}, "MANDATORY needs client_ca_tls_container_ref"),
        ({"client_crl_container_ref": "crl"}, "client_crl_container_ref needs client_ca_tls_container_ref"),
        (
            {"protocol": "PROMETHEUS", "default_tls_container_ref": None, "client_ca_tls_container_ref": "ca"},
            "client_ca_tls_container_ref needs default_tls_container_ref",
        ),
        (
            {"client_ca_tls_container_ref": "other-ca", "client_crl_container_ref": "crl"},
            "The revocation list 'crl' is not signed by the CA 'other-ca'.",
        ),
        ({"hsts_preload": True}, "hsts_preload needs hsts_max_age"),
        ({"hsts_include_subdomains": "on"}, "hsts_include_subdomains needs hsts_max_age"),
        ({"tls_versions": []}, "tls_versions: name at least one"),
        ({"alpn_protocols": []}, "alpn_protocols: name at least one"),
        ({"tls_versions": ["TLSv1.2", "SSLv3"]}, "OpenSSL does not speak SSLv3"),
        ({"tls_versions": ["TLSv1.4"]}, "Value should be"),
        ({"alpn_protocols": ["h3"]}, "Value should be"),
        ({"tls_ciphers": "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES64-MD5"}, "OpenSSL offers no ECDHE-RSA-AES64-MD5."),
        ({"tls_ciphers": "AES128-SHA:!AES"}, "takes out every cipher"),
        ({"tls_ciphers": "A B"}, "Value should be a list of ciphers"),
        ({"tls_ciphers": ":"}, "takes out every cipher"),
        ({"tls_ciphers": ""}, "Value should be a list of ciphers"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(tls: World, values: dict, words: str) -> None:
    assert words in refused(tls, **values)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"default_tls_container_ref": "nothing"}, "['nothing']: there is no secret of this name for the project."),
        ({"sni_container_refs": ["www", "../ca"]}, "['../ca']: a secret's name is made of letters, digits, and"),
        ({"sni_container_refs": ["old", "ca"]}, "['old', 'ca']: old: the certificate expired on"),
        ({"client_ca_tls_container_ref": "www"}, "['www']: it holds a certificate that is not a CA's."),
        (
            {"client_ca_tls_container_ref": "ca", "client_crl_container_ref": "www"},
            "['www']: it holds no certificate revocation list in PEM form.",
        ),
    ],
)
def test_a_secret_that_cannot_be_used_is_named_with_the_reason(tls: World, values: dict, sentence: str) -> None:
    assert refused(tls, **values).startswith(f"Could not retrieve certificate: {sentence}")
    listener = tls.create("listeners", **wanted(tls))
    text = tls.change(f"/listeners/{listener['id']}", 400, **values)
    assert text.startswith(f"Could not retrieve certificate: {sentence}")


def test_an_update_that_names_no_secret_does_not_mind_one_that_expired(tls: World) -> None:
    listener = tls.create("listeners", **wanted(tls))
    tls.secret("www.pem", Identity("www", days=-1).bundle)
    path = f"/listeners/{listener['id']}"
    assert tls.change(path, name="x", hsts_max_age=5)["name"] == "x"
    assert "expired" in tls.change(path, 400, default_tls_container_ref="www")


def test_the_revocation_list_is_checked_against_the_ca_that_is_there(tls: World) -> None:
    listener = tls.create("listeners", **wanted(tls, client_ca_tls_container_ref="other-ca"))
    path = f"/listeners/{listener['id']}"
    assert "not signed by the CA 'other-ca'" in tls.change(path, 400, client_crl_container_ref="crl")
    tls.change(path, client_crl_container_ref="crl", client_ca_tls_container_ref="ca")
    assert "not signed by the CA 'other-ca'" in tls.change(path, 400, client_ca_tls_container_ref="other-ca")


def test_a_pair_that_another_request_took_apart_is_not_stored(tls: World, monkeypatch: pytest.MonkeyPatch) -> None:
    listener = tls.create("listeners", **wanted(tls, client_ca_tls_container_ref="ca"))
    path = f"/listeners/{listener['id']}"
    write = type(tls.store).write

    def overtaken(store: Any, work: Any) -> Any:
        monkeypatch.setattr(type(tls.store), "write", write)
        tls.change(path, client_ca_tls_container_ref="other-ca")
        return write(store, work)

    monkeypatch.setattr(type(tls.store), "write", overtaken)
    assert "at the same time" in tls.change(path, 409, client_crl_container_ref="crl")
    after = tls.get(path)["listener"]
    assert (after["client_ca_tls_container_ref"], after["client_crl_container_ref"]) == ("other-ca", None)


def test_a_projects_own_secrets_are_for_its_load_balancers_only(tls: World) -> None:
    tls.secret("own.pem", Identity("own").bundle, PROJECT)
    assert "no secret of this name" in refused(tls, default_tls_container_ref="own")
    mine = tls.balancer(project_id=PROJECT)
    tls.create("listeners", **wanted(tls, loadbalancer_id=mine["id"], default_tls_container_ref="own"))
    graph = {"protocol": "TERMINATED_HTTPS", "protocol_port": 443, "default_tls_container_ref": "own"}
    basic = {"vip_subnet_id": tls.subnet.id, "listeners": [graph]}
    assert "no secret of this name" in tls.create("loadbalancers", 400, **basic)
    made = tls.create("loadbalancers", **basic, project_id=PROJECT)
    assert made["listeners"][0]["default_tls_container_ref"] == "own"


def test_hsts_is_for_listeners_that_terminate_tls(tls: World) -> None:
    hsts = {"hsts_max_age": 0, "hsts_include_subdomains": True, "hsts_preload": True}
    listener = tls.create("listeners", **wanted(tls, **hsts))
    assert {name: listener[name] for name in hsts} == hsts
    path = f"/listeners/{listener['id']}"
    after = tls.change(path, hsts_preload=None, hsts_include_subdomains=False)
    assert (after["hsts_preload"], after["hsts_include_subdomains"], after["hsts_max_age"]) == (False, False, 0)
    assert tls.change(path, hsts_max_age=None)["hsts_max_age"] is None
    assert "hsts_preload needs hsts_max_age" in tls.change(path, 400, hsts_preload=True)
    plain = tls.listener(tls.balancer())
    for value in ({"hsts_max_age": 0}, hsts, {"hsts_preload": True}):
        assert "HSTS is only for TERMINATED_HTTPS" in tls.change(f"/listeners/{plain['id']}", 400, **value)
        assert "HSTS is only for TERMINATED_HTTPS" in tls.create(
            "listeners", 400, **wanted(tls, protocol="HTTP", default_tls_container_ref=None, **value)
        )
    assert tls.change(f"/listeners/{plain['id']}", hsts_preload=False)["hsts_preload"] is False


def test_ciphers_are_what_openssl_offers_by_name_by_group_and_without_what_is_taken_out(tls: World) -> None:
    path = f"/listeners/{tls.create('listeners', **wanted(tls))['id']}"
    for ciphers in (
        "TLS_AES_128_GCM_SHA256",
        "ECDHE+AESGCM:HIGH:!aNULL:!RC4:!EXPORT:@STRENGTH",
        "DEFAULT@SECLEVEL=1:TLS_CHACHA20_POLY1305_SHA256:-3DES:+kRSA",
    ):
        assert tls.change(path, tls_ciphers=ciphers)["tls_ciphers"] == ciphers
    assert "OpenSSL offers no @FOO, RC4-MD5." in tls.change(path, 400, tls_ciphers="HIGH:@FOO:RC4-MD5")


def test_operators_can_rule_out_ciphers_versions_and_protocols(tmp_path) -> None:
    world = World(
        tmp_path,
        controller_worker__compute_driver="noop",
        api_settings__tls_cipher_prohibit_list="AES128-SHA:DES-CBC3-SHA",
        api_settings__minimum_tls_version="TLSv1.2",
    )
    world.secret("www.pem", Identity("www").bundle)
    path = f"/listeners/{world.create('listeners', **wanted(world))['id']}"
    banned = "The selected tls_ciphers is not allowed in this deployment: AES128-SHA"
    assert world.change(path, 400, tls_ciphers="AES256-SHA:AES128-SHA") == banned
    assert world.change(path, 400, tls_ciphers="HIGH") == banned
    assert "TLSv1, TLSv1.1 is below the minimum here, which is TLSv1.2" in world.change(
        path, 400, tls_versions=["TLSv1.2", "TLSv1", "TLSv1.1"]
    )
    assert world.change(path, tls_ciphers="HIGH:!AES128-SHA", tls_versions=["TLSv1.2"])["tls_versions"] == ["TLSv1.2"]


def test_tls_and_prometheus_listeners_can_be_switched_off(tmp_path) -> None:
    world = World(
        tmp_path,
        controller_worker__compute_driver="noop",
        api_settings__allow_tls_terminated_listeners=False,
    )
    world.secret("www.pem", Identity("www").bundle)
    disabled = "The selected protocol is not allowed in this deployment: "
    assert refused(world) == disabled + "TERMINATED_HTTPS"
    assert refused(world, protocol="PROMETHEUS") == disabled + "PROMETHEUS with TLS"
    plain = world.create("listeners", **wanted(world, protocol="PROMETHEUS", default_tls_container_ref=None))
    path = f"/listeners/{plain['id']}"
    assert world.change(path, 400, default_tls_container_ref="www") == disabled + "PROMETHEUS with TLS"
    world.conf.set_override("allow_prometheus_listeners", False, group="api_settings")
    text = world.create("listeners", 400, **wanted(world, protocol="PROMETHEUS", default_tls_container_ref=None))
    assert text == disabled + "PROMETHEUS"


def test_a_prometheus_listener_may_speak_tls_and_has_no_children(tls: World) -> None:
    balancer = tls.balancer()
    plain = tls.listener(balancer, 8088, protocol="PROMETHEUS")
    assert plain["tls_versions"] is None
    path = f"/listeners/{plain['id']}"
    clients = {"client_ca_tls_container_ref": "ca", "client_authentication": "OPTIONAL"}
    after = tls.change(path, default_tls_container_ref="www", **clients)
    assert (after["tls_versions"], after["tls_ciphers"]) == (["TLSv1.2", "TLSv1.3"], STRONG_CIPHERS)
    childless = "Protocol PROMETHEUS listeners cannot have child objects."
    pool = tls.pool(balancer)
    below = {"name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    policy = {"action": "REJECT"}
    for child in ({"default_pool_id": pool["id"]}, {"default_pool": below}, {"l7policies": [policy]}):
        values = {"loadbalancer_id": balancer["id"], "protocol": "PROMETHEUS", "protocol_port": 1, **child}
        assert tls.create("listeners", 400, **values) == childless
    assert tls.change(path, 400, default_pool_id=pool["id"]) == childless
    del below["name"]
    assert tls.create("pools", 400, listener_id=plain["id"], **below) == childless
    assert "insert_headers" in tls.change(path, 400, insert_headers={"X-Forwarded-For": "true"})
    assert "HSTS" in tls.change(path, 400, hsts_max_age=1)
    assert len(tls.get("/pools")["pools"]) == 1


PLAIN = ("X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Forwarded-IP", "X-Client-IP", "X-Real-IP")
CLIENT = (
    "X-SSL-Client-Verify", "X-SSL-Client-Has-Cert", "X-SSL-Client-DN", "X-SSL-Client-CN", "X-SSL-Issuer",
    "X-SSL-Client-SHA1", "X-SSL-Client-Not-Before", "X-SSL-Client-Not-After",
)  # fmt: skip


def test_headers_about_the_client_need_a_listener_that_knows_it(tls: World) -> None:
    everything = dict.fromkeys((*PLAIN, *CLIENT), "true")
    assert tls.create("listeners", **wanted(tls, insert_headers=everything))["insert_headers"] == everything
    http = {"protocol": "HTTP", "default_tls_container_ref": None}
    assert tls.create("listeners", **wanted(tls, **http, insert_headers=dict.fromkeys(PLAIN, "x")))
    for name in CLIENT:
        text = tls.create("listeners", 400, **wanted(tls, **http, insert_headers={name: "true"}))
        assert text == f"{name} is not a valid option for insert_headers of HTTP listeners"
    for protocol in ("TCP", "HTTPS", "UDP", "SCTP", "PROMETHEUS"):
        values = {"protocol": protocol, "default_tls_container_ref": None, "insert_headers": {PLAIN[0]: "true"}}
        assert f"not for listeners of protocol {protocol}" in tls.create("listeners", 400, **wanted(tls, **values))


def test_cookies_can_be_set_in_traffic_that_is_decrypted(tls: World) -> None:
    balancer = tls.balancer()
    pool = tls.pool(balancer, session_persistence={"type": "HTTP_COOKIE"})
    listener = tls.create("listeners", **wanted(tls, loadbalancer_id=balancer["id"], default_pool_id=pool["id"]))
    assert listener["default_pool_id"] == pool["id"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"tls_versions": ["TLSv1.3", "TLSv1.1"]}, "they may have no gap, but TLSv1.2 is missing"),
        ({"tls_versions": ["TLSv1"]}, "tls_ciphers: none of them goes with tls_versions TLSv1."),
        ({"tls_versions": ["TLSv1.2"], "tls_ciphers": "TLS_AES_128_GCM_SHA256"}, "none of them goes with"),
        ({"tls_versions": ["TLSv1", "TLSv1.1"], "tls_ciphers": "AES128-GCM-SHA256"}, "none of them goes with"),
    ],
)
def test_versions_and_ciphers_that_leave_nothing_to_speak_are_refused(tls: World, values: dict, words: str) -> None:
    assert words in refused(tls, **values)
    made = tls.create("listeners", **wanted(tls))
    assert words in tls.change(f"/listeners/{made['id']}", 400, **values)
    assert tls.get(f"/listeners/{made['id']}")["listener"]["tls_versions"] == ["TLSv1.2", "TLSv1.3"]


def test_old_versions_with_ciphers_for_them_are_accepted(tls: World) -> None:
    chosen = {"tls_versions": ["TLSv1", "TLSv1.1", "TLSv1.2"], "tls_ciphers": "AES128-SHA"}
    assert tls.create("listeners", **wanted(tls, **chosen))["tls_versions"] == chosen["tls_versions"]


def test_suites_that_nobody_may_ask_for_are_not_had_by_asking_for_nothing(tmp_path) -> None:
    world = World(
        tmp_path,
        controller_worker__compute_driver="noop",
        api_settings__tls_cipher_prohibit_list="TLS_CHACHA20_POLY1305_SHA256",
        api_settings__default_listener_ciphers="TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES128-GCM-SHA256",
        api_settings__default_pool_ciphers="TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES128-GCM-SHA256",
    )
    world.secret("www.pem", Identity("www").bundle)
    text = refused(world, tls_ciphers="ECDHE-RSA-AES128-GCM-SHA256")
    assert "not allowed in this deployment: TLS_CHACHA20_POLY1305_SHA256, which TLSv1.3 comes with" in text
    older = {"tls_ciphers": "ECDHE-RSA-AES128-GCM-SHA256", "tls_versions": ["TLSv1.2"]}
    assert world.create("listeners", **wanted(world, **older))["tls_versions"] == ["TLSv1.2"]
