"""Where a VIP may be: the network, subnets and ports that a creation means (reference, 1.6 "VIP resolution")."""

import dataclasses
import ipaddress
from collections.abc import Collection, Sequence

from oslo_config import cfg

from lictor.api import errors
from lictor.api.auth.context import Sees
from lictor.api.requests.loadbalancers import AdditionalVip, LoadBalancerPost
from lictor.drivers.network.base import Port, Seen, Subnet

SOURCES = ("vip_port_id", "vip_network_id", "vip_subnet_id")
"""What a VIP can be asked for by; each can be ruled out by an ``allow_`` option of ``[networking]``."""


@dataclasses.dataclass(frozen=True)
class Place:
    """A network, and subnets of it that the address may come from: the best one first, never none.

    ``port`` is the user's own if one was named; it has the address then.
    """

    network_id: str
    subnets: tuple[Subnet, ...]
    port: Port | None = None


@dataclasses.dataclass(frozen=True)
class Further:
    """Where an additional VIP is to be. ``ip_address`` empty: any of the subnet."""

    subnet: Subnet
    ip_address: str
    port: Port | None


def find(networking: Seen, conf: cfg.ConfigOpts, wanted: LoadBalancerPost, addresses: int, sees: Sees) -> Place:
    """The place that a request means, with so many addresses free unless one was asked for. Raises 400."""
    _check_sources(conf, wanted)
    if wanted.vip_port_id is not None:
        return _of_port(networking, wanted.vip_port_id, wanted, sees)
    if wanted.vip_subnet_id is not None:
        subnet = _subnet(networking, wanted.vip_subnet_id)
        return Place(_network_of(networking, subnet, wanted.vip_network_id), (subnet,))
    return _of_network(networking, str(wanted.vip_network_id), wanted, addresses)


def _check_sources(conf: cfg.ConfigOpts, wanted: LoadBalancerPost) -> None:
    allowed = [source for source in SOURCES if getattr(conf.networking, f"allow_{source}")]
    for source in SOURCES:
        asked = getattr(wanted, source)
        if asked is not None and source not in allowed:
            raise errors.disabled_option(source, asked)
    if not any(getattr(wanted, source) for source in allowed):
        raise errors.validation(f"VIP must contain one of: {', '.join(allowed)}.")


def _of_port(networking: Seen, port_id: str, wanted: LoadBalancerPost, sees: Sees) -> Place:
    port = _free_port(networking, port_id, sees)
    if wanted.vip_network_id not in (None, port.network_id):
        raise errors.validation(
            f"vip_network_id '{wanted.vip_network_id}' is not that of VIP port {port_id}, which is '{port.network_id}'."
        )
    port = _one_address(port, wanted.vip_subnet_id, wanted.vip_address)
    return Place(port.network_id, (_subnet(networking, port.subnet_id),), port)


def _free_port(networking: Seen, port_id: str, sees: Sees) -> Port:
    port = networking.port(port_id)
    if port is None or not sees(port):
        raise errors.invalid_subresource("Port", port_id)
    if port.device_id:
        raise errors.validation(f"VIP port {port_id} is already used by device {port.device_id}.")
    return port


def _one_address(port: Port, subnet_id: str | None, address: str | None) -> Port:
    """The port with the one of its addresses that is meant. Octavia overwrites an address that is not the subnet's."""
    fits = [ip for ip in port.fixed_ips if subnet_id in (None, ip.subnet_id) and address in (None, ip.ip_address)]
    if len(fits) == 1:
        return dataclasses.replace(port, subnet_id=fits[0].subnet_id, ip_address=fits[0].ip_address)
    has = ", ".join(f"{ip.ip_address} on subnet {ip.subnet_id}" for ip in port.fixed_ips) or "no address"
    if fits:
        raise errors.validation(f"VIP port {port.id} has {has}: say by vip_subnet_id or vip_address which is meant.")
    asked = " ".join(filter(None, [address, subnet_id and f"on subnet {subnet_id}"])) or "one address"
    raise errors.validation(f"VIP port {port.id} does not have {asked}, it has {has}.")


