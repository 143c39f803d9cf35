"""What is switched off, changed and added later is seen in the traffic and in the statuses."""

import contextlib
import http.client
import json

from tests.e2e.balancer import HTTP_MONITOR, listener, pool
from tests.lab.deployment import eventually, http_get

LOCAL = "198.18.0.1"
"""This host's address on the private subnet, from which the tests ask."""


def closed(lb, port=80):
    try:
        http_get(lb.vip, port, timeout=0.5)
    except OSError:
        return True
    return False


# --- admin_state_up ---


def test_a_member_switched_off_gets_no_traffic(balancer, web):
    lb = balancer(listener(pool(web.addresses[:2], healthmonitor=HTTP_MONITOR)))
    lb.becomes(m1="ONLINE", m2="ONLINE")
    lb.member("m2", admin_state_up=False)
    assert set(lb.answers()) == {"web1"}
    lb.becomes(m1="ONLINE", m2="OFFLINE", pool="ONLINE", lb="ONLINE")
    lb.member("m2", admin_state_up=True)
    lb.served_by("web1", "web2")
    lb.becomes(m1="ONLINE", m2="ONLINE")


def test_a_pool_switched_off_is_not_used(balancer, web):
    lb = balancer(listener(pool(web.addresses[:2])))
    lb.pool(admin_state_up=False)
    assert http_get(lb.vip)[0] == 503
    lb.becomes(pool="OFFLINE", listener_80="ONLINE", lb="ONLINE")
    lb.pool(admin_state_up=True)
    lb.served_by("web1", "web2")
    lb.becomes(pool="ONLINE")


def test_a_listener_switched_off_does_not_listen(balancer, web):
    lb = balancer(listener(pool(web.addresses[:2])), listener(port=8080))
    lb.listener_at(80, admin_state_up=False)
    assert closed(lb)
    assert http_get(lb.vip, 8080)[0] == 503, "the other one goes on"
    lb.becomes(listener_80="OFFLINE", pool="OFFLINE", listener_8080="ONLINE", lb="ONLINE")
    lb.listener_at(80, admin_state_up=True)
    lb.served_by("web1", "web2")
    lb.becomes(listener_80="ONLINE", pool="ONLINE")


def test_a_load_balancer_switched_off_serves_nothing(balancer, web):
    lb = balancer(listener(pool(web.addresses[:2])))
    lb.itself(admin_state_up=False)
    assert closed(lb)
    lb.becomes(lb="OFFLINE", listener_80="OFFLINE")
    lb.itself(admin_state_up=True)
    lb.served_by("web1", "web2")
    lb.becomes(lb="ONLINE", listener_80="ONLINE")


def test_a_monitor_switched_off_checks_nothing(balancer, web, deployment):
    lb = balancer(listener(pool(web.addresses[:2], healthmonitor=HTTP_MONITOR)))
    web.servers[1].healthy(False)
    lb.becomes(m2="ERROR")
    monitor = lb.pool()["healthmonitor_id"]
    deployment.call("PUT", f"/healthmonitors/{monitor}", {"healthmonitor": {"admin_state_up": False}})
    lb.becomes(m1="NO_MONITOR", m2="NO_MONITOR")
    assert set(lb.answers()) == {"web1", "web2"}
    assert deployment.call("GET", f"/healthmonitors/{monitor}")["operating_status"] == "OFFLINE"


# --- members, pools and listeners come and go ---


def test_members_are_added_replaced_and_deleted(balancer, web, deployment):
    lb = balancer(listener(pool(web.addresses[:1])))
    place = f"/pools/{lb.pool()['id']}/members"
    added = deployment.call("POST", place, {"member": {"address": web.addresses[1], "protocol_port": 80}})
    lb.served_by("web1", "web2")
    deployment.call("DELETE", f"{place}/{added['id']}")
    deployment.wait_gone(f"{place}/{added['id']}", 10)
    assert set(lb.answers()) == {"web1"}
    all_new = [{"address": address, "protocol_port": 80} for address in web.addresses[1:]]
    deployment.call("PUT", place, {"members": all_new})
    lb.wait_active()
    assert set(lb.answers()) == {"web2", "web3"}
    assert sorted(each["address"] for each in deployment.call("GET", place)) == web.addresses[1:]
    deployment.call(
        "PUT", f"{place}?additive_only=true", {"members": [{"address": web.addresses[0], "protocol_port": 80}]}
    )
    lb.wait_active()
    lb.served_by("web1", "web2", "web3")
    deployment.call("PUT", place, {"members": []})
    lb.wait_active()
    assert http_get(lb.vip)[0] == 503


def test_a_listener_can_be_pointed_at_another_pool(balancer, web, deployment):
    lb = balancer(listener(pool(web.addresses[:1])), pools=[pool(web.addresses[1:2], name="green")])
    (blue,) = [each for each in lb.pools() if each["name"] == "pool"]
    (green,) = [each for each in lb.pools() if each["name"] == "green"]
    assert set(lb.answers(4)) == {"web1"}
    assert lb.listener(default_pool_id=green["id"])["default_pool_id"] == green["id"]
    assert set(lb.answers(4)) == {"web2"}
    lb.listener(default_pool_id=None)
    assert http_get(lb.vip)[0] == 503
    lb.listener(default_pool_id=blue["id"])
    deployment.call("DELETE", f"/pools/{blue['id']}")
    deployment.wait_gone(f"/pools/{blue['id']}", 10)
    assert lb.listener()["default_pool_id"] is None
    assert http_get(lb.vip)[0] == 503


