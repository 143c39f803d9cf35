"""Two amphorae that share the VIPs of a load balancer: whatever becomes of one of them, the traffic goes on."""

import contextlib
import os
import signal
import subprocess
import time

import pytest

from tests.e2e.balancer import Balancer, listener, pool
from tests.e2e.datagrams import Member, ask
from tests.lab.amphorae import Watch, amphorae, carrier
from tests.lab.deployment import eventually, http_get
from tests.lab.metronome import Metronome

SIX = "2001:2:0:0::/64"
CONFIG = f"""
[controller_worker]
loadbalancer_topology = ACTIVE_STANDBY
[local_network]
further_subnets = {SIX}
"""
LONGEST = 3.0
"""Seconds: far more than any take-over takes, far less than a replacement."""

UDP = 53


@pytest.fixture(scope="module", autouse=True)
def members(servers):
    found = [Member(server, UDP) for server in servers.servers]
    for member in found:
        member.start()
    yield found
    for member in found:
        member.stop()


@pytest.fixture(scope="module")
def six(deployment):
    """The id of the subnet of IPv6."""
    found = deployment.request("GET", "/v2.0/subnets")[1]["subnets"]
    return next(each["id"] for each in found if each["cidr"].startswith("2001:2:"))


@pytest.fixture(scope="module")
def lb(deployment, servers, six):
    """One for all tests: HTTP that sticks to a member, HTTP that does not, and UDP; a VIP of each family."""
    listeners = [
        listener(pool(servers.addresses)),
        listener(pool(servers.addresses, session_persistence={"type": "SOURCE_IP"}) | {"name": "sticky"}, port=81),
        listener(pool(servers.addresses, protocol="UDP", port=UDP) | {"name": "udp"}, protocol="UDP", port=UDP),
    ]
    made = Balancer(deployment, "pair", listeners, {"additional_vips": [{"subnet_id": six}]})
    made.wait_active()
    yield made
    made.delete()


@contextlib.contextmanager
def disturbed(deployment, lb):
    """Clients and a watch all the while; afterwards one of two has the VIP, and the traffic never stopped for long."""
    found = amphorae(deployment, lb)
    with Watch.of(found) as watch, Metronome(lb.vip) as client:
        yield client
        time.sleep(0.5)
    print(client.result)
    assert client.result.gap < LONGEST, client.result
    assert watch.looks > 3
    assert watch.both == 0, "two had the VIP at a time"


def taken_over(deployment, lb, before):
    eventually(lambda: carrier(deployment, lb)[0].id != before.id, 10, "the other amphora has the VIP")


def healed(deployment, lb):
    """Both of them serve again."""
    lb.wait_active()

    def whole():
        found = amphorae(deployment, lb)
        running = [len(each.pids(word)) > 1 for each in found for word in ("haproxy.pid", "keepalived.pid")]
        assert (running, [each.status for each in found]) == ([True] * 4, ["ALLOCATED"] * 2)
        return True

    eventually(whole, 15, "two amphorae run haproxy and keepalived")
    carrier(deployment, lb)


def test_two_amphorae_serve_and_one_of_them_has_the_vips(deployment, lb):
    assert set(lb.answers()) == {"web1", "web2", "web3"}
    assert [each.role for each in amphorae(deployment, lb)] == ["MASTER", "BACKUP"]
    active, standby = carrier(deployment, lb)
    six = lb.itself()["additional_vips"][0]["ip_address"]
    assert {lb.vip, six} <= active.addresses()
    assert not {lb.vip, six} & standby.addresses()
    lb.becomes(lb="ONLINE", m1="NO_MONITOR")


def test_when_haproxy_dies_the_other_amphora_has_all_vips_and_what_stuck_still_sticks(deployment, lb):
    before, _ = carrier(deployment, lb)
    six = lb.itself()["additional_vips"][0]["ip_address"]
    sticks = {http_get(lb.vip, 81)[1] for _ in range(6)}
    assert len(sticks) == 1
    with disturbed(deployment, lb):
        before.kill("haproxy.pid")
        taken_over(deployment, lb, before)
        assert {http_get(lb.vip, 81)[1] for _ in range(6)} == sticks
        assert http_get(six)[0] == 200
        assert carrier(deployment, lb, six)[0].id != before.id
        eventually(lambda: ask(lb.vip, UDP, seconds=0.3), 5, "UDP is answered")
    healed(deployment, lb)
    assert not before.carries(), "nobody takes the VIP from the one that has it"


def test_when_haproxy_hangs_the_other_amphora_has_the_vips(deployment, lb):
    before, _ = carrier(deployment, lb)
    hanging = before.pids("haproxy.pid")
    with disturbed(deployment, lb):
        for pid in hanging:
            os.kill(pid, signal.SIGSTOP)
        taken_over(deployment, lb, before)
        eventually(lambda: not set(hanging) & set(before.pids("haproxy.pid")), 10, "they are ended")
    healed(deployment, lb)


def test_when_keepalived_dies_no_vip_stays_behind(deployment, lb):
    before, _ = carrier(deployment, lb)
    with disturbed(deployment, lb):
        os.kill(before.pids("keepalived")[-1], signal.SIGKILL)  # the process that speaks VRRP
        taken_over(deployment, lb, before)
    healed(deployment, lb)
    active, _ = carrier(deployment, lb)
    with disturbed(deployment, lb):
        active.kill("keepalived")
        taken_over(deployment, lb, active)
    healed(deployment, lb)


