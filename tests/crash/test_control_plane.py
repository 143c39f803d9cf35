"""kill -9 of the whole control plane at every step boundary of the loop: nothing is lost, nothing is leaked."""

import contextlib
import http.client
import signal
import sqlite3

import pytest

from lictor.api import vips
from lictor.control import certificates, converge, handover
from tests.lab.deployment import eventually, http_get, who_answers, world

CREATE = {"claimed", "before settle", "after settle", "instance made", "state delivered"} | {
    f"{when} {step.__name__}" for step in converge.CONVERGE for when in ("before", "after")
}
DELETE = {"claimed", "before settle", "after settle", "instance deleted", "port deleted"} | {
    f"{when} {step.__name__}" for step in converge.DELETE for when in ("before", "after")
}


def test_every_fail_point_is_passed_by_one_of_the_scenarios():
    assert set(converge.fail_points()) == CREATE | DELETE | {"port made", *handover.BETWEEN, *certificates.BETWEEN}
    assert vips.BETWEEN == ("addresses set aside",)


def ask(deployment, *call):
    """Ask for something of a control plane that will be killed: at times before the answer is out, which is no loss."""
    with contextlib.suppress(ConnectionError, http.client.HTTPException):
        deployment.call(*call)


def died_there(deployment):
    deployment.process.wait(30)
    return deployment.process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("point", sorted(CREATE))
def test_killed_while_creating(deployment, web, point):
    deployment.start(failpoint=point)
    with contextlib.suppress(ConnectionError, http.client.HTTPException):  # as in ask()
        deployment.create(web.addresses)
    assert died_there(deployment), "the fail point was not reached"

    deployment.start()
    (lb,) = deployment.call("GET", "/loadbalancers")
    deployment.wait_active(lb["id"])
    eventually(lambda: who_answers(lb["vip_address"]) == ["web1", "web2"], 10)
    assert len(amphorae()) == 1


@pytest.mark.parametrize("point", sorted(CREATE - {"instance made"}))
def test_killed_while_adding_a_member(deployment, web, point):
    deployment.start()
    lb = deployment.create(web.addresses[:1])
    deployment.wait_active(lb["id"])
    eventually(lambda: who_answers(lb["vip_address"]) == ["web1"], 10)
    deployment.stop()

    deployment.start(failpoint=point)
    pool = deployment.call("GET", "/pools")[0]["id"]
    member = {"address": web.addresses[1], "protocol_port": 80}
    ask(deployment, "POST", f"/pools/{pool}/members", {"member": member})
    assert died_there(deployment), "the fail point was not reached"
    assert http_get(lb["vip_address"])[0] == 200, "traffic goes on without a control plane"

    deployment.start()
    deployment.wait_active(lb["id"])
    eventually(lambda: who_answers(lb["vip_address"]) == ["web1", "web2"], 10)


@pytest.mark.parametrize("point", sorted(DELETE))
def test_killed_while_deleting(deployment, point):
    deployment.start()
    empty = world()
    lb = deployment.create(["198.18.0.10"])
    deployment.wait_active(lb["id"])
    deployment.stop()

    deployment.start(failpoint=point)
    ask(deployment, "DELETE", f"/loadbalancers/{lb['id']}?cascade=true")
    assert died_there(deployment), "the fail point was not reached"

    deployment.start()
    deployment.wait_gone(f"/loadbalancers/{lb['id']}")
    eventually(lambda: world() == empty, 10, "nothing is left of the load balancer")
    assert ports(deployment) == []


def ports(deployment):
    return deployment.request("GET", "/v2.0/ports")[1]["ports"]


def test_killed_between_the_ports_and_the_rows_of_a_new_load_balancer(deployment, web):
    deployment.start(failpoint="addresses set aside")
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        deployment.create(web.addresses)
    assert died_there(deployment), "the fail point was not reached"

    deployment.start()
    assert deployment.call("GET", "/loadbalancers") == [], "what was not acknowledged is not there"
    eventually(lambda: ports(deployment) == [], 30, "addresses that nobody uses are free again")


def test_killed_while_a_lost_port_is_made_again(deployment, web):
    deployment.start()
    lb = deployment.create(web.addresses)
    deployment.wait_active(lb["id"])
    deployment.stop()
    with contextlib.closing(sqlite3.connect(deployment.state_dir / "lictor.db")) as database, database:
        database.execute("DELETE FROM local_port WHERE name LIKE 'octavia-lb-vrrp-%'")

    deployment.start(failpoint="port made")
    ask(deployment, "PUT", f"/loadbalancers/{lb['id']}", {"loadbalancer": {"name": "renamed"}})
    assert died_there(deployment), "the fail point was not reached"

    deployment.start()
    deployment.wait_active(lb["id"])
    assert deployment.call("GET", f"/loadbalancers/{lb['id']}")["name"] == "renamed"
    eventually(lambda: who_answers(lb["vip_address"]) == ["web1", "web2"], 10)
    assert len(ports(deployment)) == 2


def test_killed_between_a_new_certificate_and_its_row(deployment, web):
    deployment.start()
    lb = deployment.create(web.addresses)
    deployment.wait_active(lb["id"])
    deployment.stop()
    with contextlib.closing(sqlite3.connect(deployment.state_dir / "lictor.db")) as database, database:
        database.execute("UPDATE amphora SET cert_expiration = '2026-01-01 00:00:00.000000'")

    deployment.start(failpoint="certificate delivered", wait=False)
    assert died_there(deployment), "the fail point was not reached"

    deployment.start()
    eventually(lambda: certificate(deployment)["cert_expiration"] > "2026-01-02", 20, "it is written down")
    assert not certificate(deployment)["cert_busy"]
    deployment.call("PUT", f"/loadbalancers/{lb['id']}", {"loadbalancer": {"name": "renamed"}})
    deployment.wait_active(lb["id"])
    eventually(lambda: who_answers(lb["vip_address"]) == ["web1", "web2"], 10)
    assert len(amphorae()) == 1


def test_a_database_restored_from_a_copy_is_behind_its_amphorae_and_catches_up(deployment, web):
    deployment.start()
    lb = deployment.create(web.addresses[:1])
    for number in range(4):
        deployment.wait_active(lb["id"])
        deployment.call("PUT", f"/loadbalancers/{lb['id']}", {"loadbalancer": {"name": f"name {number}"}})
    deployment.wait_active(lb["id"])
    deployment.stop()
    with contextlib.closing(sqlite3.connect(deployment.state_dir / "lictor.db")) as database, database:
        database.execute("UPDATE load_balancer SET lease_epoch = 0, generation = 1, observed_generation = 0")

    deployment.start()
    pool = deployment.call("GET", "/pools")[0]["id"]
    member = {"address": web.addresses[1], "protocol_port": 80}
    deployment.call("POST", f"/pools/{pool}/members", {"member": member})
    deployment.wait_active(lb["id"])
    eventually(lambda: who_answers(lb["vip_address"]) == ["web1", "web2"], 10)
    failed = [each for each in deployment.call("GET", f"/loadbalancers/{lb['id']}/events") if each["kind"] == "failed"]
    assert len(failed) == 1 and "has applied a newer state" in failed[0]["message"], "once, then it knows"


def certificate(deployment):
    (amphora,) = deployment.request("GET", "/v2.0/octavia/amphorae")[1]["amphorae"]
    return amphora


def amphorae():
    return [name for name in world()["namespaces"] if name.startswith("lictor-")]
