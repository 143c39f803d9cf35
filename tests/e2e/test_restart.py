"""The control plane goes and comes back, and nobody who uses a load balancer can tell."""

import contextlib
import threading
import time

from tests.e2e.balancer import HTTP_MONITOR, listener, pool
from tests.lab.deployment import http_get, world


class Client:
    """Asks all the time, each request on a connection of its own, and keeps what went wrong."""

    def __init__(self, vip):
        self._vip = vip
        self._over = threading.Event()
        self.answered, self.failures = 0, []
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def _ask(self):
        while not self._over.wait(0.01):
            try:
                status, _ = http_get(self._vip)
                assert status == 200, status
                self.answered += 1
            except Exception as error:
                self.failures.append(repr(error))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join(10)


def everything(deployment):
    """All objects as the API shows them, but for what heartbeats and time change."""
    found = {}
    for kind in ("loadbalancers", "listeners", "pools", "healthmonitors"):
        found[kind] = deployment.call("GET", f"/{kind}")
    found["members"] = [deployment.call("GET", f"/pools/{each['id']}/members") for each in found["pools"]]
    return found


def test_stopped_killed_and_started_again_it_finds_everything_and_traffic_never_stops(deployment, balancer, web):
    lb = balancer(listener(pool(web.addresses[:2], healthmonitor=HTTP_MONITOR)))
    lb.becomes(m1="ONLINE", m2="ONLINE", lb="ONLINE", listener_80="ONLINE")
    before, amphorae = everything(deployment), world()
    with Client(lb.vip) as client:
        deployment.stop()
        time.sleep(2)
        deployment.start()
        time.sleep(2)
        deployment.kill()
        time.sleep(2)
        deployment.start()
        time.sleep(2)
        assert everything(deployment) == before
        lb.member("m1", weight=3)
    assert client.failures == []
    assert client.answered > 200
    assert world() == amphorae, "the same processes, links and namespaces"


def test_lictor_down_stops_it_and_leaves_the_amphorae_serving(deployment, balancer, web):
    lb = balancer(listener(pool(web.addresses[:2])))
    lb.served_by("web1", "web2")
    deployment.down()
    assert deployment.process.wait(30) == 0
    with contextlib.suppress(ConnectionRefusedError):
        raise AssertionError(deployment.request("GET", "/"))
    assert set(lb.answers()) == {"web1", "web2"}
    deployment.start()
