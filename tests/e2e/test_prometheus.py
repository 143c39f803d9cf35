"""A PROMETHEUS listener, as the stock Prometheus client's parser and the statistics of the API see it."""

import contextlib
import socket

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.balancer import HTTP_MONITOR, listener, pool
from tests.e2e.datagrams import Member, ask
from tests.lab.deployment import eventually, http_get

CONFIG = """
[health_manager]
heartbeat_interval = 0.5
"""


def metrics(lb, port=8088):
    """Each sample by its metric and labels."""
    status, text = http_get(lb.vip, port, "/metrics", timeout=10)
    assert status == 200
    families = list(text_string_to_metric_families(text))
    assert all(family.documentation for family in families)
    return {
        (sample.name.removeprefix("octavia_"), *[value for _, value in sorted(sample.labels.items())]): sample.value
        for family in families
        for sample in family.samples
    }


def requests_of(lb, port):
    return metrics(lb)["listener_http_requests_total", lb.listener_at(port)["id"]]


def test_metrics_tell_of_listeners_pools_and_members_by_their_ids(balancer, deployment, web):
    lb = balancer(
        listener(pool(web.addresses[:2], healthmonitor=HTTP_MONITOR)),
        listener(
            pool(web.addresses[2:], protocol="TCP", name="tcp", members=[{"name": "t1"}]), protocol="TCP", port=81
        ),
        listener(protocol="PROMETHEUS", port=8088),
    )
    lb.becomes(lb="ONLINE", m1="ONLINE", m2="ONLINE", listener_8088="ONLINE")
    ids = {port: lb.listener_at(port)["id"] for port in (80, 81, 8088)}
    one, other = sorted(lb.pools(), key=lambda each: each["name"])
    members = [each["id"] for each in one["members"]]
    assert len(lb.answers(10)) == 10 and len(lb.answers(4, port=81)) == 4
    seen = eventually(lambda: {requests_of(lb, 80): metrics(lb)}.get(10))
    backend = f"{one['id']}:{ids[80]}"
    assert [seen["member_http_responses_total", "2xx", member, backend] for member in members] == [5, 5]
    assert seen["pool_active_members", backend] == 2
    assert seen["pool_status", f"{other['id']}:{ids[81]}", "UP"] == 1
    assert seen["listener_sessions_total", ids[81]] == 4
    assert seen["listener_bytes_out_total", ids[80]] > 0
    for whole, parts in (("connections_total",) * 2, ("requests_total", "http_requests_total")):
        found = [value for (name, *_), value in seen.items() if name == f"listener_{parts}"]
        assert seen[f"loadbalancer_{whole}",] == sum(found) >= 10, "the agent's own questions are no traffic"
    assert 0 <= seen["loadbalancer_memory",] <= 100
    listeners = {labels[0] for name, *labels in seen if name == "listener_status"}
    assert listeners == set(ids.values()), "the listeners of users, and no others"
    web.servers[0].healthy(False)
    lb.becomes(m1="ERROR")
    eventually(lambda: metrics(lb)["member_status", members[0], backend, "DOWN"] == 1)
    assert {http_get(lb.vip, 8088, path)[0] for path in ("/stats", "/metrics/x")} == {404}
    assert http_get(lb.vip, 8088, "/")[0] == 200
    totals_are_sums(deployment, lb, ids)


def totals_are_sums(deployment, lb, ids):
    """The load balancer's statistics are those of its listeners, and nothing else is counted."""
    names = ("bytes_in", "bytes_out", "total_connections", "request_errors", "active_connections")

    def agree():
        total = deployment.call("GET", f"/loadbalancers/{lb.id}/stats")
        each = [deployment.call("GET", f"/listeners/{one}/stats") for one in ids.values()]
        assert {name: sum(one[name] for one in each) for name in names} == {name: total[name] for name in names}
        return each[0]["total_connections"] == 10 and each[1]["total_connections"] == 4

    eventually(agree)