def _subnet(networking: Seen, subnet_id: str) -> Subnet:
    subnet = networking.subnet(subnet_id)
    if subnet is None:
        raise errors.invalid_subresource("Subnet", subnet_id)
    return subnet


def _network_of(networking: Seen, subnet: Subnet, network_id: str | None) -> str:
    """The network of a subnet, which must be the one that was named, if one was."""
    if not subnet.is_on(network_id):
        if networking.network(str(network_id)) is None:
            raise errors.invalid_subresource("Network", str(network_id))
        raise errors.validation(f"VIP subnet {subnet.id} is not on network {network_id}.")
    # With the driver noop a subnet is on any network it is named with, and on the first one if with none.
    return subnet.network_id or network_id or networking.networks()[0].id


def _of_network(networking: Seen, network_id: str, wanted: LoadBalancerPost, addresses: int) -> Place:
    network = networking.network(network_id)
    if network is None:
        raise errors.invalid_subresource("Network", network_id)
    taken = {vip.subnet_id for vip in wanted.additional_vips}
    subnets = [_subnet(networking, subnet_id) for subnet_id in network.subnet_ids if subnet_id not in taken]
    if wanted.vip_address is not None:
        fits = [subnet for subnet in subnets if _holds(subnet, wanted.vip_address)]
        what = f"holds the VIP address {wanted.vip_address}"
    else:
        fits = [subnet for subnet in subnets if _has_room(networking, subnet, addresses)]
        what = f"has {addresses} free addresses: one for the VIP, the others for what carries it"
    if not fits:
        raise errors.validation(f"No subnet of network {network_id} {what}.")
    return Place(network_id, tuple(sorted(fits, key=lambda subnet: ipaddress.ip_network(subnet.cidr).version)))


def _holds(subnet: Subnet, address: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(subnet.cidr)


def _has_room(networking: Seen, subnet: Subnet, addresses: int) -> bool:
    free = networking.free_addresses(subnet.id)
    return free is None or free >= addresses


def check_network(networking: Seen, conf: cfg.ConfigOpts, network_id: str, valid: Collection[str]) -> None:
    """Raise 400 unless VIPs may be on this network. ``valid``: those of the availability zone, if it has any."""
    options = conf.networking
    allowed = {each.lower() for each in valid or options.valid_vip_networks or [network_id]}
    denied = {each.lower() for each in options.denylist_vip_networks}
    if network_id.lower() not in allowed - denied:
        where = "in this availability zone" if valid else "in this deployment"
        raise errors.validation(f"No VIP may be on network {network_id} {where}.")
    network = networking.network(network_id)
    if network is not None and not network.port_security_enabled:
        raise errors.validation(f"Network {network_id} has port security disabled, without which no VIP can move.")


def further(networking: Seen, place: Place, wanted: Sequence[AdditionalVip], sees: Sees) -> list[Further]:
    """The places of the additional VIPs, each on another subnet of the VIP's network. Raises 400."""
    used = {place.subnets[0].id} if len(place.subnets) == 1 else set()
    found = []
    for vip in wanted:
        if vip.subnet_id in used:
            raise errors.validation(
                f"Subnet {vip.subnet_id} is named twice: a load balancer has one VIP on each subnet."
            )
        used.add(vip.subnet_id)
        subnet = _subnet(networking, vip.subnet_id)
        _network_of(networking, subnet, place.network_id)
        port = _further_port(networking, vip, place.network_id, sees) if vip.port_id else None
        found.append(Further(subnet, vip.ip_address or "", port))
    return found


def _further_port(networking: Seen, vip: AdditionalVip, network_id: str, sees: Sees) -> Port:
    port = _free_port(networking, str(vip.port_id), sees)
    if port.network_id != network_id:
        raise errors.validation(f"Port {port.id} of an additional VIP is not on the VIP's network {network_id}.")
    return _one_address(port, vip.subnet_id, vip.ip_address)
