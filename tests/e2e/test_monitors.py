"""Health monitors: what counts as good, how soon, and how often; and what new members get before it is known."""

import time
import urllib.request

import pytest

from tests.e2e.balancer import HTTP_MONITOR, listener, pool
from tests.lab.deployment import eventually, http_get


def health(server, code):
    """Have /healthy of a web server answer with this code."""
    request = urllib.request.Request(server.url("/healthy"), str(code).encode(), method="PUT")
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10).close()


def several(balancer, address, monitors, port=80):
    """A load balancer with a listener and a pool for each monitor; its members are called by the monitors' names."""
    listeners = [
        listener(
            pool([address], "TCP", port=each.pop("port", port), members=[{"name": name}], name=f"p-{name}",
                 healthmonitor=HTTP_MONITOR | each), "TCP", number)
        for number, (name, each) in enumerate(monitors.items(), 8000)
    ]  # fmt: skip
    return balancer(*listeners)


def test_expected_codes_are_single_ones_lists_and_ranges_and_every_method_is_asked(balancer, web):
    monitors = {
        "plain": {},
        "listed": {"expected_codes": "200, 404"},
        "ranged": {"expected_codes": "400-404", "http_method": "HEAD"},
        "reversed": {"expected_codes": "404-400", "http_method": "DELETE"},
        "other": {"expected_codes": "201", "http_method": "POST", "http_version": 1.1, "domain_name": "example.org"},
    }
    lb = several(balancer, web.addresses[0], monitors)
    lb.becomes(plain="ONLINE", listed="ONLINE", ranged="ERROR", reversed="ERROR", other="ERROR")
    health(web.servers[0], 404)
    lb.becomes(plain="ERROR", listed="ONLINE", ranged="ONLINE", reversed="ONLINE", other="ERROR")
    health(web.servers[0], 201)
    lb.becomes(plain="ERROR", listed="ERROR", ranged="ERROR", reversed="ERROR", other="ONLINE")


def test_a_hello_is_shaken_hands_with_and_a_timeout_may_be_longer_than_the_delay(balancer, web):
    bare = {"url_path": None, "port": 443}
    monitors = {
        "hello": {"type": "TLS-HELLO"} | bare,
        "open": {"type": "TCP"} | bare | {"port": 80},
        "no-hello": {"type": "TLS-HELLO"} | bare | {"port": 80},
        "patient": {"url_path": "/slow?s=1.5", "timeout": 4},
        "impatient": {"url_path": "/slow?s=1.5", "timeout": 1},
        "elsewhere": {"type": "PING", "url_path": None, "port": 9},
    }
    lb = several(balancer, web.addresses[0], monitors)
    lb.becomes(hello="ONLINE", open="ONLINE", no_hello="ERROR", patient="ONLINE", impatient="ERROR", elsewhere="ONLINE")


@pytest.mark.parametrize("kind", ["HTTP", "PING"])
def test_new_members_get_nothing_before_their_first_good_check_which_comes_at_once(balancer, web, deployment, kind):
    path = {"url_path": "/healthy"} if kind == "HTTP" else {}
    monitor = {"type": kind, "delay": 60, "timeout": 5, "max_retries": 3, "max_retries_down": 3, **path}
    addresses = [web.addresses[0], "198.18.3.250"] if kind == "PING" else web.addresses[:2]
    if kind == "HTTP":
        web.servers[1].healthy(False)
    began = time.monotonic()
    lb = balancer(listener(pool(addresses, healthmonitor=monitor)))
    assert set(lb.answers(6)) == {"web1"}, "nothing goes to a member that never was healthy"
    member = {"name": "m3", "address": web.addresses[2], "protocol_port": 80}
    deployment.call("POST", f"/pools/{lb.ids('pools')[0]}/members", {"member": member})
    eventually(lambda: set(lb.answers(6)) == {"web1", "web3"}, 5, "one good check is enough for a new member")
    lb.becomes(m1="ONLINE", m2="ERROR", m3="ONLINE", pool="DEGRADED")
    assert time.monotonic() - began < 40, "and the first one does not wait for the delay"


def test_rise_and_fall_count_checks_that_differ_from_what_is_known(balancer, web):
    monitor = HTTP_MONITOR | {"max_retries": 3, "max_retries_down": 2}
    lb = balancer(listener(pool(web.addresses[:1], healthmonitor=monitor)))
    lb.becomes(m1="ONLINE")
    web.servers[0].healthy(False)
    began = time.monotonic()
    eventually(lambda: http_get(lb.vip)[0] == 503, 10, "two bad checks")
    assert time.monotonic() - began > 0.9, "one bad check is not enough"
    web.servers[0].healthy()
    began = time.monotonic()
    eventually(lambda: http_get(lb.vip)[0] == 200, 10, "three good checks")
    assert time.monotonic() - began > 1.9, "two good checks are not enough"
