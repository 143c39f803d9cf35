"""Certificates of agents under traffic: renewed in time, of another authority, and run out while nobody was there."""

import socket
import subprocess
import time

import pytest
from cryptography import x509

from lictor.amphora.pki import Authority
from tests.e2e.balancer import listener, pool
from tests.e2e.test_failover import Client, amphorae
from tests.lab.deployment import eventually, processes
from tests.lab.heartbeats import Heartbeats

BEAT = 2
"""Seconds between heartbeats."""

LIFE = 14
"""Seconds that a certificate is good for; it is renewed when a third is left."""

CONFIG = f"""
[certificates]
cert_validity_time = {LIFE}
[house_keeping]
cert_interval = 0.5
[controller_worker]
retry_interval = 0.2
[health_manager]
heartbeat_interval = {BEAT}
"""


@pytest.fixture(scope="module")
def authority(deployment):
    return Authority.open(deployment.state_dir / "pki")


@pytest.fixture
def lb(balancer, web):
    return balancer(listener(pool(web.addresses[:1])))


def one(deployment, lb):
    (amphora,) = amphorae(deployment, lb)
    return amphora


def shown(authority, amphora):
    """The certificate that the agent shows to a new connection; it must be one that the control plane accepts."""
    with (
        socket.create_connection((amphora["lb_network_ip"], 9443), 5) as raw,
        authority.client_context().wrap_socket(raw, server_hostname=amphora["id"]) as tls,
    ):
        return x509.load_der_x509_certificate(tls.getpeercert(binary_form=True))


def haproxies():
    return sorted(pid for pid, name in processes() if name == "haproxy")


def kinds(deployment, lb):
    return [event["kind"] for event in deployment.call("GET", f"/loadbalancers/{lb.id}/events")]


def ca(deployment, *words):
    command = [*deployment.command("ca", *words), "--config-file", str(deployment.config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def test_certificates_and_authorities_change_and_traffic_does_not_notice(deployment, lb, authority):
    before, first, pids = one(deployment, lb), shown(authority, one(deployment, lb)), haproxies()
    with Client.of(lb.vip) as client, Heartbeats() as beats:
        eventually(lambda: shown(authority, before) != first, LIFE + 5, "another certificate")
        assert shown(authority, before).not_valid_after_utc > first.not_valid_after_utc
        old = authority.ring.names
        said = ca(deployment, "roll", "--wait")
        assert "settled: every amphora trusts it alone" in said
        assert authority.ring.names != old
        assert authority.ring.names[0] in shown(authority, before).issuer.rfc4514_string()
    assert client.bad == []
    assert beats.looks > 10 and beats.lag < 2 * BEAT, f"a heartbeat was dropped: {beats.lag} s without one"
    after = one(deployment, lb)
    assert (after["id"], after["cert_busy"]) == (before["id"], False)
    assert after["cert_expiration"] > before["cert_expiration"]
    assert haproxies() == pids, "no reload, and no other amphora"
    assert {"certificate_rotated"} < set(kinds(deployment, lb))
    assert "failed" not in kinds(deployment, lb)
    assert lb.itself()["provisioning_status"] == "ACTIVE"


def test_an_amphora_whose_certificate_ran_out_meanwhile_serves_until_another_takes_its_place(deployment, lb):
    before = one(deployment, lb)
    deployment.kill()
    with Client.of(lb.vip) as client:
        time.sleep(LIFE + 1)
        assert client.bad == [], "traffic needs no certificate of an agent's"
        deployment.start()
        eventually(lambda: before["id"] not in [each["id"] for each in amphorae(deployment, lb)], 30, "it is gone")
        lb.wait_active()
        good = client.good
        eventually(lambda: client.good > good + 20, 20, "answers")
    assert {"amphora_condemned", "failover_started", "amphora_replaced"} <= set(kinds(deployment, lb))
    print(f"{client.good} good, {len(client.bad)} bad: {client.bad[:5]}")
