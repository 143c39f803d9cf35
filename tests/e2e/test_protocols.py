"""Listeners, algorithms, weights and monitors, as clients of the virtual IP and readers of the statuses see them."""

import collections
import contextlib
import http.client
import socket
import ssl
import subprocess
import threading
import time

import pytest

from tests.e2e.balancer import HTTP_MONITOR, listener, pool
from tests.lab.deployment import eventually, http_get
from tests.lab.proxied import serving

TWO = ["web1", "web2"]


# --- protocols ---


def test_http_answers_from_all_members_in_turn(balancer, web):
    lb = balancer(listener(pool(web.addresses)))
    turns = lb.answers(9)
    assert sorted(turns[:3]) == ["web1", "web2", "web3"]
    assert turns == turns[:3] * 3


def talk(address, port, words):
    """What a member says when it is spoken to over TCP: its name, and all that it echoes."""
    with socket.create_connection((address, port), timeout=5) as connection:
        connection.sendall(words)
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as answer:
            return answer.readline().decode().strip(), answer.read()


def test_tcp_carries_bytes_as_they_are(balancer, web):
    lb = balancer(listener(pool(web.addresses[:2], "TCP", port=7), "TCP", 7))
    words = bytes(range(256)) * 4096
    answers = [talk(lb.vip, 7, words) for _ in range(4)]
    assert all(echoed == words for _, echoed in answers)
    assert sorted(name for name, _ in answers) == ["web1", "web1", "web2", "web2"]


