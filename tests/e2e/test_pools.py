"""Algorithms, persistence and the PROXY protocol of pools, as clients of the virtual IP and members see them."""

import collections
import contextlib
import http.client
import socket
import ssl
import time

import pytest

from tests.e2e.balancer import listener, pool
from tests.lab.deployment import eventually


def asked(vip, path="/", cookie="", port=80):
    """Who answers a request on a connection of its own, and the cookies that are set with the answer."""
    connection = http.client.HTTPConnection(vip, port, timeout=5)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Cookie": cookie} if cookie else {})
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read().decode().strip(), answer.headers.get_all("Set-Cookie") or []


def test_source_ip_port_spreads_one_clients_connections_by_weight(balancer, web):
    lb = balancer(listener(pool(web.addresses, algorithm="SOURCE_IP_PORT", members=[{}, {"weight": 3}, {"weight": 0}])))
    seen = collections.Counter(asked(lb.vip)[0] for _ in range(200))
    assert set(seen) == {"web1", "web2"} and 5 < seen["web1"] < 100, seen


def drained(web, names):
    """The members of a pool as a batch, with a weight of 0 for some."""
    return [
        {"address": each.address, "protocol_port": 80, "weight": int(each.name not in names)} for each in web.servers
    ]


def test_sessions_stay_through_drain_and_reloads(balancer, web, deployment):
    by_address = pool(web.addresses, session_persistence={"type": "SOURCE_IP"}, name="address")
    by_cookie = pool(web.addresses, session_persistence={"type": "APP_COOKIE", "cookie_name": "sid"}, name="cookie")
    lb = balancer(listener(by_address), listener(by_cookie, port=81))
    # HAProxy 2.6 teaches its successor what its tables hold from its sixth second on (src/peers.c).
    taught = time.monotonic() + 6
    a_weight_of_zero_drains(balancer, web)
    (first, _), (second, (cookie,)) = asked(lb.vip), asked(lb.vip, "/cookie?n=sid", port=81)
    cookie = cookie.partition(";")[0]
    time.sleep(max(0, taught - time.monotonic()))
    for timeout in (60000, 61000, 62000):
        lb.listener(timeout_client_data=timeout)  # nothing but a reload can change it
        assert {asked(lb.vip)[0] for _ in range(4)} == {first}
        assert {asked(lb.vip, cookie=cookie, port=81)[0] for _ in range(4)} == {second}
    assert {asked(lb.vip, port=81)[0] for _ in range(3)} == {"web1", "web2", "web3"}, "without the cookie: in turn"
    for each in lb.pools():
        deployment.call("PUT", f"/pools/{each['id']}/members", {"members": drained(web, {first, second})})
    lb.wait_active()
    assert {asked(lb.vip)[0] for _ in range(4)} == {first}, "sessions go on while their member drains"
    assert {asked(lb.vip, cookie=cookie, port=81)[0] for _ in range(4)} == {second}
    assert not {asked(lb.vip, port=81)[0] for _ in range(6)} & {first, second}, "which gets no others"


def a_weight_of_zero_drains(balancer, web):
    """A member of weight 0 keeps its sessions and gets no others."""
    lb = balancer(listener(pool(web.addresses[:2], session_persistence={"type": "HTTP_COOKIE"})))
    given = dict(asked(lb.vip) for _ in range(2))
    cookies = {name: cookie.partition(";")[0] for name, (cookie,) in given.items()}
    assert all(cookie.endswith("; path=/; HttpOnly") for (cookie,) in given.values())
    lb.member("m2", weight=0)
    assert {asked(lb.vip, cookie=cookies["web2"])[0] for _ in range(4)} == {"web2"}, "its session goes on"
    assert {asked(lb.vip)[0] for _ in range(4)} == {"web1"}, "and it gets no new one"
    lb.member("m2", admin_state_up=False)
    eventually(lambda: asked(lb.vip, cookie=cookies["web2"])[0] == "web1", 5, "a disabled member gets nothing at all")


FITS = [("TCP", "TCP", 7), ("TCP", "HTTP", 80), ("TCP", "HTTPS", 443), ("HTTP", "HTTP", 80), ("HTTPS", "HTTPS", 443),
        ("HTTPS", "TCP", 443)]  # fmt: skip
"""Listeners and the pools that they may send their traffic to (reference, 1.8), but for those of the PROXY protocol."""


@pytest.mark.parametrize("algorithm", ["ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP", "SOURCE_IP_PORT"])
def test_every_listener_carries_the_traffic_of_every_pool_that_it_may_use(balancer, web, algorithm):
    persistent = {"session_persistence": {"type": "SOURCE_IP"}} if algorithm == "LEAST_CONNECTIONS" else {}
    lb = balancer(
        *(
            listener(pool(web.addresses, protocol, algorithm, at, name=f"p{port}", **persistent), kind, port)
            for port, (kind, protocol, at) in enumerate(FITS, 8000)
        )
    )
    for port, (_, _, at) in enumerate(FITS, 8000):
        seen = {said(lb.vip, port, at) for _ in range(24 if algorithm == "SOURCE_IP_PORT" else 4)}
        assert seen <= {"web1", "web2", "web3"}
        spread = algorithm in ("ROUND_ROBIN", "SOURCE_IP_PORT")
        assert len(seen) > 1 if spread else len(seen) == 1 or algorithm == "LEAST_CONNECTIONS", (port, seen)


def said(vip, port, at):
    """The name of the member that a listener leads to, in what the member speaks on this port of its own."""
    if at == 80:
        return asked(vip, port=port)[0]
    with socket.create_connection((vip, port), 5) as plain:
        if at == 7:
            with plain.makefile() as stream:
                return stream.readline().strip()
        with ANY.wrap_socket(plain) as secured:
            secured.sendall(b"GET / HTTP/1.0\r\n\r\n")
            with secured.makefile() as stream:
                return stream.read().rpartition("\n\n")[2].strip()


ANY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
ANY.check_hostname, ANY.verify_mode = False, ssl.CERT_NONE
