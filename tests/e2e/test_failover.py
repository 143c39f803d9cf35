"""Fail-over of real amphorae: the traffic goes on with another one, and nothing is left of the first."""

import contextlib
import threading

from tests.e2e.balancer import listener, pool
from tests.lab.deployment import eventually, http_get, processes

PLACE = "/v2.0/octavia/amphorae"


class Client(threading.Thread):
    """Sends requests one after the other, each on a connection of its own, and counts what comes of them."""

    def __init__(self, vip):
        super().__init__(daemon=True)
        self._vip, self.over, self.good, self.bad = vip, threading.Event(), 0, []

    def run(self):
        while not self.over.wait(0.01):
            try:
                status, _ = http_get(self._vip, timeout=1.0)
                assert status == 200, status
                self.good += 1
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
    agents = [name for _, name in processes() if name == "lictor-agent"]
    assert len(agents) == 1
    assert deployment.request("GET", f"{PLACE}/{before['id']}")[0] == 404
    names = {port["name"] for port in deployment.request("GET", "/v2.0/ports")[1]["ports"]}
    assert names == {f"octavia-lb-{lb.id}", f"octavia-lb-vrrp-{after['id']}"}
    assert kinds(deployment, lb)[:3] == ["amphora_replaced", "amphora_booted", "failover_requested"]
    print(f"{client.good} good, {len(client.bad)} bad: {client.bad[:5]}")


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
