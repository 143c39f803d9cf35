"""TLS as clients and members see it: certificates, versions, client authentication, HTTP/2, and all of it renewed."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess

import pytest
from cryptography.hazmat.primitives import hashes

from tests.e2e.balancer import listener, pool
from tests.e2e.tlsclients import Client, curl, refused, reloads, request, session_of
from tests.e2e.tlsmembers import ADDRESS, Papers, learnt, members
from tests.lab.deployment import eventually, processes
from tests.unit.certs import Identity

CONFIG = """
[certificates]
renewal_interval = 0.3
[controller_worker]
retry_max = 1
[health_manager]
heartbeat_interval = 1
heartbeat_timeout = 4
"""

NAMES = ("www.example.com", "shop.example.com", "new.example.com")


@pytest.fixture(scope="module")
def papers(deployment):
    made = Papers(deployment)
    for name in NAMES:
        made.certificate(name, name)
    made.give("ca", made.root.pem)
    made.give("crl", made.root.revoke())
    yield made
    shutil.rmtree(made.place)  # what operators put there is theirs, and no purge takes it away


@pytest.fixture(scope="module")
def client_papers(papers, tmp_path_factory):
    """Certificates of clients, as files: a good one, one that is revoked, one of somebody else's authority."""
    place = tmp_path_factory.mktemp("clients")
    made = {"good": Identity("good-client", issuer=papers.root), "revoked": Identity("revoked", issuer=papers.root)}
    made["foreign"] = Identity("foreign", issuer=Identity("another root", ca=True))
    for name, identity in made.items():
        (place / f"{name}.pem").write_bytes(identity.bundle)
    return place, made


@pytest.fixture(scope="module")
def secured(deployment, papers, tmp_path_factory):
    """TLS members: the port of each."""
    place = tmp_path_factory.mktemp("members")
    identities = {"own": Identity("www.example.com", issuer=papers.root, alternative=("www.example.com",))}
    identities["gone"] = Identity("gone", issuer=papers.root, alternative=("www.example.com",))
    identities["stranger"] = Identity("stranger", alternative=("www.example.com",))
    for name, identity in identities.items():
        (place / f"{name}.pem").write_bytes(identity.bundle)
    (place / "ca.pem").write_bytes(papers.root.pem)
    papers.members = identities
    papers.give("members-crl", papers.root.revoke(identities["gone"]))
    papers.certificate("client", "the-balancer")
    with members(
        place,
        own="ssl crt own.pem alpn h2,http/1.1",
        gone="ssl crt gone.pem alpn http/1.1",
        stranger="ssl crt stranger.pem alpn http/1.1",
        strict="ssl crt own.pem ca-file ca.pem verify required alpn http/1.1",
        modern="ssl crt own.pem alpn h2 ssl-min-ver TLSv1.3",
        plain="",
    ) as ports:
        yield ports


def terminated(body=None, port=443, **more):
    """The body of a listener that terminates TLS."""
    return listener(body, "TERMINATED_HTTPS", port, **{"default_tls_container_ref": "www.example.com", **more})


def backend(ports, *names, **more):
    """The body of a pool with these members, over TLS unless said otherwise."""
    addresses = [ADDRESS] * len(names)
    specials = [{"protocol_port": ports[name], "name": name} for name in names]
    return pool(addresses, members=specials, **{"tls_enabled": True, **more})


# --- what clients see ---


def test_a_client_is_shown_the_certificate_of_the_name_it_asks_for(balancer, papers, deployment):
    lb = balancer(
        terminated(sni_container_refs=["shop.example.com"]),
        terminated(port=8443, default_tls_container_ref=None, sni_container_refs=list(NAMES[:2])),
    )
    client = Client(papers)
    for port in (443, 8443):
        seen = {name: client.shown(lb.vip, port, name)[0] for name in (*NAMES[:2], "unknown.example.com", None)}
        expected = {"www.example.com": NAMES[0], "shop.example.com": NAMES[1], "unknown.example.com": NAMES[0]}
        assert seen == {**expected, None: NAMES[0]}
    before = reloads(deployment, lb)
    lb.listener_at(443, sni_container_refs=["new.example.com"])
    assert client.shown(lb.vip, 443, "new.example.com")[0] == "new.example.com"
    assert client.shown(lb.vip, 443, "shop.example.com")[0] == "www.example.com"
    lb.listener_at(443, default_tls_container_ref="shop.example.com", sni_container_refs=["www.example.com"])
    assert client.shown(lb.vip, 443)[0] == "shop.example.com"
    assert client.shown(lb.vip, 443, "www.example.com")[0] == "www.example.com"
    lb.listener_at(8443, sni_container_refs=["new.example.com", "shop.example.com"])
    assert client.shown(lb.vip, 8443)[0] == "new.example.com"
    assert reloads(deployment, lb) == before, "certificates come and go while HAProxy runs"


