"""The NIC over which an amphora is managed: its port is ours, so that the guest is told its address and need not ask.

Nova would make a port by itself, of which nobody knows the address before, and which the guest can only learn from a
DHCP server: one more thing that has to be there, and a second of each boot.
"""

import ipaddress
from collections.abc import Sequence

from lictor.drivers.compute.base import ComputeError
from lictor.drivers.network.base import (
    NetworkError,
    Networking,
    Port,
    Subnet,
    management_port,
    management_port_name,
)
from lictor.wire import Interface, Route

BETWEEN = ("management port made",)
"""Fail points between the port and the server."""

_EVERYWHERE = {4: "0.0.0.0/0", 6: "::/0"}


def made(networking: Networking, amphora_id: str, network_id: str, groups: Sequence[str]) -> tuple[Port, Interface]:
    """The port, made if it is missing, and what the guest is told of it. Raises ``ComputeError``."""
    try:
        (port,) = networking.create_ports([management_port(amphora_id, network_id, groups)])
        return port, interface(networking, port)
    except NetworkError as error:
        raise ComputeError(f"The amphora has no management port: {error}") from error


def removed(networking: Networking, amphora_id: str) -> None:
    """See that there is no such port. Raises ``ComputeError``."""
    try:
        for port in networking.ports_named(management_port_name(amphora_id)):
            networking.delete_port(port.id)
    except NetworkError as error:
        raise ComputeError(f"The amphora's management port cannot be removed: {error}") from error


def interface(networking: Networking, port: Port) -> Interface:
    """What Neutron's DHCP server would say of a port, and its MTU. Raises ``NetworkError``."""
    network = networking.network(port.network_id)
    found = [(each.ip_address, networking.subnet(each.subnet_id)) for each in port.fixed_ips]
    subnets = [(address, subnet) for address, subnet in found if subnet]
    if network is None or not subnets:
        raise NetworkError(f"Network {port.network_id} has no subnet of which port {port.id} has an address.")
    return Interface(
        name="eth0",
        mac=port.mac_address,
        mtu=network.mtu,
        addresses=[f"{address}/{subnet.cidr.partition('/')[2]}" for address, subnet in subnets],
        routes=_routes([subnet for _, subnet in subnets]),
    )


def _routes(subnets: Sequence[Subnet]) -> list[Route]:
    """Host routes, and of each address family the first gateway, unless a host route leads everywhere."""
    routes: dict[str, str] = {}
    for subnet in subnets:
        for destination, gateway in subnet.host_routes:
            routes.setdefault(destination, gateway)
    for subnet in subnets:
        if subnet.gateway_ip:
            routes.setdefault(_EVERYWHERE[ipaddress.ip_network(subnet.cidr).version], subnet.gateway_ip)
    return [Route(destination=destination, gateway=gateway) for destination, gateway in routes.items()]
