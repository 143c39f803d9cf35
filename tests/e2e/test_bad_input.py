"""Bad input: one clear sentence, the right status, and nothing changes."""

import base64
import contextlib
import http.client
import sqlite3

import pytest

from tests.e2e.balancer import listener, pool
from tests.lab.deployment import PORT, Refused, world


def dump(deployment):
    """Everything the database holds, but for what heartbeats, leases and time change."""
    with contextlib.closing(sqlite3.connect(f"file:{deployment.state_dir}/lictor.db?mode=ro", uri=True)) as database:
        lines = list(database.iterdump())
    volatile = ("amphora_health", "listener_statistics", "event")
    return [line for line in lines if not any(f'INTO "{table}"' in line for table in volatile)]


def send(deployment, method, path, body, content_type="application/json"):
    who = deployment.credentials()
    token = base64.b64encode(f"{who['OS_USERNAME']}:{who['OS_PASSWORD']}".encode()).decode()
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    with contextlib.closing(connection):
        headers = {"Authorization": f"Basic {token}", "Content-Type": content_type}
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request(method, f"/v2.0/lbaas{path}", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@pytest.fixture
def unchanged(deployment, balancer, web):
    """A load balancer that nothing in the test may change."""
    lb = balancer(listener(pool(web.addresses[:1])))
    lb.served_by("web1")
    lb.becomes(m1="NO_MONITOR", pool="ONLINE", listener_80="ONLINE", lb="ONLINE")
    before, there = dump(deployment), world()
    yield lb
    assert dump(deployment) == before
    assert world() == there


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "JSON"),
        (b"{", 400, "Request is not in valid JSON format"),
        (b"[]", 400, "loadbalancer"),
        (b"{}", 400, "loadbalancer"),
        (b'{"loadbalancer": []}', 400, "loadbalancer"),
        (b'{"loadbalancer": {}}', 400, "VIP must contain one of"),
        (b'{"loadbalancer": {"vip_subnet_id": 7}}', 400, "vip_subnet_id"),
        (b'{"loadbalancer": {"vip_subnet_id": "x", "nonsense": 1}}', 400, "nonsense"),
        (b"\xff\xfe", 400, "JSON"),
        (b" " * (100 * 2**20), 413, "8388608"),
    ],
)
def test_bodies_that_make_no_sense(deployment, unchanged, body, status, words):
    got, text = send(deployment, "POST", "/loadbalancers", body)
    assert got == status, text
    assert "faultstring" in text and words in text


@pytest.mark.parametrize(
    ("vip", "status", "words"),
    [
        ({"vip_address": "203.0.113.9"}, 400, "203.0.113.9"),
        ({"vip_address": "198.18.0.1"}, 400, "198.18.0.1"),
        ({"vip_address": "198.18.0.0"}, 400, "198.18.0.0"),
        ({"vip_subnet_id": "6f1ed0a2-1111-2222-3333-444455556666"}, 400, "6f1ed0a2-1111-2222-3333-444455556666"),
    ],
)
def test_vips_that_cannot_be(deployment, unchanged, vip, status, words):
    body = {"vip_subnet_id": deployment.subnet(), **vip}
    with pytest.raises(Refused) as refused:
        deployment.call("POST", "/loadbalancers", {"loadbalancer": body})
    assert refused.value.status == status
    assert words in refused.value.body["faultstring"]


def test_a_vip_that_is_taken(deployment, unchanged):
    body = {"vip_subnet_id": deployment.subnet(), "vip_address": unchanged.vip}
    with pytest.raises(Refused) as refused:
        deployment.call("POST", "/loadbalancers", {"loadbalancer": body})
    assert refused.value.status == 409
    assert unchanged.vip in refused.value.body["faultstring"]


def test_a_member_that_is_the_vip(deployment, unchanged):
    member = {"address": unchanged.vip, "protocol_port": 80}
    with pytest.raises(Refused) as refused:
        deployment.call("POST", f"/pools/{unchanged.ids('pools')[0]}/members", {"member": member})
    assert refused.value.status == 400
    assert unchanged.vip in refused.value.body["faultstring"]


def test_an_unknown_subnet_name_stops_the_stock_client(deployment, openstack, unchanged):
    assert "no-such-subnet" in openstack.refused("create --name x --vip-subnet-id no-such-subnet")
