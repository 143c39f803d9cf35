"""The virtual IP: which port, subnet and network a load balancer's creation means (reference, 1.6 "VIP resolution")."""

import dataclasses
import ipaddress
import logging

from lictor.api import errors
from lictor.api.requests import LoadBalancerPost
from lictor.drivers.network.base import (
    AddressUnavailable,
    NetworkError,
    Networking,
    Port,
    PortRequest,
    Subnet,
    amphora_port,
    vip_port,
)
from lictor.failpoints import reach

LOG = logging.getLogger(__name__)

BETWEEN = ("addresses set aside",)
"""Fail points between "made outside" and "written down"."""


@dataclasses.dataclass(frozen=True)
class Vip:
    """A port that is ours to use; ``owned`` if we made it, so that it goes with the load balancer.

    ``amphora_ports`` are those that the first amphorae will have: whoever accepts a load balancer has set aside all the
    addresses that it takes.
    """

    port: Port
    owned: bool
    amphora_ports: tuple[Port, ...]

    def columns(self) -> dict[str, str | bool]:
        """As they stand in the load balancer's row."""
        return {
            "vip_address": self.port.ip_address,
            "vip_port_id": self.port.id,
            "vip_subnet_id": self.port.subnet_id,
            "vip_network_id": self.port.network_id,
            "vip_port_owned": self.owned,
        }


@dataclasses.dataclass(frozen=True)
class Owner:
    """Whom ports are made for. ``valid_networks`` are those the VIP may be on; none means any."""

    load_balancer_id: str
    project_id: str
    amphora_ids: tuple[str, ...]
    valid_networks: tuple[str, ...] = ()


def claim(networking: Networking, wanted: LoadBalancerPost, owner: Owner) -> Vip:
    """Find the port that is asked for, or make it, and set the amphorae's addresses aside. All or nothing.

    Raises 400, 409 and ``NetworkError``.
    """
    vip = _claim(networking, wanted, owner)
    reach("addresses set aside")
    return vip


def _claim(networking: Networking, wanted: LoadBalancerPost, owner: Owner) -> Vip:
    check_extras(networking, wanted.vip_qos_policy_id, wanted.vip_sg_ids)
    if wanted.vip_port_id is not None:
        port = _given_port(networking, wanted.vip_port_id, wanted)
        _check_network(owner, port.network_id)
        return Vip(port, False, tuple(networking.create_ports(_for_amphorae(owner, port.subnet_id))))
    subnets = _subnets(networking, wanted)
    _check_network(owner, subnets[0].network_id)
    for subnet in subnets[:-1]:
        try:
            return _make(networking, subnet, wanted, owner)
        except AddressUnavailable:
            continue
    return _make(networking, subnets[-1], wanted, owner)


def _check_network(owner: Owner, network_id: str) -> None:
    if owner.valid_networks and network_id.lower() not in owner.valid_networks:
        raise errors.validation(f"The availability zone allows no VIP on network {network_id}.")


def check_extras(networking: Networking, qos_policy_id: str | None, security_group_ids: list[str] | None) -> None:
    """Raises 400 for QoS policies and security groups that are not there."""
    if qos_policy_id is not None and networking.qos_policy(qos_policy_id) is None:
        raise errors.invalid_subresource("QoS policy", qos_policy_id)
    for group_id in security_group_ids or []:
        if networking.security_group(group_id) is None:
            raise errors.invalid_subresource("Security group", group_id)


def release(networking: Networking, vip: Vip) -> None:
    """Give back what ``claim`` made. What cannot be given back now is collected later, by its name."""
    for port in (*vip.amphora_ports, *((vip.port,) if vip.owned else ())):
        try:
            networking.delete_port(port.id)
        except NetworkError as error:
            LOG.warning("Port %s (%s) is left over, to be collected later: %s", port.id, port.name, error)


def _make(networking: Networking, subnet: Subnet, wanted: LoadBalancerPost, owner: Owner) -> Vip:
    vip = vip_port(owner.load_balancer_id, subnet.id, owner.project_id, wanted.vip_address or "")
    vip = dataclasses.replace(vip, network_id=subnet.network_id or wanted.vip_network_id or "")
    port, *others = networking.create_ports([vip, *_for_amphorae(owner, subnet.id)])
    return Vip(port, True, tuple(others))


def _for_amphorae(owner: Owner, subnet_id: str) -> list[PortRequest]:
    return [amphora_port(amphora_id, subnet_id, owner.project_id) for amphora_id in owner.amphora_ids]


def _given_port(networking: Networking, port_id: str, wanted: LoadBalancerPost) -> Port:
    port = networking.port(port_id)
    if port is None:
        raise errors.invalid_subresource("Port", port_id)
    if port.device_id:
        raise errors.validation(f"VIP port {port_id} is already used by device {port.device_id}.")
    for name, asked, has in (
        ("vip_network_id", wanted.vip_network_id, port.network_id),
        ("vip_subnet_id", wanted.vip_subnet_id, port.subnet_id),
        ("vip_address", wanted.vip_address, port.ip_address),
    ):
        if asked not in (None, has):
            raise errors.validation(f"{name} '{asked}' is not that of VIP port {port_id}, which is '{has}'.")
    return port


def _subnets(networking: Networking, wanted: LoadBalancerPost) -> list[Subnet]:
    """The subnets that the address may come from, the best first; never none."""
    if wanted.vip_subnet_id is not None:
        return [_given_subnet(networking, wanted.vip_subnet_id, wanted.vip_network_id)]
    if wanted.vip_network_id is not None:
        return _subnets_of(networking, wanted.vip_network_id, wanted.vip_address)
    raise errors.validation("VIP must contain one of: vip_port_id, vip_network_id, vip_subnet_id.")


def _given_subnet(networking: Networking, subnet_id: str, network_id: str | None) -> Subnet:
    subnet = networking.subnet(subnet_id)
    if subnet is None:
        raise errors.invalid_subresource("Subnet", subnet_id)
    if not subnet.is_on(network_id):
        if networking.network(str(network_id)) is None:
            raise errors.invalid_subresource("Network", str(network_id))
        raise errors.validation(f"VIP subnet {subnet_id} is not on network {network_id}.")
    return subnet


def _subnets_of(networking: Networking, network_id: str, address: str | None) -> list[Subnet]:
    network = networking.network(network_id)
    if network is None:
        raise errors.invalid_subresource("Network", network_id)
    subnets = [subnet for subnet_id in network.subnet_ids if (subnet := networking.subnet(subnet_id))]
    if address is not None:
        subnets = [subnet for subnet in subnets if _holds(subnet, address)]
    if not subnets:
        what = f"holds the VIP address {address}" if address else "can give a VIP address"
        raise errors.validation(f"No subnet of network {network_id} {what}.")
    return sorted(subnets, key=lambda subnet: ipaddress.ip_network(subnet.cidr).version)


def _holds(subnet: Subnet, address: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(subnet.cidr)
