"""One load balancer, as one of its amphorae should be: the whole desired state, in one pure function."""

import dataclasses
import ipaddress
from collections.abc import Sequence

import msgspec

from lictor.amphora import certificates, haproxy, keepalived, nftables, tree, udp
from lictor.amphora.pair import Pair
from lictor.drivers.network.base import Port, Subnet
from lictor.model import Amphora, LoadBalancer
from lictor.wire import DesiredState, File, HeartbeatTarget, Interface, Logs, Route


@dataclasses.dataclass(frozen=True)
class Place:
    """An address of an amphora: its port, and the port's subnet."""

    port: Port
    subnet: Subnet


@dataclasses.dataclass(frozen=True)
class Nic:
    """One NIC of an amphora: its name in the inner namespace, its addresses, and the network's MTU.

    Its MAC address is that of the first place's port.
    """

    name: str
    places: tuple[Place, ...]
    mtu: int


@dataclasses.dataclass(frozen=True)
class Wiring:
    """The NICs of an amphora: first the one on the VIP's network, then those on its members' networks.

    The first one has an address on every subnet of that network that a VIP or a member is on, the VIP's first.
    """

    nics: tuple[Nic, ...]

    @property
    def vip(self) -> str:
        """The name of the NIC that has the VIPs."""
        return self.nics[0].name


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the deployment decides and one amphora needs to know.

    ``heartbeat_key`` is hexadecimal, ``heartbeat_interval`` in seconds; ``default_connection_limit`` is for listeners
    that set none. ``log_format`` is HAProxy's, with ``{{ project_id }}`` and ``{{ lb_id }}``. ``vrrp`` is for pairs.
    """

    heartbeat_addresses: tuple[str, ...]
    heartbeat_key: str = dataclasses.field(repr=False)
    heartbeat_interval: float
    default_connection_limit: int
    log_format: str = ""
    vrrp: keepalived.Timing = dataclasses.field(default_factory=keepalived.Timing)
    logs: Logs = dataclasses.field(default_factory=Logs)


def desired_state(
    load_balancer: LoadBalancer,
    amphora: Amphora,
    wiring: Wiring,
    settings: Settings,
    epoch: int,
    secrets: Sequence[File] = (),
    pair: Pair | None = None,
) -> DesiredState:
    """All that ``amphora`` should be as of the tree's generation, decided by the holder of lease ``epoch``.

    ``secrets`` are the files that ``certificates.wanted`` asks for. In a ``pair`` keepalived
    has the VIPs, here or there.

    Equal arguments give equal states. Raises ``tree.Unsupported`` and ``emitter.Unsafe`` (both ``ValueError``) for a
    tree that the API should have refused.
    """
    log_format = settings.log_format if settings.logs.flow else ""
    return DesiredState(
        amphora_id=amphora.id,
        loadbalancer_id=load_balancer.id,
        generation=load_balancer.generation,
        epoch=epoch,
        interfaces=_interfaces(load_balancer, wiring, floating=pair is not None),
        haproxy=haproxy.render(load_balancer, settings.default_connection_limit, log_format, pair),
        keepalived=keepalived.render(load_balancer, pair, wiring.vip, settings.vrrp) if pair else "",
        nftables=nftables.render(load_balancer, pair, wiring.vip),
        udp=udp.render(load_balancer, settings.default_connection_limit),
        files=[*certificates.lists(load_balancer), *secrets],
        heartbeat=HeartbeatTarget(
            addresses=list(settings.heartbeat_addresses),
            key=settings.heartbeat_key,
            interval=settings.heartbeat_interval,
        ),
        logs=settings.logs,
    )


def _interfaces(load_balancer: LoadBalancer, wiring: Wiring, *, floating: bool) -> list[Interface]:
    vip, *members = wiring.nics
    vips = [_alone(str(vip)) for vip in tree.vips(load_balancer)]
    first = _interface(vip)
    if floating:
        first = msgspec.structs.replace(first, floating=vips)
    else:
        first = msgspec.structs.replace(first, addresses=first.addresses + vips)
    return [first, *(msgspec.structs.replace(_interface(nic), routes=[]) for nic in members)]


def _interface(nic: Nic) -> Interface:
    return Interface(
        name=nic.name,
        mac=nic.places[0].port.mac_address,
        mtu=nic.mtu,
        addresses=[f"{each.port.ip_address}/{each.subnet.cidr.partition('/')[2]}" for each in nic.places],
        routes=_gateways([each.subnet for each in nic.places]),
    )


def _alone(ip: str) -> str:
    # The VIP is no address to speak from: with the prefix of a host it never becomes a source on its own.
    return f"{ip}/{ipaddress.ip_address(ip).max_prefixlen}"


def _gateways(subnets: list[Subnet]) -> list[Route]:
    """Each address family leaves by its first gateway."""
    defaults: dict[str, Route] = {}
    for each in subnets:
        everywhere = "::/0" if ipaddress.ip_network(each.cidr).version == 6 else "0.0.0.0/0"
        if each.gateway_ip:
            defaults.setdefault(everywhere, Route(destination=everywhere, gateway=each.gateway_ip))
    return list(defaults.values())
