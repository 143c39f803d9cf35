"""Fail-over of real amphorae: the traffic goes on with another one, and nothing is left of the first."""

import contextlib
import itertools
import threading
import time

from tests.e2e.balancer import listener, pool
from tests.lab.deployment import eventually, http_get, processes

PLACE = "/v2.0/octavia/amphorae"


class Client(threading.Thread):
    """Sends requests one after the other, each on a connection of its own, and notes when one is answered."""

    def __init__(self, vip):
        super().__init__(daemon=True)
        self._vip, self.over, self.times, self.bad = vip, threading.Event(), [], []

    @property
    def good(self):
        return len(self.times)

    @property
    def gap(self):
        """Seconds: the longest time without an answer."""
        return max((late - early for early, late in itertools.pairwise(self.times)), default=0.0)

    def run(self):
        while not self.over.wait(0.01):
            try:
                # A connection that is lost is given up soon: TCP would try it again after a second.
                status, _ = http_get(self._vip, timeout=0.1)
                assert status == 200, status
                self.times.append(time.monotonic())
            except (OSError, AssertionError) as error:
                self.bad.append(repr(error))

    @classmethod
    @contextlib.contextmanager
    def of(cls, vip):
        client = cls(vip)
        client.start()
        try:
            yield client
        finally:
            client.over.set()
            client.join()


def amphorae(deployment, lb):
    status, answer = deployment.request("GET", f"{PLACE}?loadbalancer_id={lb.id}")
    assert status == 200
    return answer["amphorae"]


def put(deployment, path):
    status, answer = deployment.request("PUT", path)
    assert status == 202, answer
    assert answer is None


def kinds(deployment, lb):
    return [event["kind"] for event in deployment.call("GET", f"/loadbalancers/{lb.id}/events")]


def test_another_amphora_takes_over_and_the_first_goes_only_then(deployment, balancer, web):
    lb = balancer(listener(pool(web.addresses[:2])))
    (before,) = amphorae(deployment, lb)
    assert before["ha_ip"] == lb.vip
    with Client.of(lb.vip) as client:
        put(deployment, f"/v2.0/lbaas/loadbalancers/{lb.id}/failover")
        assert lb.itself()["provisioning_status"] == "PENDING_UPDATE"
        lb.wait_active()
        lb.served_by("web1", "web2")
    (after,) = amphorae(deployment, lb)
    assert after["id"] != before["id"]
    assert (after["status"], after["ha_ip"]) == ("ALLOCATED", lb.vip)
    assert after["vrrp_ip"] != before["vrrp_ip"], "there were two at a time"
    assert client.good > len(client.bad), client.bad
    assert client.gap < 2.0
    agents = [name for _, name in processes() if name == "lictor-agent"]
    assert len(agents) == 1
    assert deployment.request("GET", f"{PLACE}/{before['id']}")[0] == 404
    names = {port["name"] for port in deployment.request("GET", "/v2.0/ports")[1]["ports"]}
    assert names == {f"octavia-lb-{lb.id}", f"octavia-lb-vrrp-{after['id']}"}
    assert kinds(deployment, lb)[:4] == ["amphora_replaced", "amphora_booted", "failover_started", "failover_requested"]
    print(f"{client.good} good, {len(client.bad)} bad: {client.bad[:5]}; longest gap {client.gap * 1000:.0f} ms")


def test_who_stays_with_a_member_stays_with_it_in_the_successor(deployment, balancer, web):
    sticky = pool(web.addresses, session_persistence={"type": "SOURCE_IP"}, members=[{}, {"admin_state_up": False}, {}])
    lb = balancer(listener(sticky))
    lb.member("m1", admin_state_up=False)
    assert set(lb.answers(3)) == {"web3"}
    lb.member("m1", admin_state_up=True)
    lb.member("m2", admin_state_up=True)
    (before,) = amphorae(deployment, lb)
    put(deployment, f"/v2.0/lbaas/loadbalancers/{lb.id}/failover")
    lb.wait_active()
    assert [each["id"] == before["id"] for each in amphorae(deployment, lb)] == [False]
    assert set(lb.answers(3)) == {"web3"}, "a new client would be served by web1"


def test_one_amphora_can_be_failed_over_by_its_id(deployment, balancer, web):
    lb = balancer(listener(pool(web.addresses[:1])))
    (before,) = amphorae(deployment, lb)
    put(deployment, f"{PLACE}/{before['id']}/failover")
    lb.wait_active()
    lb.served_by("web1")
    assert [each["id"] == before["id"] for each in amphorae(deployment, lb)] == [False]


def test_new_settings_disturb_nobody(deployment, balancer, web):
    lb = balancer(listener(pool(web.addresses[:1])))
    (before,) = amphorae(deployment, lb)
    with Client.of(lb.vip) as client:
        put(deployment, f"{PLACE}/{before['id']}/config")
        eventually(lambda: client.good > 50, 20, "fifty answers")
    assert client.bad == []
    assert lb.itself()["provisioning_status"] == "ACTIVE"
    assert [each["id"] for each in amphorae(deployment, lb)] == [before["id"]]