def test_versions_and_ciphers_are_those_that_were_asked_for(balancer, papers):
    old, new, newest = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
    suite, cipher = "TLS_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"
    lb = balancer(
        terminated(),
        terminated(port=1, tls_versions=["TLSv1.2"], tls_ciphers=f"{cipher}:{suite}"),
        terminated(port=2, tls_ciphers=f"{cipher}:{suite}"),
        terminated(port=3, tls_versions=["TLSv1", "TLSv1.1"], tls_ciphers="ECDHE-ECDSA-AES128-SHA"),
    )

    def speaks(port, version):
        client = Client(papers, versions=(version, version), ciphers="ALL:@SECLEVEL=0")
        try:
            with client.connect(lb.vip, port) as connection:
                return connection.cipher()[0]
        except (ssl.SSLError, ConnectionResetError):
            return None

    found = {port: [speaks(port, version) for version in (old, new, newest)] for port in (1, 2, 3)}
    assert found == {
        1: [None, cipher, None],
        2: [None, cipher, suite],
        3: ["ECDHE-ECDSA-AES128-SHA", None, None],
    }
    assert speaks(443, old) is None
    assert speaks(443, new) and speaks(443, newest)


@pytest.mark.skipif(shutil.which("testssl") is None, reason="`make servers` installs it")
def test_a_stranger_finds_nothing_weak_in_what_is_the_default(balancer, papers):
    lb = balancer(terminated())
    command = [
        "testssl",
        "--quiet",
        "--color",
        "0",
        "--warnings",
        "off",
        "--nodns",
        "none",
        "-p",
        "-s",
        f"{lb.vip}:443",
    ]
    said = subprocess.run(command, capture_output=True, text=True, timeout=100).stdout
    found = {line[:46].strip(): line[46:].strip() for line in said.splitlines() if line.startswith(" ")}
    offered = {name: words for name, words in found.items() if words.startswith("offered")}
    assert offered == {"Strong encryption (AEAD ciphers)": "offered (OK)"}, said
    versions = dict(re.findall(r"^ (SSLv\d|TLS 1[. \d]*?) +(not offered|offered)", said, re.MULTILINE))
    assert versions == {"SSLv2": "not offered", "SSLv3": "not offered", "TLS 1": "not offered",
                        "TLS 1.1": "not offered", "TLS 1.2": "offered", "TLS 1.3": "offered"}, said  # fmt: skip
    assert re.search(r"^ ALPN/HTTP2 +h2, http/1.1", said, re.MULTILINE), said


def test_clients_prove_who_they_are_where_that_is_asked_for(balancer, papers, client_papers, secured):
    place, made = client_papers
    papers.give("crl", papers.root.revoke(made["revoked"]))
    inserted = ("Client-Verify", "Client-Has-Cert", "Client-DN", "Client-CN", "Client-SHA1", "Client-Not-After")
    headers = dict.fromkeys([*(f"X-SSL-{name}" for name in inserted), "X-SSL-Issuer"], "true")
    checked = {"client_ca_tls_container_ref": "ca", "client_crl_container_ref": "crl", "insert_headers": headers}
    body = backend(secured, "plain", tls_enabled=False, name="told")
    lb = balancer(
        terminated(body, 1, client_authentication="OPTIONAL", **checked),
        terminated({"name": "told"}, 2, client_authentication="MANDATORY", **checked),
        terminated({"name": "told"}, 3, client_authentication="NONE", **checked),
    )
    odd = Identity("odd\r\nX-SSL-Issuer: me", issuer=papers.root)
    (place / "odd.pem").write_bytes(odd.bundle)
    clients = {name: Client(papers, place / f"{name}.pem") for name in made} | {"nobody": Client(papers)}
    found = {
        port: {name for name, client in clients.items() if not refused(client, lb.vip, port)} for port in (1, 2, 3)
    }
    assert found == {1: {"good", "nobody"}, 2: {"good"}, 3: set(clients)}
    told = clients["good"].ask(lb.vip, 2)[2]
    fingerprint = made["good"].certificate.fingerprint(hashes.SHA1())
    assert (told["client-cn"], told["client-dn"]) == ("good-client", "/CN=good-client")
    assert told["client-sha1"] == fingerprint.hex().upper()
    assert (told["client-verify"], told["client-has-cert"], told["issuer"]) == ("0", "1", "/CN=root")
    assert told["client-not-after"] == f"{made['good'].certificate.not_valid_after_utc:%y%m%d%H%M%SZ}"
    told = Client(papers, place / "odd.pem").ask(lb.vip, 2)[2]
    assert (told["client-cn"], told["issuer"]) == ("odd%0D%0AX-SSL-Issuer:", "/CN=root"), "a name is no header"
    told = clients["nobody"].ask(lb.vip, 1)[2]
    assert (told["client-verify"], told["client-has-cert"], told["client-cn"]) == ("0", "0", "")


