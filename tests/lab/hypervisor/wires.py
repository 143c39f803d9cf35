"""The links between hosts, and the test's own places in networks of the cloud."""

import contextlib
import json
import pathlib
from collections.abc import Iterator

from openstack.connection import Connection
from openstack.network.v2.network import Network

from tests.bench.processes import eventually
from tests.bench.processes import run as run_to_end
from tests.lab.hypervisor import settings
from tests.lab.hypervisor.host import Host

GATEWAY = "172.31.250.1"
"""Our address in the network ``public``: floating addresses are reached from it."""

PATIENCE = 120.0
"""Seconds until Neutron's agent has wired a port; on an idle machine it takes two."""

_UNDER = "under0"
_FILTERED = pathlib.Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
"""Whether security groups see what goes over a bridge; a laboratory says no at first."""

_MTU = "1450"
"""Of networks in VXLAN tunnels."""


@contextlib.contextmanager
def underlay() -> Iterator[None]:
    """The bridge between the hosts, and that of the network ``public``. At the end the namespace is as it was."""
    before, filtered = _links(), _FILTERED.read_text()
    try:
        _FILTERED.write_text("1")
        for bridge, address in ((_UNDER, settings.address(1)), (settings.PUBLIC, GATEWAY)):
            _ip("link", "add", bridge, "type", "bridge")
            _ip("address", "add", f"{address}/24", "dev", bridge)
            _ip("link", "set", bridge, "up")
        yield
    finally:
        _clear(before)
        _FILTERED.write_text(filtered)


def _clear(before: set[str]) -> None:
    """Remove what the agents have made in this namespace; other namespaces went with their hosts."""
    for link in _links() - before:
        with contextlib.suppress(AssertionError):  # The other end of one that is gone.
            _ip("link", "delete", link)
    run_to_end("nft", "flush", "ruleset")


def _links() -> set[str]:
    return {link["ifname"] for link in json.loads(_ip("-json", "link", "show"))}


def _ip(*words: object) -> str:
    return run_to_end("ip", *words)


def join(host: Host) -> None:
    """Wire a host that has a network namespace of its own to the underlay."""
    ours = f"under-{host.number}"
    _ip("link", "add", ours, "type", "veth", "peer", "name", _UNDER, "netns", host.first)
    _ip("link", "set", ours, "master", _UNDER, "up")
    host.run("ip", "address", "add", f"{settings.address(host.number)}/24", "dev", _UNDER)
    host.run("ip", "link", "set", _UNDER, "up")


@contextlib.contextmanager
def place(owner: Connection, network: Network, name: str) -> Iterator[str]:
    """An interface ``name`` of ours in a network of the cloud, as a controller has in ``lb-mgmt``: its address.

    The far end has the name by which Neutron's agent on the first host knows the port, and so the agent plugs it in.
    Nothing is filtered. ``owner`` must be allowed to say where a port is: Lictor's account is, a tenant is not.
    """
    port = owner.network.create_port(
        network_id=network.id, name=name, device_owner="lictor:lab", binding_host_id=settings.name(1),
        is_port_security_enabled=False,
    )  # fmt: skip
    try:
        tap = f"tap{port.id[:11]}"
        _ip("link", "add", name, "address", port.mac_address, "mtu", _MTU, "type", "veth", "peer", "name", tap)
        _ip("link", "set", tap, "mtu", _MTU, "up")
        _ip("link", "set", name, "up")
        subnet = owner.network.get_subnet(port.fixed_ips[0]["subnet_id"])
        _ip("address", "add", f"{port.fixed_ips[0]['ip_address']}/{subnet.cidr.partition('/')[2]}", "dev", name)
        eventually(lambda: owner.network.get_port(port).status == "ACTIVE", PATIENCE, f"the port of {name} is ACTIVE")
        yield port.fixed_ips[0]["ip_address"]
    finally:
        with contextlib.suppress(AssertionError):
            _ip("link", "delete", name)
        owner.network.delete_port(port)