def test_listeners_come_and_go_and_disturb_no_other(balancer, web, deployment):
    lb = balancer(listener(pool(web.addresses[:1])))
    with contextlib.closing(http.client.HTTPConnection(lb.vip, timeout=5)) as kept:
        kept.request("GET", "/")
        assert kept.getresponse().read() == b"web1\n"
        second = {"loadbalancer_id": lb.id, "default_pool_id": lb.pool()["id"], **listener(port=81)}
        made = deployment.call("POST", "/listeners", {"listener": second})
        eventually(lambda: lb.answers(2, port=81) == ["web1", "web1"], 10, "the second listener answers")
        deployment.call("DELETE", f"/listeners/{made['id']}")
        deployment.wait_gone(f"/listeners/{made['id']}", 10)
        assert closed(lb, 81)
        assert set(lb.answers(4)) == {"web1"}


def test_an_algorithm_can_be_changed(balancer, web):
    lb = balancer(listener(pool(web.addresses)))
    assert set(lb.answers(6)) == {"web1", "web2", "web3"}
    lb.pool(lb_algorithm="SOURCE_IP")
    assert len(set(lb.answers(6))) == 1
    lb.pool(lb_algorithm="LEAST_CONNECTIONS")
    assert set(lb.answers(12)) == {"web1", "web2", "web3"}


def test_a_timeout_that_is_set_ends_requests_that_take_longer(balancer, web):
    lb = balancer(listener(pool(web.addresses[:1])))
    assert http_get(lb.vip, path="/slow?s=1.5", timeout=5)[0] == 200
    lb.listener(timeout_member_data=500)
    assert http_get(lb.vip, path="/slow?s=1.5", timeout=5)[0] == 504
    lb.listener(timeout_member_data=None)
    assert http_get(lb.vip, path="/slow?s=1.5", timeout=5)[0] == 200


# --- what listeners and pools add to HTTP ---


def test_headers_are_inserted(balancer, web):
    wanted = ["X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Real-IP", "X-Client-IP", "X-Forwarded-IP"]
    lb = balancer(listener(pool(web.addresses[:1]), insert_headers=dict.fromkeys(wanted, "true")))
    seen = headers(lb)
    addresses = dict.fromkeys(set(wanted) - {"X-Forwarded-Port", "X-Forwarded-Proto"}, LOCAL)
    assert {name: seen.get(name.lower()) for name in wanted} == {
        "X-Forwarded-Port": "80", "X-Forwarded-Proto": "http", **addresses,
    }  # fmt: skip
    lb.listener(insert_headers={"X-Forwarded-For": "false"})
    assert not [name for name in headers(lb) if name.startswith("x-")]


def headers(lb):
    """What a member is told; HAProxy writes names in lower case, which is the same name (RFC 9110, section 5.1)."""
    return {name.lower(): value for name, value in json.loads(http_get(lb.vip, path="/headers")[1]).items()}


def ask(lb, cookie=None):
    """The answer, and the cookies that come with it."""
    connection = http.client.HTTPConnection(lb.vip, timeout=5)
    with contextlib.closing(connection):
        connection.request("GET", "/", headers={"Cookie": cookie} if cookie else {})
        answer = connection.getresponse()
        return answer.read().decode().strip(), answer.getheader("Set-Cookie")


def test_a_cookie_keeps_a_client_at_its_member_until_that_fails(balancer, web):
    lb = balancer(
        listener(pool(web.addresses[:2], session_persistence={"type": "HTTP_COOKIE"}, healthmonitor=HTTP_MONITOR))
    )
    lb.becomes(m1="ONLINE", m2="ONLINE")
    name, given = ask(lb)
    cookie = given.split(";")[0]
    assert {ask(lb, cookie)[0] for _ in range(6)} == {name}
    assert {ask(lb)[0] for _ in range(6)} == {"web1", "web2"}, "others are still balanced"
    (server,) = [each for each in web.servers if each.name == name]
    server.healthy(False)
    lb.becomes(pool="DEGRADED")
    assert {ask(lb, cookie)[0] for _ in range(4)} == {"web1", "web2"} - {name}


def test_persistence_by_source_address_comes_and_goes(balancer, web):
    lb = balancer(listener(pool(web.addresses, session_persistence={"type": "SOURCE_IP"})))
    assert len(set(lb.answers(6))) == 1
    lb.pool(session_persistence=None)
    assert set(lb.answers(6)) == {"web1", "web2", "web3"}


def test_only_the_allowed_may_connect(balancer, web):
    lb = balancer(listener(pool(web.addresses[:1]), allowed_cidrs=[f"{LOCAL}/32"]))
    assert set(lb.answers(2)) == {"web1"}
    lb.listener(allowed_cidrs=["10.0.0.0/8", "192.0.2.0/24"])
    assert closed(lb)
    lb.listener(allowed_cidrs=None)
    assert set(lb.answers(2)) == {"web1"}