def test_a_listener_decides_by_the_clients_certificate(balancer, papers, client_papers, web):
    def policy(number, *rules):
        return {"action": "REDIRECT_TO_URL", "redirect_url": f"http://x.example/{number}", "rules": list(rules)}

    def rule(kind, value, compare_type="EQUAL_TO", **more):
        return {"type": kind, "value": value, "compare_type": compare_type, **more}

    policies = [
        policy("none", rule("SSL_CONN_HAS_CERT", "true", invert=True)),
        policy("no-good", rule("SSL_VERIFY_RESULT", "0", invert=True)),
        policy("equal", rule("SSL_DN_FIELD", "good-client", key="CN"), rule("PATH", "/equal")),
        policy("starts", rule("SSL_DN_FIELD", "good-", "STARTS_WITH", key="CN"), rule("PATH", "/starts")),
        policy("ends", rule("SSL_DN_FIELD", "-client", "ENDS_WITH", key="CN"), rule("PATH", "/ends")),
        policy("contains", rule("SSL_DN_FIELD", "d-c", "CONTAINS", key="CN"), rule("PATH", "/contains")),
        policy("regex", rule("SSL_DN_FIELD", "^go+d", "REGEX", key="CN"), rule("PATH", "/regex")),
        policy("other", rule("SSL_DN_FIELD", "good-client", key="O")),
        policy("has", rule("SSL_CONN_HAS_CERT", "true"), rule("SSL_VERIFY_RESULT", "0"), rule("PATH", "/has")),
    ]
    asked = {"client_ca_tls_container_ref": "ca", "client_authentication": "OPTIONAL"}
    told = {"insert_headers": {"X-Forwarded-Proto": "true", "X-Forwarded-Port": "true"}}
    lb = balancer(terminated(pool(web.addresses[:1]), l7policies=policies, **asked, **told))
    place, _ = client_papers

    def ask(client, path):
        with client.connect(lb.vip) as connection:
            lies = "X-Forwarded-Proto: http\r\nX-Forwarded-Port: 80"
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n{lies}\r\nConnection: close\r\n\r\n".encode())
            return connection.makefile("rb").read().decode().lower().partition("\r\n\r\n")

    def where(client, path="/"):
        lines = dict(line.split(": ", 1) for line in ask(client, path)[0].split("\r\n")[1:])
        return lines.get("location", "").removeprefix("http://x.example/")

    assert where(Client(papers)) == "none"
    good = Client(papers, place / "good.pem")
    for name in ("equal", "starts", "ends", "contains", "regex", "has"):
        assert where(good, f"/{name}") == name
    assert where(good, "/else") == ""
    seen = json.loads(ask(good, "/headers")[2])
    assert (seen["x-forwarded-proto"], seen["x-forwarded-port"]) == ("https", "443")


