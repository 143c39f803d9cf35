"""UDP through a load balancer: who gets which datagram, as clients and members see it."""

import collections
import contextlib
import os
import signal
import socket
import subprocess
import time

import pytest

from lictor.agent.udp.probes import sctp_missing
from tests.e2e.balancer import listener, pool
from tests.e2e.datagrams import Client, Inside, Member, ask
from tests.lab.deployment import eventually, http_get
from tests.lab.web import WebServers

SIX = "2001:2:0:0::/64"
CONFIG = f"""
[local_network]
further_subnets = {SIX}
[api_settings]
udp_connect_min_interval_health_monitor = 1
"""

ECHO, CHECKED = 53, 5353
"""Ports of the members: one that always answers, and one whose server comes and goes."""

ONE, OTHER = "198.18.2", "198.18.3"
SOURCES = [f"{net}.{host}" for net in (ONE, OTHER) for host in range(1, 21)]
MONITOR = {"type": "UDP-CONNECT", "delay": 1, "timeout": 1, "max_retries": 1, "max_retries_down": 1}
ALL = {"web1", "web2", "web3"}


@pytest.fixture(scope="module", autouse=True)
def members(servers):
    """A UDP server beside each web server, and addresses from which this host may ask."""
    found = [Member(server, ECHO) for server in servers.servers]
    for member in found:
        member.start()
    for source in SOURCES:
        subprocess.run(["ip", "address", "add", f"{source}/32", "dev", servers.bridge], check=True)
    yield found
    for member in found:
        member.stop()


@pytest.fixture
def checked(servers):
    """Members whose server may be stopped."""
    found = [Member(server, CHECKED) for server in servers.servers]
    for member in found:
        member.start()
    yield found
    for member in found:
        member.stop()


@pytest.fixture
def make(balancer, servers):
    """Makes a load balancer with one UDP listener."""

    def made(port=ECHO, limits=None, vip=None, **more):
        return balancer(listener(pool(servers.addresses, "UDP", port=port, **more), "UDP", ECHO, **(limits or {})))

    return made


@pytest.fixture
def clients():
    """Makes clients that keep their sockets until the end of the test."""
    with contextlib.ExitStack() as stack:

        def some(lb, number, **more):
            return [stack.enter_context(contextlib.closing(Client(lb.vip, ECHO, **more))) for _ in range(number)]

        yield some


def who(lb, number, **more):
    """How many of so many new connections each member answers."""
    return dict(collections.Counter(ask(lb.vip, ECHO, **more) for _ in range(number)))