def test_when_keepalived_hangs_no_vip_stays_behind_and_the_one_that_waits_can_take_over(deployment, lb):
    before, standby = carrier(deployment, lb)
    for each, seconds in ((standby, 20), (before, 10)):
        hanging = each.pids("keepalived")[-1]  # the process that speaks VRRP
        with Metronome(lb.vip) as client:
            os.kill(hanging, signal.SIGSTOP)
            eventually(lambda each=each, pid=hanging: pid not in each.pids("keepalived"), seconds, "it is ended")
        assert client.result.gap < LONGEST, client.result
        healed(deployment, lb)
    assert carrier(deployment, lb)[0].id == standby.id


def test_agents_may_die_and_come_back(deployment, lb):
    active, standby = carrier(deployment, lb)
    before = {each.id: each.pids("keepalived") for each in (active, standby)}
    with disturbed(deployment, lb) as client:
        for each in (active, standby):
            (old, *_) = each.pids("lictor.agent")
            each.kill("lictor.agent")
            eventually(lambda each=each, old=old: set(each.pids("lictor.agent")) - {old}, 10, "another agent")
    assert client.result.lost == 0, client.result
    assert {each.id: each.pids("keepalived") for each in (active, standby)} == before
    assert carrier(deployment, lb)[0].id == active.id


def test_changes_reach_both_and_disturb_nobody(deployment, lb):
    before, _ = carrier(deployment, lb)
    with disturbed(deployment, lb) as client:
        lb.pool(lb_algorithm="LEAST_CONNECTIONS")
        lb.itself(name="renamed")
    assert client.result.lost == 0, client.result
    assert carrier(deployment, lb)[0].id == before.id


def test_whoever_is_not_the_other_amphora_is_not_heard(deployment, lb, servers):
    """A third host that speaks VRRP with the highest priority, and connects to the peers' port."""
    active, standby = carrier(deployment, lb)
    stranger = servers.servers[0].namespace
    packets = active.refused("strange_vrrp")
    program = VRRP.format(source=servers.servers[0].address, to=active.address, vip=lb.vip)
    subprocess.run(["ip", "netns", "exec", stranger, "python3", "-c", program], check=True)
    eventually(lambda: active.refused("strange_vrrp") > packets, 5, "the packets came, and were refused")
    time.sleep(0.3)
    assert active.carries()
    assert not standby.carries()
    connect = f"import socket; socket.create_connection(({active.address!r}, 1025), 0.5)"
    tried = subprocess.run(["ip", "netns", "exec", stranger, "python3", "-c", connect], capture_output=True, text=True)
    assert "TimeoutError" in tried.stderr
    assert active.refused("strange_peers") > 0


VRRP = """
import socket, struct
vip, source, to = (socket.inet_aton(each) for each in ("{vip}", "{source}", "{to}"))
body = struct.pack("!BBBBHH", 0x31, 1, 255, 1, 10, 0) + vip
data = source + to + struct.pack("!BBH", 0, 112, len(body)) + body
total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
while total >> 16:
    total = (total & 0xFFFF) + (total >> 16)
body = body[:6] + struct.pack("!H", ~total & 0xFFFF) + body[8:]
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
raw.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
for _ in range(20):
    raw.sendto(body, ("{to}", 0))
"""


def test_a_network_that_is_cut_and_comes_back_leaves_one_of_two_with_the_vip(deployment, lb):
    before, standby = carrier(deployment, lb)
    with Metronome(lb.vip) as client:
        before.cut()
        eventually(standby.carries, 10, "the other amphora has the VIP")
        time.sleep(0.3)
        before.join()
        eventually(lambda: before.carries() != standby.carries(), 10, "one of them has the VIP")
        time.sleep(2.5)
        assert before.carries() != standby.carries()
    print(client.result)
    assert client.result.gap < 2, f"neighbours still speak to the wrong one: {client.result}"
    healed(deployment, lb)


def test_amphorae_that_are_gone_one_after_the_other_are_missed_for_a_moment_and_made_again(deployment, lb):
    for _ in range(2):
        before, other = carrier(deployment, lb)
        with disturbed(deployment, lb):
            before.die()
            eventually(other.carries, 10, "the other one has the VIP")
        assert http_get(lb.vip)[0] == 200
        healed(deployment, lb)


def test_a_fail_over_of_a_healthy_pair_replaces_both_one_after_the_other(deployment, lb):
    before = {each.id for each in amphorae(deployment, lb)}
    with Metronome(lb.vip) as client:
        status, answer = deployment.request("PUT", f"/v2.0/lbaas/loadbalancers/{lb.id}/failover")
        assert status == 202, answer
        eventually(lambda: not before & {each.id for each in amphorae(deployment, lb)}, 60, "both are other ones")
        healed(deployment, lb)
    print(client.result)
    assert client.result.gap < LONGEST, client.result


def test_a_vip_of_ipv6_is_shared_as_well_and_both_go_with_the_load_balancer(deployment, balancer, web, six):
    lb = balancer(listener(pool(web.addresses[:1])), vip_subnet_id=six)
    before, _ = carrier(deployment, lb)
    assert ":" in lb.vip
    with Metronome(lb.vip) as client:
        before.kill("haproxy.pid")
        taken_over(deployment, lb, before)
    assert client.result.gap < LONGEST, client.result
    found = amphorae(deployment, lb)
    lb.delete()
    assert [each.pid for each in found] == [0, 0]