def test_a_client_that_is_revoked_gets_in_no_more_and_nobody_else_notices(
    balancer, papers, client_papers, secured, deployment
):
    place, made = client_papers
    papers.give("crl", papers.root.revoke())
    checked = {"client_ca_tls_container_ref": "ca", "client_crl_container_ref": "crl"}
    body = backend(secured, "plain", tls_enabled=False)
    lb = balancer(terminated(body, client_authentication="MANDATORY", **checked))
    revoked, good = (Client(papers, place / f"{name}.pem") for name in ("revoked", "good"))
    versions = [(None, ssl.TLSVersion.TLSv1_2)] * 2 + [(ssl.TLSVersion.TLSv1_3, None)]
    older = [Client(papers, place / "revoked.pem", pair) for pair in versions]
    older[0].context.options |= ssl.OP_NO_TICKET
    sessions = [session_of(client, lb.vip) for client in older]
    assert revoked.ask(lb.vip)[0] == 200
    before = reloads(deployment, lb)
    with good.connect(lb.vip, name="www.example.com") as kept:
        assert request(kept, "www.example.com")[0] == 200
        papers.give("crl", papers.root.revoke(made["revoked"]))
        eventually(lambda: refused(revoked, lb.vip, 443), 10, "the revoked client is refused")
        for client, session in zip(older, sessions, strict=True):
            client.session = session
            assert refused(client, lb.vip, 443), "it does not get in by going on with an older session, either"
        assert request(kept, "www.example.com")[0] == 200
    assert good.ask(lb.vip)[0] == 200
    assert reloads(deployment, lb) == before


def test_authorities_that_are_more_than_haproxy_takes_at_once_come_with_a_reload(
    balancer, papers, deployment, tmp_path
):
    papers.give("many", papers.root.pem)
    checked = {"client_ca_tls_container_ref": "many", "client_authentication": "MANDATORY"}
    lb = balancer(
        terminated(**checked),
        listener(None, "PROMETHEUS", 9101, default_tls_container_ref="www.example.com", **checked),
    )
    others = [Identity(f"root {number}", ca=True) for number in range(60)]
    (tmp_path / "late.pem").write_bytes(Identity("late", issuer=others[-1]).bundle)
    late = Client(papers, tmp_path / "late.pem")
    assert refused(late, lb.vip, 443)
    before = reloads(deployment, lb)
    papers.give("many", papers.root.pem + b"".join(other.pem for other in others))
    eventually(lambda: not refused(late, lb.vip, 443), 15, "clients of the new authorities are let in")
    assert reloads(deployment, lb) == before + 1
    assert late.ask(lb.vip, 9101, path="/metrics")[0] == 200, "metrics are told over TLS, too"
    assert refused(Client(papers), lb.vip, 9101)


def test_http2_is_spoken_with_clients_and_members_that_can(balancer, papers, secured, tmp_path):
    body = backend(secured, "own", ca_tls_container_ref="ca")
    lb = balancer(
        terminated(body, hsts_max_age=31536000, hsts_include_subdomains=True, hsts_preload=True),
        terminated({"name": "pool"}, 8443, alpn_protocols=["http/1.1"]),
        terminated(None, 9443, hsts_max_age=60),
    )
    trusted = ["--cacert", str(papers.authority(tmp_path / "ca.pem"))]

    def speak(port, *words):
        there = ["--connect-to", f"www.example.com:{port}:{lb.vip}:{port}", f"https://www.example.com:{port}/"]
        answer = curl(*trusted, *words, *there, "--write-out", "\n%{http_version} %{http_code}", "--dump-header", "-")
        return answer.split("\n")[-1], answer

    version, answer = speak(443, "--http2")
    assert version == "2 200"
    assert "strict-transport-security: max-age=31536000; includeSubDomains; preload;" in answer
    assert learnt(answer.split("\n")[-2])["alpn"] == "h2", "HTTP/2 to the member, too"
    assert speak(443, "--http1.1")[0] == "1.1 200"
    assert speak(8443, "--http2")[0] == "1.1 200", "the listener does not offer HTTP/2"
    version, answer = speak(9443, "--http2")
    assert version == "2 503"
    assert "strict-transport-security: max-age=60;\n" in answer.lower(), "in HAProxy's own answers, too"
    lb.pool(alpn_protocols=["http/1.1"])
    assert learnt(speak(443, "--http2")[1].split("\n")[-2])["alpn"] == "http/1.1"


# --- members ---


