"""What the TLS attributes of listeners and pools become in HAProxy's words."""

import pathlib

import pytest

from lictor.amphora import certificates, haproxy
from lictor.amphora.tree import Unsupported
from lictor.model import Listener, LoadBalancer, Pool

from . import trees

BOTH = {"tls_versions": ["TLSv1.2", "TLSv1.3"], "alpn_protocols": ["h2", "http/1.1"]}


@pytest.fixture
def root() -> LoadBalancer:
    return trees.load_balancer()


def listener(root: LoadBalancer, **values: object) -> Listener:
    given = {"protocol": "TERMINATED_HTTPS", "protocol_port": 443, "default_tls_container_ref": "own", **BOTH}
    return trees.listener(root, **(given | values))


def pool(root: LoadBalancer, **values: object) -> Pool:
    made = trees.pool(root, **{"tls_enabled": True, **BOTH, **values})
    trees.member(made)
    return made


def words(root: LoadBalancer, keyword: str) -> str:
    """The one line of the configuration that starts with ``keyword``."""
    (found,) = [line.strip() for line in config(root).split("\n") if line.strip().startswith(f"{keyword} ")]
    return found


def config(root: LoadBalancer) -> str:
    return haproxy.render(root, 50000).config


def listed(root: LoadBalancer) -> list[str]:
    """The references of the certificates in the load balancer's only crt-list, the default one first."""
    behind = {one.name: one.reference for one in certificates.wanted(root)}
    (found,) = certificates.lists(root)
    return [behind[name] for name in found.content.splitlines()]


def test_a_listener_that_terminates_tls_shows_its_certificates_and_speaks_http(root) -> None:
    one = listener(root)
    assert words(root, "bind").startswith(f"bind 198.18.0.10:443 ssl crt-list {one.id}.list ")
    assert "mode http" in config(root)


@pytest.mark.parametrize(
    ("default", "others", "expected"),
    [
        ("own", [], ["own"]),
        ("own", ["b", "c"], ["own", "b", "c"]),
        ("own", ["b", "own", "b"], ["own", "b"]),
        (None, ["b", "c"], ["b", "c"]),
    ],
)
def test_the_default_certificate_comes_first_and_without_one_the_first_of_the_others(
    root, default: str | None, others: list[str], expected: list[str]
) -> None:
    listener(root, default_tls_container_ref=default, sni_container_refs=others)
    assert listed(root) == expected


def test_another_default_certificate_is_new_content_of_the_same_file(root) -> None:
    one = listener(root)
    before = config(root), [file.content for file in certificates.lists(root)]
    one.default_tls_container_ref = "renewed"
    assert (config(root), [file.content for file in certificates.lists(root)]) == before
    assert listed(root) == ["renewed"]


@pytest.mark.parametrize("reference", ["../../etc/passwd", "a b\n", "https://example.com/v1/secrets/1", "\x00"])
def test_a_reference_is_never_part_of_a_files_name(root, reference: str) -> None:
    listener(root, sni_container_refs=[reference])
    names = [one.name for one in certificates.wanted(root)]
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-") for name in names)
    assert len(names) == 2


def test_a_certificate_that_several_listeners_choose_by_name_is_one_file(root) -> None:
    for port in (443, 444):
        listener(root, protocol_port=port, sni_container_refs=["shared"])
    assert [one.reference for one in certificates.wanted(root)].count("shared") == 1


@pytest.mark.parametrize(
    ("asked", "verify"), [("NONE", None), ("OPTIONAL", "verify optional"), ("MANDATORY", "verify required")]
)
def test_clients_are_asked_for_certificates_in_three_ways(root, asked: str, verify: str | None) -> None:
    one = listener(root, client_authentication=asked, client_ca_tls_container_ref="ca", client_crl_container_ref="crl")
    line, kinds = words(root, "bind"), {one.kind for one in certificates.wanted(root)}
    if verify is None:
        assert "verify" not in line
        assert "cachesize" not in config(root)
        assert kinds == {"cert"}
    else:
        assert f"ca-file {one.id}.ca {verify} no-tls-tickets crl-file {one.id}.crl" in line
        assert kinds == {"cert", "ca-file", "crl-file"}
        assert config(root).startswith("global\n    tune.ssl.cachesize 0\n")


@pytest.mark.parametrize(
    ("versions", "listed", "expected"),
    [
        (["TLSv1.3", "TLSv1.2"], None, "ssl-min-ver TLSv1.2 ssl-max-ver TLSv1.3"),
        (["TLSv1.3"], None, "ssl-min-ver TLSv1.3 ssl-max-ver TLSv1.3"),
        (
            ["TLSv1.2", "TLSv1.3"],
            "TLS_AES_128_GCM_SHA256:AES128-SHA:TLS_AES_256_GCM_SHA384",
            "ciphers AES128-SHA ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384"
            " ssl-min-ver TLSv1.2 ssl-max-ver TLSv1.3",
        ),
        (
            ["TLSv1.2", "TLSv1.3"],
            "TLS_AES_128_GCM_SHA256",
            "ciphersuites TLS_AES_128_GCM_SHA256 ssl-min-ver TLSv1.3 ssl-max-ver TLSv1.3",
        ),
        (
            ["TLSv1.2", "TLSv1.1", "TLSv1"],
            "AES128-SHA",
            "ciphers AES128-SHA:@SECLEVEL=0 ssl-min-ver TLSv1.0 ssl-max-ver TLSv1.2",
        ),
        (
            ["TLSv1.1", "TLSv1.2"],
            "ECDHE-RSA-AES128-GCM-SHA256",
            "ciphers ECDHE-RSA-AES128-GCM-SHA256 ssl-min-ver TLSv1.2 ssl-max-ver TLSv1.2",
        ),
    ],
)
def test_versions_and_ciphers_are_those_that_were_asked_for_and_go_together(
    root, tmp_path: pathlib.Path, versions: list[str], listed: str | None, expected: str
) -> None:
    listener(root, tls_versions=versions, tls_ciphers=listed)
    assert words(root, "bind").endswith(f" alpn h2,http/1.1 {expected}")
    assert trees.complaints(config(root), tmp_path, trees.files(root)) == ""


