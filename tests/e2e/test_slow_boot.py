"""Amphorae whose agents begin late, as those of machines do: neither condemned nor waited for, and found at once."""

import contextlib
import subprocess

import pytest

from tests.e2e.balancer import Balancer, listener, pool
from tests.e2e.test_failover import kinds
from tests.e2e.test_replacement import pairs
from tests.lab.amphorae import amphorae
from tests.lab.deployment import eventually, who_answers

__all__ = ["pairs"]

CONFIG = """
[controller_worker]
workers = 1
amp_active_wait_sec = 2
retry_interval = 5
[haproxy_amphora]
connection_timeout = 25
rest_request_conn_timeout = 5
"""
TOLERANCE = 3.0
"""Seconds in which an agent that answers is found, with room for a busy machine. The back-off would be 5."""


@contextlib.contextmanager
def unborn(but, verdict):
    """No agent can be reached, as if it had not begun yet, but those of these addresses."""
    hook = "type filter hook output priority 0;"
    rule = f"ip daddr != {{ {', '.join(but)} }} tcp dport 9443 {verdict}"
    table = f"table inet unborn {{ chain output {{\n{hook}\n{rule}\n}}\n}}\n"
    subprocess.run(["nft", "-f", "-"], input=table, text=True, check=True)
    try:
        yield
    finally:
        subprocess.run(["nft", "delete", "table", "inet", "unborn"], check=True)


@pytest.fixture(scope="module")
def other(deployment, servers):
    """A load balancer whose amphora runs."""
    return Balancer(deployment, "other", [listener(pool(servers.addresses[:1]))], {}).wait_active()


def events(deployment, lb):
    return deployment.call("GET", f"/loadbalancers/{lb.id}/events")


def addresses(deployment, lb):
    found = deployment.request("GET", f"/v2.0/octavia/amphorae?loadbalancer_id={lb.id}")[1]["amphorae"]
    return [each["lb_network_ip"] for each in found]


@pytest.mark.parametrize("verdict", ["drop", "reject with tcp reset"])
def test_an_agent_that_begins_late_is_found_at_once_and_keeps_nobody_waiting(deployment, web, other, verdict):
    with unborn(addresses(deployment, other), verdict):
        late = Balancer(deployment, "late", [listener(pool(web.addresses[:1]))], {})
        (before,) = eventually(lambda: amphorae(deployment, late), 10, "its amphora")
        eventually(lambda: "slow_boot" in kinds(deployment, late), 20, "users are told that it takes long")
        deployment.call("PUT", f"/loadbalancers/{other.id}", {"loadbalancer": {"description": verdict}})
        deployment.wait_active(other.id, TOLERANCE)
        (told,) = [each for each in events(deployment, late) if each["kind"] == "slow_boot"]
        assert f"Amphora {before.id} still boots" in told["message"] and "no failure" in told["message"]
        assert deployment.call("GET", f"/loadbalancers/{late.id}")["provisioning_status"] == "PENDING_CREATE"
    deployment.wait_active(late.id, TOLERANCE)
    assert [each.id for each in amphorae(deployment, late)] == [before.id]
    assert "failed" not in kinds(deployment, late) and "created" in kinds(deployment, late)
    assert who_answers(late.vip) == ["web1"]


def test_an_agent_that_never_begins_is_a_failure_and_another_amphora_is_made(deployment, web, other):
    with unborn(addresses(deployment, other), "drop"):
        dead = Balancer(deployment, "dead", [listener(pool(web.addresses[:1]))], {})
        (before,) = eventually(lambda: amphorae(deployment, dead), 10, "its amphora")
        eventually(lambda: "failed" in kinds(deployment, dead), 60, "it failed")
        (told,) = [each for each in events(deployment, dead) if each["kind"] == "failed"]
        assert f"Amphora {before.id} has not answered within 25 s of its start" in told["message"]
        assert deployment.call("GET", f"/loadbalancers/{dead.id}")["provisioning_status"] == "ERROR"
        eventually(lambda: before.id not in {each.id for each in amphorae(deployment, dead)}, 20, "another one")
    deployment.wait_active(dead.id, 20)
    assert who_answers(dead.vip) == ["web1"]


def test_a_pairs_other_amphora_is_told_of_changes_while_one_boots(deployment, web, pairs):
    lb = Balancer(deployment, "pair", [listener(pool(web.addresses[:1]))], pairs).wait_active()
    one, two = amphorae(deployment, lb)
    ips = {each["id"]: each["lb_network_ip"] for each in
           deployment.request("GET", f"/v2.0/octavia/amphorae?loadbalancer_id={lb.id}")[1]["amphorae"]}  # fmt: skip
    with unborn([ips[one.id]], "drop"):
        two.die()
        eventually(lambda: "amphora_booted" in kinds(deployment, lb)[:3], 30, "it is started anew")
        members = f"/pools/{lb.ids('pools')[0]}/members"
        body = {"member": {"address": web.addresses[1], "protocol_port": 80}}
        deployment.call("POST", members, body)
        eventually(lambda: who_answers(lb.vip) == ["web1", "web2"], 10, "the change serves")
    deployment.wait_active(lb.id, TOLERANCE + 5)