def test_members_are_verified_where_that_is_asked_for(balancer, papers, secured):
    checked = {"ca_tls_container_ref": "ca", "crl_container_ref": "members-crl", "alpn_protocols": ["http/1.1"]}
    names = ("own", "gone", "stranger")
    lb = balancer(
        *(listener(backend(secured, name, name=name, **checked), port=port) for port, name in enumerate(names, 1)),
        listener(backend(secured, *names, name="any"), port=9),
        listener(backend(secured, "strict", name="without"), port=10),
        listener(backend(secured, "strict", name="with", tls_container_ref="client"), port=11),
        listener(backend(secured, "modern", name="modern", **(checked | {"alpn_protocols": ["h2"]})), port=12),
        terminated({"name": "own"}, 443),
    )

    def seen(port, host="www.example.com"):
        with socket.create_connection((lb.vip, port), 5) as connection:
            status, _, told = request(connection, host)
            return status, told

    assert seen(1)[0] == 200
    assert seen(1)[1]["sni"] == "www.example.com"
    assert seen(1, "other.example.com")[0] == 503, "the member's certificate does not say so"
    assert seen(1, lb.vip)[0] == 200, "an address is no name to check"
    assert (seen(2)[0], seen(3)[0]) == (503, 503)
    assert {seen(9, "other.example.com")[1]["member"] for _ in range(6)} == set(names), "nobody asked to check these"
    assert seen(10)[0] in (502, 503)
    assert seen(11)[1]["cn"] == "the-balancer"
    assert seen(12)[1]["alpn"] == "h2"
    assert Client(papers).ask(lb.vip)[2]["sni"] == "www.example.com"


def test_checks_speak_tls_and_verify_as_the_traffic_does(balancer, secured, deployment):
    monitor = {"type": "HTTPS", "delay": 1, "timeout": 1, "max_retries": 1, "max_retries_down": 1}
    checked = {"ca_tls_container_ref": "ca", "healthmonitor": monitor}
    lb = balancer(
        listener(backend(secured, "own", "stranger", **checked)),
        listener(backend(secured, "modern", name="h2", alpn_protocols=["h2"], **checked), port=81),
        listener(backend(secured, "plain", name="cleartext", healthmonitor=monitor), port=82),
    )
    lb.becomes(own="ONLINE", stranger="ERROR", modern="ONLINE", plain="ERROR")
    assert told_by(lb, "alpn", 81) == "h2"
    before = reloads(deployment, lb)
    (place,) = [each["id"] for each in lb.pools() if each["name"] == "pool"]
    member = {"address": ADDRESS, "protocol_port": secured["strict"], "name": "late"}
    made = deployment.call("POST", f"/pools/{place}/members", {"member": member})
    lb.wait_active()
    # It wants a certificate, which the pool does not have. The others have been checked some more by now.
    lb.becomes(late="ERROR", own="ONLINE", modern="ONLINE")
    deployment.call("DELETE", f"/pools/{place}/members/{made['id']}")
    lb.wait_active()
    assert reloads(deployment, lb) == before


def test_the_first_member_of_a_pool_with_papers_comes_without_a_reload(balancer, papers, secured, deployment):
    body = backend(secured, ca_tls_container_ref="ca", crl_container_ref="members-crl", tls_container_ref="client")
    lb = balancer(listener(body))
    before = reloads(deployment, lb)
    (one,) = lb.pools()
    member = {"address": ADDRESS, "protocol_port": secured["strict"], "name": "strict"}
    deployment.call("POST", f"/pools/{one['id']}/members", {"member": member})
    lb.wait_active()
    with socket.create_connection((lb.vip, 80), 5) as connection:
        assert request(connection, "www.example.com")[2]["cn"] == "the-balancer"
    papers.certificate("client", "renewed")
    eventually(lambda: told_by(lb, "cn") == "renewed", 10, "members see the renewed certificate")
    assert reloads(deployment, lb) == before


def told_by(lb, word, port=80):
    with socket.create_connection((lb.vip, port), 5) as connection:
        return request(connection, "www.example.com")[2][word]


def test_bytes_that_pass_through_are_secured_on_their_way_to_members_until_those_are_revoked(balancer, papers, secured):
    papers.give("fresh-crl", papers.root.revoke())
    checked = {"ca_tls_container_ref": "ca", "crl_container_ref": "fresh-crl"}
    lb = balancer(listener(backend(secured, "own", protocol="TCP", **checked), "TCP"))
    told = {told_by(lb, "alpn") for _ in range(4)}
    assert told == {"http/1.1"}, "nothing that the client does not speak is agreed on"
    papers.give("fresh-crl", papers.root.revoke(papers.members["own"]))
    eventually(lambda: not reached(lb), 10, "no new connection to the revoked member, nor a session that goes on")