def refused(lb):
    """Whether a client is told at once that nobody is there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        client.connect((lb.vip, ECHO))
        client.send(b"x")
        with contextlib.suppress(TimeoutError):
            try:
                client.recv(100)
            except ConnectionRefusedError:
                return True
        return False


# --- algorithms ---


def test_members_take_turns_by_weight(make):
    lb = make(members=[{"weight": 5}, {"weight": 3}, {"weight": 2}])
    assert who(lb, 200) == {"web1": 100, "web2": 60, "web3": 40}
    lb.member("m1", weight=256)
    lb.member("m2", weight=128)
    lb.member("m3", weight=0)
    assert who(lb, 90) == {"web1": 60, "web2": 30}


def test_whoever_has_the_fewest_connections_for_its_weight_gets_the_next(make, clients):
    lb = make(algorithm="LEAST_CONNECTIONS", members=[{"weight": 2}, {"weight": 0}, {"weight": 0}])
    assert {client.ask() for client in clients(lb, 30)} == {"web1"}
    lb.member("m2", weight=1)
    lb.member("m3", weight=1)
    time.sleep(1)  # what the agent is given to count connections
    late = [client.ask() for client in clients(lb, 26)]
    assert late.count("web1") <= 2
    assert abs(late.count("web2") - late.count("web3")) <= 3
    time.sleep(1)
    assert {client.ask() for client in clients(lb, 9)} == ALL, "now all have their share"


def test_a_source_stays_with_its_member_and_one_that_goes_moves_only_its_own(make):
    lb = make(algorithm="SOURCE_IP")
    first = {source: ask(lb.vip, ECHO, source) for source in SOURCES}
    assert set(first.values()) == ALL
    assert {source: ask(lb.vip, ECHO, source) for source in SOURCES} == first
    lb.member("m2", weight=0)
    after = {source: ask(lb.vip, ECHO, source) for source in SOURCES}
    assert {source: name for source, name in after.items() if first[source] != "web2"} == {
        source: name for source, name in first.items() if name != "web2"
    }
    assert set(after.values()) == {"web1", "web3"}


def test_a_source_port_is_what_decides_where_the_algorithm_says_so(make):
    lb = make(algorithm="SOURCE_IP_PORT")
    ports = range(10001, 10025)
    first = [ask(lb.vip, ECHO, source_port=port) for port in ports]
    assert set(first) == ALL
    Inside(lb.vip).run("conntrack -D -p udp")
    assert [ask(lb.vip, ECHO, source_port=port) for port in ports] == first


# --- persistence ---


def test_a_network_stays_with_its_member_until_it_was_silent_for_long_enough(make):
    wanted = {"type": "SOURCE_IP", "persistence_timeout": 2, "persistence_granularity": "255.255.255.0"}
    lb = make(session_persistence=wanted)
    first = ask(lb.vip, ECHO, f"{ONE}.1")
    assert {ask(lb.vip, ECHO, f"{ONE}.{host}") for host in range(1, 9)} == {first}
    other = ask(lb.vip, ECHO, f"{OTHER}.1")
    assert other != first, "it was the next one's turn"
    began = time.monotonic()
    while time.monotonic() - began < 3:
        assert ask(lb.vip, ECHO, f"{ONE}.7") == first, "each packet extends the time"
        time.sleep(0.3)
    assert ask(lb.vip, ECHO, f"{OTHER}.2") not in (None, other), "the time of this one was over"
    lb.member({"web1": "m1", "web2": "m2", "web3": "m3"}[first], weight=0)
    moved = {ask(lb.vip, ECHO, f"{ONE}.{host}") for host in range(1, 9)}
    assert len(moved) == 1
    assert first not in moved, "a member that drains gets no new connections of those that it had"
    lb.pool(session_persistence=None)
    assert len({ask(lb.vip, ECHO, f"{ONE}.9") for _ in range(4)}) == 2


# --- members that come and go ---


def test_a_member_that_drains_keeps_its_connections_and_gets_no_new_ones(make, clients):
    lb = make()
    living = clients(lb, 6)
    before = [client.ask() for client in living]
    lb.member("m1", weight=0)
    assert [client.ask() for client in living] == before
    assert who(lb, 20) == {"web2": 10, "web3": 10}
    lb.becomes(m1="NO-MONITOR".replace("-", "_"), pool="ONLINE")


def test_a_member_that_is_switched_off_or_removed_takes_its_connections_with_it(make, clients, deployment):
    lb = make()
    living = clients(lb, 6, seconds=0.3)
    before = [client.ask() for client in living]
    assert set(before) == ALL
    lb.member("m1", admin_state_up=False)
    eventually(lambda: {client.ask() for client in living} == {"web2", "web3"}, 5)
    after = [client.ask() for client in living]
    assert [name for name, old in zip(after, before, strict=True) if old != "web1"] == [
        old for old in before if old != "web1"
    ], "others' connections go on"
    lb.becomes(m1="OFFLINE", pool="ONLINE")
    place = f"/pools/{lb.ids('pools')[0]}/members"
    deployment.call("DELETE", f"{place}/{lb.member('m2')['id']}")
    lb.wait_active()
    eventually(lambda: {client.ask() for client in living} == {"web3"}, 5)
    assert who(lb, 5) == {"web3": 5}


def test_a_member_nobody_listens_at_gets_nothing_until_somebody_does(make, checked, clients):
    lb = make(CHECKED, healthmonitor=MONITOR)
    lb.becomes(m1="ONLINE", m2="ONLINE", m3="ONLINE", pool="ONLINE", lb="ONLINE", listener_53="ONLINE")
    living = clients(lb, 6, seconds=0.3)
    assert {client.ask() for client in living} == ALL
    checked[0].stop()
    eventually(lambda: {client.ask() for client in living} == {"web2", "web3"}, 10)
    lb.becomes(m1="ERROR", m2="ONLINE", pool="DEGRADED", lb="DEGRADED")
    assert who(lb, 10) == {"web2": 5, "web3": 5}
    checked[0].start()
    eventually(lambda: set(who(lb, 3)) == ALL, 10)
    lb.becomes(m1="ONLINE", pool="ONLINE", lb="ONLINE")
    lb.pool()
    for each in checked:
        each.stop()
    lb.becomes(pool="ERROR", lb="ERROR")
    eventually(lambda: refused(lb), 5)
    checked[2].start()
    eventually(lambda: set(who(lb, 2)) == {"web3"}, 10)


@pytest.mark.parametrize("kind", ["HTTP", "TCP"])
def test_a_member_can_be_checked_in_other_ways_at_another_port(make, web, kind):
    monitor = {"type": kind, "delay": 1, "timeout": 1, "max_retries": 1, "max_retries_down": 1}
    if kind == "HTTP":
        monitor |= {
            "url_path": "/healthy",
            "expected_codes": "200-204",
            "http_version": 1.1,
            "domain_name": "a.example",
        }
    lb = make(healthmonitor=monitor, members=[{"monitor_port": 80}] * 3)
    eventually(lambda: set(who(lb, 3)) == ALL)
    lb.becomes(m1="ONLINE", pool="ONLINE")
    if kind == "HTTP":
        web.servers[0].healthy(False)
    else:
        web.servers[0].stop()
    eventually(lambda: who(lb, 4) == {"web2": 2, "web3": 2})
    lb.becomes(m1="ERROR", pool="DEGRADED")
    if kind == "HTTP":
        web.servers[0].healthy()
        eventually(lambda: set(who(lb, 3)) == ALL)


def test_backup_members_serve_only_when_no_other_can(make):
    lb = make(members=[{}, {}, {"backup": True}])
    assert who(lb, 10) == {"web1": 5, "web2": 5}
    lb.member("m1", admin_state_up=False)
    assert who(lb, 4) == {"web2": 4}
    lb.member("m2", weight=0)
    assert who(lb, 4) == {"web3": 4}


# --- listeners ---


def test_tcp_and_udp_share_a_port_number(balancer, servers):
    lb = balancer(
        listener(pool(servers.addresses[:1], name="web"), "HTTP", ECHO),
        listener(pool(servers.addresses[1:2], "UDP", port=ECHO, name="udp"), "UDP", ECHO),
    )
    assert who(lb, 4) == {"web2": 4}
    with contextlib.closing(Client(lb.vip, ECHO)) as client:
        assert client.ask(60000) == "web2", "in many fragments"
    assert http_get(lb.vip, ECHO) == (200, "web1\n")
    tracked = Inside(lb.vip).tracked()
    assert ("udp" in tracked, "tcp" in tracked) == (True, False), "the kernel's table is for datagrams alone"
    (datagrams,) = [each for each in lb.ids("listeners") if lb_protocol(lb, each) == "UDP"]
    lb.change_listener(datagrams, admin_state_up=False)
    assert refused(lb)
    assert http_get(lb.vip, ECHO) == (200, "web1\n")


def lb_protocol(lb, listener_id):
    return lb.change_listener(listener_id)["protocol"]


def test_no_more_connections_than_the_limit(make, clients):
    lb = make(limits={"connection_limit": 5, "timeout_client_data": 3000})
    served = clients(lb, 5)
    assert None not in [client.ask() for client in served]
    assert [client.ask() for client in clients(lb, 3, seconds=0.2)] == [None] * 3
    assert None not in [client.ask() for client in served]
    lb.becomes(listener_53="DEGRADED", lb="DEGRADED")
    time.sleep(4)
    assert None not in [client.ask() for client in clients(lb, 5)], "those that were silent for so long are over"
    assert ask(lb.vip, ECHO, seconds=0.2) is None
    lb.listener(connection_limit=100)
    assert None not in [client.ask() for client in clients(lb, 3)]
    lb.becomes(listener_53="ONLINE", lb="ONLINE")


def test_only_the_allowed_may_ask_and_who_is_refused_is_counted(balancer, servers):
    cidrs = {"allowed_cidrs": [f"{ONE}.0/24"]}
    lb = balancer(
        listener(pool(servers.addresses, "UDP", port=ECHO, name="udp"), "UDP", ECHO, **cidrs),
        listener(pool(servers.addresses, name="web"), "HTTP", ECHO, **cidrs),
    )
    listeners = {lb_protocol(lb, each): each for each in lb.ids("listeners")}
    inside = Inside(lb.vip)

    def may(source):
        datagram = ask(lb.vip, ECHO, source, seconds=0.3) is not None
        try:
            with socket.create_connection((lb.vip, ECHO), 0.3, (source, 0)):
                return datagram, True
        except OSError:
            return datagram, False

    assert (may(f"{ONE}.1"), may(f"{OTHER}.1")) == ((True, True), (False, False))
    counted = {protocol: inside.refused(each) for protocol, each in listeners.items()}
    assert counted["UDP"] == 1
    assert counted["HTTP"] >= 1
    lb.change_listener(listeners["UDP"], allowed_cidrs=[f"{OTHER}.0/24"])
    assert (may(f"{ONE}.1"), may(f"{OTHER}.1")) == ((False, True), (True, False))
    assert inside.refused(listeners["UDP"]) == 2, "counters outlive a change"
    assert inside.refused(listeners["HTTP"]) > counted["HTTP"]
    lb.change_listener(listeners["UDP"], allowed_cidrs=None)
    assert (may(f"{ONE}.1"), may(f"{OTHER}.1")) == ((True, True), (True, False))


# --- IPv6 ---


@pytest.fixture
def six(deployment):
    """Two members that have IPv6 only, and whose servers may be stopped."""
    with WebServers(deployment.state_dir, ["six1", "six2"], cidr=SIX, first=32) as web:
        found = [Member(server, CHECKED) for server in web.servers]
        for member in found:
            member.start()
        yield found
        for member in found:
            member.stop()


def test_each_vip_has_the_members_of_its_own_ip_version(deployment, balancer, servers, six, clients):
    subnets = {each["name"]: each["id"] for each in deployment.request("GET", "/v2.0/subnets")[1]["subnets"]}
    sticky = {"type": "SOURCE_IP", "persistence_granularity": "ffff:ffff:ffff:ffff::"}
    both = pool(
        [*servers.addresses[:2], *(member.address for member in six)],
        "UDP",
        port=CHECKED,
        members=[{"protocol_port": ECHO, "monitor_port": ECHO}] * 2 + [{}] * 2,
        healthmonitor=MONITOR,
    )
    lb = balancer(
        listener(both, "UDP", ECHO),
        vip_subnet_id=subnets["private-subnet-2"],
        additional_vips=[{"subnet_id": subnets["private-subnet"]}],
    )
    (four,) = [vip["ip_address"] for vip in lb.itself()["additional_vips"]]
    lb.becomes(m1="ONLINE", m3="ONLINE", m4="ONLINE", pool="ONLINE")
    assert [ask(four, ECHO) for _ in range(4)].count("web1") == 2
    assert who(lb, 6) == {"six1": 3, "six2": 3}
    (living,) = clients(lb, 1, seconds=0.3)
    lost = living.ask()
    gone = six[0] if lost == "six1" else six[1]
    gone.stop()
    eventually(lambda: living.ask() not in (None, lost), 10)
    lb.becomes(pool="DEGRADED", **{"m3" if lost == "six1" else "m4": "ERROR"})
    gone.start()
    eventually(lambda: set(who(lb, 2)) == {"six1", "six2"}, 10)
    lb.pool(session_persistence=sticky)
    assert len(who(lb, 4)) == 1
    listener_id = lb.ids("listeners")[0]
    lb.change_listener(listener_id, allowed_cidrs=["2001:2::/64"])
    assert ask(lb.vip, ECHO) is not None
    assert ask(four, ECHO, seconds=0.2) is None, "nobody of its version is allowed"
    lb.change_listener(listener_id, allowed_cidrs=["2001:db8::/64"])
    assert ask(lb.vip, ECHO, seconds=0.2) is None
    assert Inside(lb.vip).refused(listener_id) == 2


def test_a_member_that_no_vip_can_reach_is_refused_with_a_sentence(make, deployment):
    lb = make()
    member = {"address": "2001:2::33", "protocol_port": 53}
    status, answer = deployment.request("POST", f"/v2.0/lbaas/pools/{lb.ids('pools')[0]}/members", {"member": member})
    assert status == 400
    assert "2001:2::33 is of another IP version than the load balancer's VIP" in answer["faultstring"]


def test_sctp_is_refused_with_a_sentence_where_the_kernel_has_none(make, deployment):
    body = {"loadbalancer_id": make().id, "protocol": "SCTP", "protocol_port": 7}
    status, answer = deployment.request("POST", "/v2.0/lbaas/listeners", {"listener": body})
    if sctp_missing():
        assert (status, "the kernel of this host has no SCTP" in answer["faultstring"]) == (501, True)
    else:
        assert status == 201


# --- figures ---


def test_figures_count_what_clients_did_whatever_happens_in_between(make, clients, deployment):
    lb = make()
    path = f"/listeners/{lb.ids('listeners')[0]}/stats"

    def figures(**wanted):
        seen = deployment.call("GET", path)
        assert {name: seen[name] for name in wanted} == wanted
        return seen

    asking = clients(lb, 10)
    assert None not in [client.ask() for client in asking]
    eventually(lambda: figures(total_connections=10, active_connections=10))
    first = figures()
    assert first["bytes_in"] == 10 * (28 + len("question 1"))
    assert first["bytes_out"] == 10 * (28 + len("web1 question 1"))
    lb.member("m1", weight=2)
    assert None not in [client.ask() for client in asking]
    os.kill(Inside(lb.vip).agent(), signal.SIGKILL)
    assert None not in [client.ask() for client in asking], "the kernel goes on without the agent"
    lb.listener(admin_state_up=False)
    eventually(lambda: refused(lb), 5)
    assert [client.ask() for client in asking[:2]] == [None, None]
    lb.listener(admin_state_up=True)
    assert None not in [client.ask() for client in asking[:5]], "who went on asking is served again"
    eventually(lambda: figures(total_connections=15, active_connections=5))
    assert figures()["bytes_in"] == 35 * (28 + len("question 1"))