def certificate(address, port=443):
    """The certificate that answers there, and the body of a request over that connection."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(address, port, timeout=5, context=context)
    with contextlib.closing(connection):
        connection.request("GET", "/")
        answer = connection.getresponse().read().decode().strip()
        return connection.sock.getpeercert(binary_form=True) if connection.sock else None, answer


def test_https_is_passed_through_to_the_members_own_certificates(balancer, web):
    own = {server.name: ssl.get_server_certificate((server.address, 443)) for server in web.servers[:2]}
    lb = balancer(listener(pool(web.addresses[:2], "HTTPS", port=443), "HTTPS", 443))
    for _ in range(4):
        seen, name = certificate(lb.vip)
        assert ssl.DER_cert_to_PEM_cert(seen) == own[name]


def test_several_listeners_of_all_protocols_serve_side_by_side(balancer, web):
    lb = balancer(
        listener(pool(ONE_OF(web, 0))),
        listener(pool(ONE_OF(web, 1), name="other"), port=8080),
        listener(pool(ONE_OF(web, 2), "TCP", port=7, name="echo"), "TCP", 7),
        listener(pool(ONE_OF(web, 0), "HTTPS", port=443, name="tls"), "HTTPS", 443),
    )
    assert set(lb.answers(3)) == {"web1"}
    assert set(lb.answers(3, port=8080)) == {"web2"}
    assert talk(lb.vip, 7, b"x") == ("web3", b"x")
    assert certificate(lb.vip)[1] == "web1"


def ONE_OF(web, number):  # noqa: N802
    return [web.addresses[number]]


@pytest.fixture
def proxied(web):
    """A server on port 8081 of web1 that answers with what the PROXY protocol tells it of the client."""
    with serving(web.servers[0]):
        yield [web.addresses[0]]


@pytest.mark.parametrize("algorithm", ["ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP", "SOURCE_IP_PORT"])
def test_proxy_pools_tell_members_who_the_client_is_and_check_them_in_the_same_way(balancer, proxied, algorithm):
    kinds = [(pool_is, listens) for pool_is in ("PROXY", "PROXYV2") for listens in ("HTTP", "TCP", "HTTPS")]
    persistent = {"session_persistence": {"type": "SOURCE_IP"}} if algorithm == "ROUND_ROBIN" else {}
    monitor = {"type": "TCP" if algorithm == "SOURCE_IP" else "HTTP"} | {"delay": 1, "timeout": 1, "max_retries": 1}
    lb = balancer(
        *(
            listener(
                pool(proxied, kind, algorithm, 8081, name=f"{kind} {listens}", healthmonitor=monitor, **persistent),
                listens,
                port,
            )
            for port, (kind, listens) in enumerate(kinds, 8000)
        )
    )
    lb.becomes(m1="ONLINE", lb="ONLINE")
    for port, (kind, _) in enumerate(kinds, 8000):
        # The host has the first address of the private subnet.
        told = "v2" if kind == "PROXYV2" else "v1"
        assert lb.answers(2, port) == [f"{told} TCP4 198.18.0.1 {lb.vip}"] * 2


# --- algorithms and weights ---


@contextlib.contextmanager
def busy(lb, requests=1, seconds=4):
    """So many requests that take long; yields the list into which their answers go."""
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(http_get(lb.vip, path=f"/slow?s={seconds}", timeout=30)))
        for _ in range(requests)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    yield answers
    for thread in threads:
        thread.join()


def test_least_connections_spares_the_member_that_is_busy(balancer, web):
    members = [{}, {"admin_state_up": False}]
    lb = balancer(listener(pool(web.addresses[:2], algorithm="LEAST_CONNECTIONS", members=members)))
    with busy(lb, requests=4) as slow:
        lb.member("m2", admin_state_up=True)
        assert set(lb.answers(6)) == {"web2"}
    assert slow == [(200, "web1\n")] * 4
    lb.served_by("web1", "web2")


@pytest.fixture
def sources(deployment, web):
    """Addresses of this host to ask from, twelve more than it has by itself."""
    more = [str(web.network[number]) for number in range(100, 112)]
    for address in more:
        subprocess.run(["ip", "addr", "add", f"{address}/32", "dev", web.bridge], check=True)
    yield more
    for address in more:
        subprocess.run(["ip", "addr", "del", f"{address}/32", "dev", web.bridge], check=True)


def asked_from(source, vip, path="/", headers=None):
    connection = http.client.HTTPConnection(vip, timeout=3, source_address=(source, 0))
    with contextlib.closing(connection):
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.read().decode().strip()


def test_source_ip_sends_each_client_to_one_member(balancer, web, sources):
    lb = balancer(listener(pool(web.addresses, algorithm="SOURCE_IP")))
    chosen = {source: {asked_from(source, lb.vip) for _ in range(4)} for source in sources}
    assert all(len(members) == 1 for members in chosen.values()), chosen
    assert len(set.union(*chosen.values())) > 1, "and not all clients to the same"


def test_source_ip_moves_only_the_clients_of_a_member_that_goes(balancer, web, sources, deployment):
    lb = balancer(listener(pool(web.addresses, algorithm="SOURCE_IP")))
    before = {source: asked_from(source, lb.vip) for source in sources}
    lb.member("m3", admin_state_up=False)
    after = {source: asked_from(source, lb.vip) for source in sources}
    assert {s: m for s, m in after.items() if before[s] != "web3"} == {s: m for s, m in before.items() if m != "web3"}


def test_weights_share_out_the_requests(balancer, web):
    lb = balancer(listener(pool(web.addresses[:2], members=[{"weight": 2}, {"weight": 1}])))
    assert collections.Counter(lb.answers(30)) == {"web1": 20, "web2": 10}
    lb.member("m2", weight=2)
    assert collections.Counter(lb.answers(30)) == {"web1": 15, "web2": 15}


def test_weight_zero_drains_a_member_and_lets_it_finish(balancer, web):
    lb = balancer(listener(pool(web.addresses[:2], healthmonitor=HTTP_MONITOR)))
    lb.becomes(m1="ONLINE", m2="ONLINE")
    with busy(lb, requests=2) as slow:
        lb.member("m2", weight=0)
        assert set(lb.answers()) == {"web1"}
        lb.becomes(m1="ONLINE", m2="DRAINING")
    assert sorted(slow) == [(200, "web1\n"), (200, "web2\n")]
    lb.member("m2", weight=1)
    lb.becomes(m2="ONLINE")
    assert set(lb.answers()) == set(TWO)


def test_backup_members_serve_only_while_no_other_does(balancer, web):
    members = [{}, {"backup": True}, {"backup": True}]
    lb = balancer(listener(pool(web.addresses, members=members, healthmonitor=HTTP_MONITOR)))
    lb.becomes(m1="ONLINE", m2="ONLINE", m3="ONLINE")
    assert set(lb.answers()) == {"web1"}
    web.servers[0].healthy(False)
    lb.becomes(m1="ERROR")
    assert set(lb.answers()) == {"web2", "web3"}
    web.servers[0].healthy()
    lb.becomes(m1="ONLINE")
    assert set(lb.answers()) == {"web1"}


# --- monitors ---


def unreachable(server, gone):
    subprocess.run(["ip", "-n", server.namespace, "link", "set", "eth0", "down" if gone else "up"], check=True)


def stopped(server, gone):
    server.stop() if gone else server.start()


def unhealthy(server, gone):
    server.healthy(not gone)


@pytest.mark.parametrize(
    ("kind", "protocol", "port", "fail", "more"),
    [
        ("HTTP", "HTTP", 80, unhealthy, {"url_path": "/healthy"}),
        ("HTTP", "HTTP", 80, unhealthy, {"url_path": "/healthy", "http_version": 1.1, "domain_name": "example.org"}),
        ("HTTPS", "HTTPS", 443, unhealthy, {"url_path": "/healthy"}),
        ("TCP", "TCP", 7, stopped, {}),
        ("TLS-HELLO", "HTTPS", 443, stopped, {}),
        ("PING", "HTTP", 80, unreachable, {}),
    ],
)
def test_a_monitor_sees_a_member_go_and_come_back(balancer, web, kind, protocol, port, fail, more):
    monitor = {"type": kind, "delay": 1, "timeout": 1, "max_retries": 1, "max_retries_down": 2, **more}
    lb = balancer(listener(pool(web.addresses[:2], protocol, port=port, healthmonitor=monitor), protocol, port))
    ask = {
        80: lambda: http_get(lb.vip)[1].strip(),
        443: lambda: certificate(lb.vip)[1],
        7: lambda: talk(lb.vip, 7, b"x")[0],
    }
    lb.becomes(m1="ONLINE", m2="ONLINE", pool="ONLINE", lb="ONLINE")
    fail(web.servers[1], True)
    try:
        lb.becomes(m1="ONLINE", m2="ERROR", pool="DEGRADED", lb="DEGRADED")
        assert {ask[port]() for _ in range(6)} == {"web1"}
    finally:
        fail(web.servers[1], False)
    lb.becomes(m1="ONLINE", m2="ONLINE", pool="ONLINE", lb="ONLINE")
    eventually(lambda: {ask[port]() for _ in range(6)} == set(TWO), 10, "both answer again")


def test_no_member_left_is_an_error_and_503(balancer, web):
    lb = balancer(listener(pool(web.addresses[:2], healthmonitor=HTTP_MONITOR)))
    lb.becomes(m1="ONLINE", m2="ONLINE")
    for server in web.servers[:2]:
        server.healthy(False)
    lb.becomes(m1="ERROR", m2="ERROR", pool="ERROR", lb="ERROR", listener_80="ONLINE")
    assert http_get(lb.vip)[0] == 503
    web.servers[0].healthy()
    lb.becomes(m1="ONLINE", m2="ERROR", pool="DEGRADED", lb="DEGRADED")
    assert http_get(lb.vip)[1].strip() == "web1"


def test_without_a_monitor_nothing_is_claimed_of_members(balancer, web):
    lb = balancer(listener(pool(web.addresses[:2])))
    lb.becomes(lb="ONLINE", listener_80="ONLINE", pool="ONLINE", m1="NO_MONITOR", m2="NO_MONITOR")


def test_a_monitor_that_is_added_and_taken_away_is_seen_at_once(balancer, web, deployment):
    lb = balancer(listener(pool(web.addresses[:2])))
    web.servers[1].healthy(False)
    pool_id = lb.pool()["id"]
    monitor = deployment.call("POST", "/healthmonitors", {"healthmonitor": {"pool_id": pool_id, **HTTP_MONITOR}})
    lb.wait_active()
    lb.becomes(m1="ONLINE", m2="ERROR")
    assert deployment.call("GET", f"/healthmonitors/{monitor['id']}")["operating_status"] == "ONLINE"
    deployment.call("PUT", f"/healthmonitors/{monitor['id']}", {"healthmonitor": {"url_path": "/"}})
    lb.becomes(m1="ONLINE", m2="ONLINE")
    deployment.call("DELETE", f"/healthmonitors/{monitor['id']}")
    lb.becomes(m1="NO_MONITOR", m2="NO_MONITOR")


def test_a_monitor_may_ask_at_another_port(balancer, web):
    lb = balancer(listener(pool(web.addresses[:1], port=7, protocol="TCP", healthmonitor=HTTP_MONITOR), "TCP", 7))
    lb.becomes(m1="ERROR")
    lb.member("m1", monitor_port=80)
    lb.becomes(m1="ONLINE")
    assert talk(lb.vip, 7, b"x") == ("web1", b"x")


def test_statistics_count_what_was_carried(balancer, web, deployment):
    lb = balancer(listener(pool(web.addresses[:2])), listener(port=8080))
    for _ in range(7):
        assert len(http_get(lb.vip, path="/bytes?n=10000")[1]) == 10000
    assert http_get(lb.vip, 8080)[0] == 503

    def counted():
        return deployment.call("GET", f"/loadbalancers/{lb.id}/stats")["total_connections"] == 8

    eventually(counted, 15, "eight connections are counted")
    total = deployment.call("GET", f"/loadbalancers/{lb.id}/stats")
    assert total["bytes_out"] > 70000
    assert 0 < total["bytes_in"] < 7000
    assert total["active_connections"] == 0
    listeners = {port: deployment.call("GET", f"/listeners/{id}/stats") for port, id in by_port(deployment, lb).items()}
    assert {port: found["total_connections"] for port, found in listeners.items()} == {80: 7, 8080: 1}


def by_port(deployment, lb):
    return {deployment.call("GET", f"/listeners/{id}")["protocol_port"]: id for id in lb.ids("listeners")}