def test_who_may_ask_is_the_listeners_to_say_and_it_comes_and_goes(balancer, web):
    lb = balancer(listener(pool(web.addresses[:1])), listener(protocol="PROMETHEUS", port=8088))
    assert requests_of(lb, 80) == 0
    lb.listener_at(8088, allowed_cidrs=["192.0.2.0/24"])
    with pytest.raises(OSError):
        http_get(lb.vip, 8088, "/metrics", timeout=1)
    lb.listener_at(8088, allowed_cidrs=None)
    assert len(lb.answers(2)) == 2
    lb.listener_at(8088, admin_state_up=False)
    with pytest.raises(OSError):
        http_get(lb.vip, 8088, "/metrics", timeout=1)
    lb.listener_at(8088, admin_state_up=True, timeout_client_data=40000)
    assert requests_of(lb, 80) == 0, "counters start anew with a reload, as Prometheus expects of them"
    assert eventually(lambda: len(lb.answers(3)) == 3 and requests_of(lb, 80) >= 3)


def test_udp_is_among_the_metrics(balancer, web):
    lb = balancer(
        listener(pool(web.addresses[:2], "UDP", port=53, members=[{}, {"admin_state_up": False}]), "UDP", 53),
        listener(protocol="PROMETHEUS", port=8088),
    )
    with contextlib.closing(Member(web.servers[0], 53)) as member:
        member.start()
        assert {ask(lb.vip, 53) for _ in range(3)} == {"web1"}
    udp, (one, other) = lb.listener_at(53)["id"], [each["id"] for each in lb.pool()["members"]]
    backend = f"{lb.pool()['id']}:{udp}"

    def told():
        seen = metrics(lb)
        assert seen["listener_sessions_total", udp] == seen["listener_connections_total", udp] == 3
        assert seen["listener_bytes_in_total", udp] > 0 < seen["listener_bytes_out_total", udp]
        assert [seen["member_status", each, backend, "UP"] for each in (one, other)] == [1, 0]
        assert seen["member_status", other, backend, "MAINT"] == 1
        return seen["listener_status", udp, "UP"] == seen["pool_status", backend, "UP"] == 1

    eventually(told)


def test_statistics_are_of_what_clients_did_whichever_pool_answered(balancer, web, deployment):
    other = pool(web.addresses[1:2], name="other", members=[{"name": "o1"}])
    policies = [
        {"action": "REJECT", "rules": [{"type": "PATH", "compare_type": "STARTS_WITH", "value": "/no"}]},
        {
            "action": "REDIRECT_TO_POOL",
            "redirect_pool": other,
            "rules": [{"type": "PATH", "compare_type": "STARTS_WITH", "value": "/bytes"}],
        },
    ]
    lb = balancer(
        listener(pool(web.addresses[:1]), l7policies=policies),
        listener(protocol="PROMETHEUS", port=8088),
    )
    ids = {port: lb.listener_at(port)["id"] for port in (80, 8088)}
    assert set(lb.answers(5)) == {"web1"}
    assert len(http_get(lb.vip, path="/bytes?n=50000")[1]) == 50000
    assert http_get(lb.vip, path="/no")[0] == 403
    with socket.create_connection((lb.vip, 80), 5) as connection:
        connection.sendall(b"no request\r\n\r\n")
        assert b" 400 " in connection.recv(65536)
    with socket.create_connection((lb.vip, 80), 5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 " in connection.recv(65536)
        told(deployment, ids[80], total_connections=9, active_connections=1, request_errors=1)
    one = told(deployment, ids[80], total_connections=9, active_connections=0, request_errors=1)
    assert 50000 < one["bytes_out"] < 55000
    asked = sum(requests_of(lb, 80) > 0 for _ in range(3))
    two = told(deployment, ids[8088], total_connections=asked, active_connections=0, request_errors=0)
    assert two["bytes_out"] > 10000
    assert told(deployment, ids[80], total_connections=9) == one, "metrics are no traffic of other listeners"
    whole = deployment.call("GET", f"/loadbalancers/{lb.id}/stats")
    assert whole == {name: one[name] + two[name] for name in one}


def told(deployment, listener_id, **wanted):
    """A listener's statistics, as soon as they are so."""

    def statistics():
        found = deployment.call("GET", f"/listeners/{listener_id}/stats")
        assert {name: found[name] for name in wanted} == wanted
        return found

    return eventually(statistics)
