"""IPv4 and IPv6, in front and behind; additional VIPs; members on further subnets and networks."""

import contextlib
import subprocess

import pytest

from tests.e2e.balancer import HTTP_MONITOR, listener, pool
from tests.lab.deployment import eventually, http_get
from tests.lab.proxied import serving
from tests.lab.web import WebServers

SIX, SECOND, ELSEWHERE = "2001:2:0:0::/64", "198.18.64.0/24", "198.18.65.0/24"
CONFIG = f"[local_network]\nfurther_subnets = {SIX}, {SECOND}\nfurther_networks = {ELSEWHERE}\n"


@pytest.fixture(scope="module")
def places(deployment):
    """The ids of the subnets by their names."""
    found = deployment.request("GET", "/v2.0/subnets")[1]["subnets"]
    return {subnet["name"]: subnet["id"] for subnet in found}


@pytest.fixture(scope="module")
def servers(deployment):
    """One web server on each subnet, by what it is called."""
    kinds = {
        "four": {"first": 16},
        "six": {"cidr": SIX, "first": 17},
        "second": {"cidr": SECOND, "first": 18},
        "elsewhere": {"cidr": ELSEWHERE, "first": 19, "network": "2"},
    }
    with contextlib.ExitStack() as stack:
        made = {name: WebServers(deployment.state_dir, [name], **kind) for name, kind in kinds.items()}
        for each in made.values():
            stack.enter_context(each)
        yield {name: each.servers[0] for name, each in made.items()}


@pytest.fixture
def addresses(servers):
    return {name: server.address for name, server in servers.items()}


def answers(vip, port=80, count=6):
    return {http_get(vip, port)[1].strip() for _ in range(count)}


WHERE = ("ip", "netns", "identify")


def output(*command):
    """The words that a command prints."""
    return subprocess.check_output(command, text=True).split()


def amphora(deployment, lb):
    """The name of the outer namespace of a load balancer's only amphora."""
    found = deployment.request("GET", f"/v2.0/octavia/amphorae?loadbalancer_id={lb.id}")[1]["amphorae"]
    assert len(found) == 1
    return found[0]["compute_id"]


def links(deployment, lb):
    """The names of the NICs in the inner namespace of its amphora."""
    own = {pid for pid in output("pgrep", "-f", "lictor.agent.main") if amphora(deployment, lb) in output(*WHERE, pid)}
    inside = ["nsenter", "-t", own.pop(), "-m", "ip", "-n", "amphora-haproxy", "-br", "link", "show", "type", "veth"]
    return {word.split("@")[0] for word in output(*inside) if word.startswith("eth")}


def test_an_ipv6_vip_reaches_members_of_both_families(deployment, balancer, addresses, places):
    monitored = pool([addresses["four"], addresses["six"]], healthmonitor=HTTP_MONITOR)
    lb = balancer(listener(monitored), vip_subnet_id=places["private-subnet-2"])
    assert lb.vip.startswith("2001:2:")
    lb.becomes(m1="ONLINE", m2="ONLINE")
    assert answers(lb.vip) == {"four", "six"}


def test_members_are_told_of_ipv6_clients_by_the_proxy_protocol(balancer, servers, places):
    addresses = [servers["four"].address]
    kinds = ("PROXY", "PROXYV2")
    with serving(servers["four"]):
        lb = balancer(
            *(listener(pool(addresses, kind, port=8081, name=kind), port=port) for port, kind in enumerate(kinds, 81)),
            vip_subnet_id=places["private-subnet-2"],
        )
        assert [http_get(lb.vip, port)[1] for port in (81, 82)] == [f"v{n} TCP6 2001:2::1 {lb.vip}" for n in (1, 2)]


def test_an_ipv4_vip_reaches_members_of_both_families(balancer, addresses):
    lb = balancer(listener(pool([addresses["four"], addresses["six"]], healthmonitor=HTTP_MONITOR)))
    lb.becomes(m1="ONLINE", m2="ONLINE")
    assert answers(lb.vip) == {"four", "six"}


def test_additional_vips_answer_as_the_first_one_does(deployment, balancer, addresses, places):
    more = [{"subnet_id": places["private-subnet-2"], "ip_address": "2001:2::4000:1"},
            {"subnet_id": places["private-subnet-3"]}]  # fmt: skip
    lb = balancer(
        listener(pool([addresses["four"]])),
        listener(pool([addresses["six"]], name="other"), port=81),
        additional_vips=more,
    )
    vips = [lb.vip, *(vip["ip_address"] for vip in lb.itself()["additional_vips"])]
    assert vips[1] == "2001:2::4000:1" and vips[2].startswith("198.18.64.")
    for vip in vips:
        assert answers(vip) == {"four"}
        assert answers(vip, 81) == {"six"}
    first = amphora(deployment, lb)
    deployment.request("PUT", f"/v2.0/lbaas/loadbalancers/{lb.id}/failover")
    eventually(lambda: amphora(deployment, lb) != first, 20, "another amphora")
    lb.wait_active()
    assert [answers(vip) for vip in vips] == [{"four"}] * 3, "they move with a fail-over"


def test_members_on_other_subnets_are_reached_by_addresses_and_nics_that_come_and_go(
    deployment, balancer, addresses, places
):
    lb = balancer(listener(pool([addresses["four"]], healthmonitor=HTTP_MONITOR)))
    before = links(deployment, lb)
    assert before == {"eth1"}
    place = f"/pools/{lb.ids('pools')[0]}/members"
    for name, subnet in (("second", "private-subnet-3"), ("elsewhere", "private-2-subnet")):
        member = {"name": name, "address": addresses[name], "protocol_port": 80, "subnet_id": places[subnet]}
        deployment.call("POST", place, {"member": member})
    lb.wait_active()
    lb.becomes(second="ONLINE", elsewhere="ONLINE")
    assert answers(lb.vip) == {"four", "second", "elsewhere"}
    assert len(links(deployment, lb)) == 2, "a NIC on the other network, an address on the same one"
    ports = deployment.request("GET", f"/v2.0/ports?device_id={amphora_id(deployment, lb)}")[1]["ports"]
    assert {port["fixed_ips"][0]["subnet_id"] for port in ports} >= {places["private-2-subnet"]}
    for member in deployment.call("GET", place):
        if member["name"] != "m1":
            deployment.call("DELETE", f"{place}/{member['id']}")
    lb.wait_active()
    assert answers(lb.vip) == {"four"}
    assert links(deployment, lb) == before
    ports = deployment.request("GET", f"/v2.0/ports?device_id={amphora_id(deployment, lb)}")[1]["ports"]
    assert [port["fixed_ips"][0]["subnet_id"] for port in ports] == [places["private-subnet"]]


def amphora_id(deployment, lb):
    return deployment.request("GET", f"/v2.0/octavia/amphorae?loadbalancer_id={lb.id}")[1]["amphorae"][0]["id"]
