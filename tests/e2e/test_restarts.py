"""The control plane is stopped, killed and started again: all is as it was, and no client ever notices."""

import contextlib
import subprocess
import threading

import pytest

from tests.e2e.balancer import HTTP_MONITOR, Balancer, listener, pool
from tests.lab.deployment import eventually, http_get, world

KINDS = ("loadbalancers", "listeners", "pools", "healthmonitors")


@pytest.fixture(autouse=True)
def running(deployment):
    """A test that fails half way must not take the next ones with it."""
    if deployment.process.poll() is not None:
        deployment.start()


@pytest.fixture
def lb(balancer, web):
    body = pool(web.addresses[:2], healthmonitor=HTTP_MONITOR)
    lb = balancer(listener(body), listener(port=8080), tags=["kept"])
    lb.member("m2", weight=3)
    lb.becomes(lb="ONLINE", pool="ONLINE", listener_8080="ONLINE", m1="ONLINE", m2="ONLINE")
    return lb


class Client(threading.Thread):
    """Asks over and over, each time on a connection of its own."""

    def __init__(self, vip):
        super().__init__(daemon=True)
        self._vip, self._stop_it = vip, threading.Event()
        self.answered, self.failures = 0, []

    def run(self):
        while not self._stop_it.wait(0.01):
            try:
                status, body = http_get(self._vip)
                assert status == 200, (status, body)
                self.answered += 1
            except (OSError, AssertionError) as error:
                self.failures.append(repr(error))


@contextlib.contextmanager
def without_a_failed_request(vip):
    """A client asks all the time; in the end it must have been answered every time."""
    client = Client(vip)
    client.start()
    yield client
    client._stop_it.set()
    client.join()
    assert client.failures == []
    assert client.answered > 20


def everything(deployment):
    """All that users can see, but for counters."""
    found = {kind: deployment.call("GET", f"/{kind}") for kind in KINDS}
    found["members"] = [deployment.call("GET", f"/pools/{each['id']}/members") for each in found["pools"]]
    return found | {"ports": deployment.request("GET", "/v2.0/ports")[1]}


def as_it_was(deployment, before):
    eventually(lambda: everything(deployment) == before[0], 15, "everything is as it was")
    assert world() == before[1], "the same namespaces, links and processes, none of them made anew"


def test_stopped_killed_and_started_again_nobody_notices(deployment, web, lb):
    before = everything(deployment), world()
    with without_a_failed_request(lb.vip) as client:
        for end in (deployment.stop, deployment.kill, deployment.down):
            end()
            assert world() == before[1]
            seen = client.answered
            eventually(lambda seen=seen: client.answered > seen + 20, 10, "answers while there is no control plane")
            deployment.start()
            as_it_was(deployment, before)
    still_obeys(deployment, web, lb)


def still_obeys(deployment, web, lb):
    lb.member("m2", admin_state_up=False)
    assert set(lb.answers()) == {"web1"}
    lb.member("m2", admin_state_up=True)
    web.servers[0].healthy(False)
    lb.becomes(m1="ERROR", m2="ONLINE")
    assert set(lb.answers()) == {"web2"}


def test_members_fail_and_heal_while_there_is_no_control_plane(deployment, web, lb):
    deployment.kill()
    web.servers[0].healthy(False)
    lb.served_by("web2")
    deployment.start()
    lb.becomes(m1="ERROR", m2="ONLINE", pool="DEGRADED", lb="DEGRADED")
    web.servers[0].healthy()
    lb.becomes(m1="ONLINE", lb="ONLINE")
    lb.served_by("web1", "web2")


def test_what_was_accepted_before_a_kill_is_done_after_it(deployment, web, lb):
    path = f"/pools/{lb.pool()['id']}/members"
    ids = [each["id"] for each in deployment.call("GET", path)]
    for number in range(5):
        deployment.call("PUT", f"{path}/{ids[0]}", {"member": {"name": f"name{number}"}})
    deployment.call("PUT", f"{path}/{ids[1]}", {"member": {"admin_state_up": False}})
    created = Balancer(deployment, "late", [listener(pool(web.addresses[:1], name="late"))], {})
    deployment.kill()
    deployment.start()
    lb.wait_active()
    created.wait_active()
    assert {each["name"] for each in deployment.call("GET", path)} >= {"name4"}
    assert len(set(lb.answers())) == 1
    assert set(created.answers()) == {"web1"}
    created.delete()


def test_down_keeps_the_traffic_and_purge_leaves_nothing(deployment, servers):
    lb = Balancer(deployment, "lb", [listener(pool(servers.addresses[:2]))], {}).wait_active()
    lb.served_by("web1", "web2")
    deployment.down()
    assert deployment.process.wait(5) == 0
    with pytest.raises(ConnectionRefusedError):
        deployment.request("GET", "/")
    lb.served_by("web1", "web2")
    deployment.down("--purge")
    left = world()
    assert left["processes"] == set()
    assert {name for name in left["namespaces"] if name.startswith("lictor-")} == set()
    with pytest.raises(OSError):
        http_get(lb.vip, timeout=0.5)
    assert not deployment.state_dir.exists()
    mounts = subprocess.run(["mount"], capture_output=True, text=True, check=True).stdout
    assert str(deployment.state_dir) not in mounts
