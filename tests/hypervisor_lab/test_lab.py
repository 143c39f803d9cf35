"""The cloud is whole: virtual machines boot on both hosts, and packets get to them in every way that Lictor needs."""

import contextlib
import http.client
import socket
import time
import uuid

import pytest
from openstack.exceptions import ResourceFailure

from tests.bench.processes import eventually

PORT = 9443
BOOT = 240.0
"""Seconds until a server answers; on an idle machine it takes twenty."""


def said(address, seconds=BOOT):
    """What a guest answers: its name."""

    def ask():
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection(address, PORT, timeout=2)
            with contextlib.closing(connection):
                connection.request("GET", "/")
                return connection.getresponse().read().decode().strip()
        return None

    return eventually(ask, seconds, f"{address} answers")


def is_silent(address):
    try:
        socket.create_connection((address, PORT), 2).close()
    except OSError:
        return True
    return False


def address(port):
    return port.fixed_ips[0]["ip_address"]


def name(port):
    """What a guest calls itself: as Neutron's DHCP does."""
    return f"host-{address(port).replace('.', '-')}"


class Servers:
    """Of one owner; they, their ports and groups are gone at the end."""

    def __init__(self, owner, stack):
        self.owner, self.stack = owner, stack
        self.group = owner.network.create_security_group(name=f"guests-{uuid.uuid4().hex[:6]}")
        stack.callback(owner.network.delete_security_group, self.group)
        owner.network.create_security_group_rule(
            security_group_id=self.group.id, direction="ingress", protocol="tcp", ethertype="IPv4",
            port_range_min=PORT, port_range_max=PORT,
        )  # fmt: skip

    def close(self):
        """Let nothing in any more."""
        for rule in self.owner.network.security_group_rules(security_group_id=self.group.id, direction="ingress"):
            self.owner.network.delete_security_group_rule(rule)

    def port(self, network, **more):
        found = self.owner.network.find_network(network, ignore_missing=False)
        port = self.owner.network.create_port(network_id=found.id, security_group_ids=[self.group.id], **more)
        self.stack.callback(self.owner.network.delete_port, port)
        return port

    def boot(self, port, group=None):
        """A server that runs. Raises ``ResourceFailure`` if Nova cannot."""
        compute = self.owner.compute
        image = self.owner.image.find_image("guest", ignore_missing=False)
        server = compute.create_server(
            name=f"guest-{uuid.uuid4().hex[:6]}", image_id=image.id,
            flavor_id=compute.find_flavor("lb.small", ignore_missing=False).id, networks=[{"port": port.id}],
            scheduler_hints={"group": group.id} if group else {},
        )  # fmt: skip
        self.stack.callback(self._gone, server)
        return compute.wait_for_server(server, wait=BOOT, interval=0.5)

    def _gone(self, server):
        self.owner.compute.delete_server(server)
        self.owner.compute.wait_for_delete(server, interval=0.5, wait=120)


@pytest.fixture
def stack():
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def pair(alice):
    """Alice's two servers that must not share a host, each with its port in ``tenant``."""
    with contextlib.ExitStack() as stack:
        servers = Servers(alice, stack)
        group = alice.compute.create_server_group(name="apart", policy="anti-affinity")
        stack.callback(alice.compute.delete_server_group, group)
        ports = [servers.port("tenant") for _ in range(2)]
        yield servers, group, [(servers.boot(port, group), port) for port in ports]


def test_both_hypervisors_are_up(lab, admin):
    hosts = [each.name for each in lab.hosts]
    assert sorted(each.name for each in admin.compute.hypervisors()) == hosts
    assert [each.state for each in admin.compute.hypervisors()] == ["up"] * len(hosts)


def test_a_server_answers_in_the_management_network_what_its_group_lets_through(service, controller, stack):
    servers = Servers(service, stack)
    port = servers.port("lb-mgmt")
    began = time.monotonic()
    servers.boot(port)
    active = time.monotonic() - began
    assert said(address(port)) == name(port)
    print(f"\nACTIVE after {active:.1f} s, answers after {time.monotonic() - began:.1f} s")
    servers.close()
    eventually(lambda: is_silent(address(port)), 60, "the security group closes")


def test_hard_anti_affinity_puts_two_servers_on_two_hosts_and_refuses_a_third(lab, admin, pair):
    servers, group, booted = pair
    hosts = [admin.compute.get_server(server.id).compute_host for server, _ in booted]
    assert sorted(hosts) == [each.name for each in lab.hosts]
    with pytest.raises(ResourceFailure):
        servers.boot(servers.port("tenant"), group)


def test_a_tenants_network_reaches_over_both_hosts(lab, admin, pair):
    with lab.place(admin, "tenant", "o-tenant"):  # On the first host: one of them answers through a tunnel.
        assert [said(address(port)) for _, port in pair[2]] == [name(port) for _, port in pair[2]]


def test_a_floating_address_leads_to_either_host(alice, pair, stack):
    public = alice.network.find_network("public", ignore_missing=False).id
    for _, port in pair[2]:
        floating = alice.network.create_ip(floating_network_id=public, port_id=port.id)
        stack.callback(alice.network.delete_ip, floating)
        assert said(floating.floating_ip_address) == name(port)


def test_a_server_that_runs_is_plugged_into_another_network(alice, pair):
    servers, _, booted = pair
    for server, _ in booted:
        port = servers.port("members")
        alice.compute.create_server_interface(server, port_id=port.id)
        eventually(lambda p=port: alice.network.get_port(p).status == "ACTIVE", 120, "the port is wired")
        alice.compute.delete_server_interface(port.id, server=server)
        eventually(
            lambda p=port: alice.network.find_port(p.id) is None or not alice.network.get_port(p).device_id,
            120,
            "it is unplugged",
        )
