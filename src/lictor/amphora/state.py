"""One load balancer, as one of its amphorae should be: the whole desired state, in one pure function."""

import dataclasses
import ipaddress

from lictor.amphora import haproxy
from lictor.drivers.network.base import Port, Subnet
from lictor.model import Amphora, LoadBalancer
from lictor.wire import DesiredState, HeartbeatTarget, Interface, Route


@dataclasses.dataclass(frozen=True)
class Nic:
    """One NIC of an amphora: its name in the inner namespace, its port, the port's subnet, and the network's MTU."""

    name: str
    port: Port
    subnet: Subnet
    mtu: int


@dataclasses.dataclass(frozen=True)
class Wiring:
    """The NICs of an amphora: first the one on the VIP's network, then those on its members' subnets.

    ``additional_subnets`` are those of the additional VIPs, all on the VIP's network.
    """

    nics: tuple[Nic, ...]
    additional_subnets: tuple[Subnet, ...] = ()


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the deployment decides and one amphora needs to know.

    ``heartbeat_key`` is hexadecimal, ``heartbeat_interval`` in seconds; ``default_connection_limit`` is for listeners
    that set none.
    """

    heartbeat_addresses: tuple[str, ...]
    heartbeat_key: str = dataclasses.field(repr=False)
    heartbeat_interval: float
    default_connection_limit: int


def desired_state(
    load_balancer: LoadBalancer, amphora: Amphora, wiring: Wiring, settings: Settings, epoch: int
) -> DesiredState:
    """All that ``amphora`` should be as of the tree's generation, decided by the holder of lease ``epoch``.

    Equal arguments give equal states. Raises ``tree.Unsupported`` and ``emitter.Unsafe`` (both ``ValueError``) for a
    tree that the API should have refused.
    """
    return DesiredState(
        amphora_id=amphora.id,
        loadbalancer_id=load_balancer.id,
        generation=load_balancer.generation,
        epoch=epoch,
        interfaces=_interfaces(load_balancer, wiring),
        haproxy=haproxy.render(load_balancer, settings.default_connection_limit),
        heartbeat=HeartbeatTarget(
            addresses=list(settings.heartbeat_addresses),
            key=settings.heartbeat_key,
            interval=settings.heartbeat_interval,
        ),
    )


def _interfaces(load_balancer: LoadBalancer, wiring: Wiring) -> list[Interface]:
    vip, *members = wiring.nics
    return [_vip_interface(load_balancer, vip, wiring.additional_subnets), *(_interface(nic) for nic in members)]


def _vip_interface(load_balancer: LoadBalancer, nic: Nic, additional: tuple[Subnet, ...]) -> Interface:
    vips = [load_balancer.vip_address, *(vip.ip_address for vip in load_balancer.additional_vips)]
    own = _interface(nic)
    return Interface(
        name=own.name,
        mac=own.mac,
        mtu=own.mtu,
        addresses=own.addresses + [_alone(str(vip)) for vip in vips],
        routes=_routes(nic.subnet, additional),
    )


def _interface(nic: Nic) -> Interface:
    prefix = ipaddress.ip_network(nic.subnet.cidr).prefixlen
    addresses = [f"{nic.port.ip_address}/{prefix}"]
    return Interface(name=nic.name, mac=nic.port.mac_address, addresses=addresses, mtu=nic.mtu)


def _alone(ip: str) -> str:
    # The VIP is no address to speak from: with the prefix of a host it never becomes a source on its own.
    return f"{ip}/{ipaddress.ip_address(ip).max_prefixlen}"


def _routes(subnet: Subnet, additional: tuple[Subnet, ...]) -> list[Route]:
    """Further subnets of the VIP's network are on the link; each address family leaves by its first gateway."""
    routes = [Route(destination=each.cidr) for each in additional]
    defaults: dict[str, Route] = {}
    for each in (subnet, *additional):
        everywhere = "::/0" if ipaddress.ip_network(each.cidr).version == 6 else "0.0.0.0/0"
        if each.gateway_ip:
            defaults.setdefault(everywhere, Route(destination=everywhere, gateway=each.gateway_ip))
    return routes + list(defaults.values())