@pytest.mark.parametrize(
    ("versions", "listed"),
    [(["TLSv1", "TLSv1.2"], "AES128-SHA"), (["TLSv1.2"], "TLS_AES_128_GCM_SHA256"), (["TLSv1"], "AES128-GCM-SHA256")],
)
def test_what_could_speak_no_version_is_not_rendered(root, versions: list[str], listed: str) -> None:
    listener(root, tls_versions=versions, tls_ciphers=listed)
    with pytest.raises(Unsupported, match="tls_versions"):
        config(root)


@pytest.mark.parametrize(
    ("values", "header"),
    [
        ({"hsts_max_age": 0}, "'max-age=0;'"),
        ({"hsts_max_age": 10, "hsts_include_subdomains": True}, "'max-age=10; includeSubDomains;'"),
        ({"hsts_max_age": 10, "hsts_preload": True}, "'max-age=10; preload;'"),
    ],
)
def test_strict_transport_security_is_in_every_answer(root, values: dict[str, object], header: str) -> None:
    listener(root, **values)
    assert f"http-after-response set-header Strict-Transport-Security {header}" in config(root)


def test_without_hsts_there_is_no_such_header(root) -> None:
    listener(root)
    assert "Strict-Transport-Security" not in config(root)


def test_members_are_told_of_the_clients_certificate_where_that_is_asked_for(root, tmp_path: pathlib.Path) -> None:
    listener(root, insert_headers=dict.fromkeys(trees.TLS_HEADERS, "true"))
    assert config(root).count("http-request set-header X-SSL-") == len(trees.TLS_HEADERS)
    assert trees.complaints(config(root), tmp_path, trees.files(root)) == ""


# --- members ---


def server(root: LoadBalancer, **values: object) -> str:
    listener(root, default_pool=pool(root, **values))
    return words(root, "server")


def test_members_without_an_authority_are_not_verified(root) -> None:
    assert "ssl verify none sni var(txn.host) alpn h2,http/1.1 ssl-min-ver" in server(root)


def test_members_are_verified_by_authority_revocations_and_name(root) -> None:
    line = server(root, ca_tls_container_ref="ca", crl_container_ref="crl", tls_container_ref="client")
    (one,) = root.pools
    files = f"crt {one.id}.pem ca-file {one.id}.ca verify required crl-file {one.id}.crl"
    assert f"ssl {files} sni var(txn.host)" in line


def test_a_pool_that_does_not_speak_tls_reads_no_secrets(root) -> None:
    line = server(root, tls_enabled=False, ca_tls_container_ref="ca", tls_container_ref="client")
    assert " ssl " not in line
    assert "txn.host" not in config(root)
    assert [one.reference for one in certificates.wanted(root)] == ["own"]


@pytest.mark.parametrize(
    ("wanted", "offered"),
    [(["h2", "http/1.1"], "alpn http/1.1 "), (["h2"], "alpn h2 "), (["http/1.0"], "alpn http/1.0 ")],
)
def test_where_bytes_pass_through_members_do_not_choose_between_http_versions(
    root, wanted: list[str], offered: str
) -> None:
    trees.listener(root, protocol="TCP", default_pool=pool(root, protocol="TCP", alpn_protocols=wanted))
    line = words(root, "server")
    assert offered in line
    assert " sni " not in line


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("HTTPS", " check-ssl check-alpn http/1.1"), ("TLS-HELLO", " check-ssl check-alpn http/1.1"),
     ("HTTP", " check-alpn http/1.1"), ("TCP", " check-alpn http/1.1")],
)  # fmt: skip
def test_checks_speak_tls_as_the_traffic_does(root, tmp_path: pathlib.Path, kind: str, expected: str) -> None:
    one = pool(root, ca_tls_container_ref="ca")
    trees.monitor(one, type=kind, url_path="/")
    listener(root, default_pool=one)
    line = words(root, "server")
    assert line.endswith(expected)
    assert "verify none" not in line
    assert trees.complaints(config(root), tmp_path, trees.files(root)) == ""


def test_checks_speak_http2_only_where_nothing_else_is_left(root) -> None:
    one = pool(root, alpn_protocols=["h2"])
    trees.monitor(one, type="HTTP")
    listener(root, default_pool=one)
    assert words(root, "server").endswith(" check-alpn h2")


def test_checks_name_the_site_that_they_are_for(root) -> None:
    one = pool(root)
    trees.monitor(one, type="HTTPS", domain_name="www.example.com", http_version=1.1)
    listener(root, default_pool=one)
    assert words(root, "server").endswith(" check-sni www.example.com")


def test_secrets_of_what_is_switched_off_are_not_read(root) -> None:
    off = pool(root, ca_tls_container_ref="ca", admin_state_up=False)
    listener(root, admin_state_up=False)
    trees.listener(root, default_pool=off)
    pool(root, ca_tls_container_ref="nobody's")
    assert certificates.wanted(root) == certificates.lists(root) == []