def reached(lb):
    try:
        return told_by(lb, "alpn")
    except (http.client.HTTPException, ConnectionError):
        return ""


# --- renewal ---


def test_a_renewed_certificate_is_shown_without_a_reload_or_a_broken_connection(balancer, papers, secured, deployment):
    papers.certificate("renewed", "www.example.com")
    body = backend(secured, "plain", tls_enabled=False)
    lb = balancer(terminated(body, default_tls_container_ref="renewed", sni_container_refs=["shop.example.com"]))
    client = Client(papers)
    _, first = client.shown(lb.vip)
    before = reloads(deployment, lb)
    with client.connect(lb.vip, name="www.example.com") as kept:
        assert request(kept, "www.example.com")[0] == 200
        papers.certificate("renewed", "www.example.com")
        eventually(lambda: client.shown(lb.vip)[1] != first, 10, "the renewed certificate is shown")
        papers.certificate("shop.example.com", "shop.example.com")
        assert request(kept, "www.example.com")[0] == 200
    assert reloads(deployment, lb) == before
    assert lb.itself()["provisioning_status"] == "ACTIVE"


def test_a_secret_that_cannot_be_read_is_told_and_leaves_what_runs_running(balancer, papers, secured, deployment):
    papers.certificate("fragile", "www.example.com")
    lb = balancer(terminated(backend(secured, "plain", tls_enabled=False), default_tls_container_ref="fragile"))
    kept = (papers.place / "fragile.pem").read_bytes()
    papers.give("fragile", b"nonsense")
    sentence = "Secret 'fragile' of listener"
    eventually(lambda: sentence in json.dumps(deployment.call("GET", f"/loadbalancers/{lb.id}/events")), 10, "a fault")
    assert Client(papers).ask(lb.vip)[0] == 200
    (one,) = lb.pools()
    member = {"address": ADDRESS, "protocol_port": secured["own"], "name": "late"}
    deployment.call("POST", f"/pools/{one['id']}/members", {"member": member})
    eventually(lambda: Client(papers).ask(lb.vip)[2].get("member") is None, 10, "the new member is asked too")
    deployment.stop()
    deployment.start()
    deployment.call("DELETE", f"/pools/{one['id']}/members/{lb.member('late')['id']}")
    eventually(lambda: {Client(papers).ask(lb.vip)[0] for _ in range(4)} == {200}, 10, "it is gone again")
    assert lb.itself()["provisioning_status"] != "ACTIVE"
    papers.give("fragile", kept)
    lb.wait_active()
    assert Client(papers).ask(lb.vip)[0] == 200


def test_certificates_outlive_haproxy_the_agent_and_the_amphora(balancer, papers, secured, deployment):
    others = named("haproxy")
    papers.certificate("lasting", "www.example.com")
    lb = balancer(terminated(backend(secured, "plain", tls_enabled=False), default_tls_container_ref="lasting"))
    client = Client(papers)
    _, first = client.shown(lb.vip)
    papers.certificate("lasting", "www.example.com")
    eventually(lambda: client.shown(lb.vip)[1] != first, 10, "the renewed certificate is shown")
    _, renewed = client.shown(lb.vip)

    def back():
        return client.shown(lb.vip)[1] == renewed and client.ask(lb.vip)[0] == 200

    end(named("haproxy") - others)
    eventually(back, 10, "HAProxy is back")
    killed = named("lictor-agent")
    end(killed)
    eventually(lambda: named("lictor-agent") - killed, 10, "the agent is back")
    agents = named("lictor-agent")
    papers.certificate("lasting", "www.example.com")
    eventually(lambda: client.shown(lb.vip)[1] != renewed, 10, "the new agent takes new certificates")
    _, renewed = client.shown(lb.vip)
    # The amphora's first process, with which all others die, as a power cut would have it.
    end({int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) for pid in agents})
    eventually(lambda: not named("lictor-agent") & agents, 5, "the amphora is gone")
    eventually(back, 30, "another amphora has the certificates")


def named(name):
    return {pid for pid, other in processes() if other == name}


def end(pids):
    assert pids
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
