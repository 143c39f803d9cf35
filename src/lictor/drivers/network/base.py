"""The seam to whatever hands out networks, subnets, ports and addresses.

Entry points of the group ``lictor.network.drivers`` name a class that is built with the configuration and the store.
Terms are Neutron's. Ports that Lictor makes have deterministic names, by which they are found again after a crash.
"""

import dataclasses
from collections.abc import Sequence
from typing import Protocol

OWNER = "Octavia"
"""The device owner of ports that Lictor makes, which is Octavia's (reference, 7.2)."""


class NetworkError(Exception):
    """The network service failed; trying again may help. The message is for the user to read."""


class PortGone(NetworkError):
    """A port that Lictor made is not there any more: somebody has deleted it."""

    def __init__(self, port_id: str) -> None:
        super().__init__(f"Port {port_id} is gone.")
        self.port_id = port_id


class AddressUnavailable(NetworkError):
    """No address is left in the subnet, or the one asked for is taken (the message says which)."""


class InvalidAddress(NetworkError):
    """The address asked for is not one of the subnet's (outside it, its gateway, network or broadcast address)."""


@dataclasses.dataclass(frozen=True)
class Network:
    """A layer-2 network."""

    id: str
    name: str
    mtu: int
    subnet_ids: tuple[str, ...]
    project_id: str = ""
    port_security_enabled: bool = True


@dataclasses.dataclass(frozen=True)
class Subnet:
    """A range of addresses on a network. ``gateway_ip`` may be empty; ``host_routes`` are destinations and next hops.

    ``network_id`` is empty if the subnet is on whatever network it is named together with (driver ``noop``).
    """

    id: str
    name: str
    network_id: str
    cidr: str
    gateway_ip: str
    allocation_pools: tuple[tuple[str, str], ...]
    project_id: str = ""
    host_routes: tuple[tuple[str, str], ...] = ()

    def is_on(self, network_id: str | None) -> bool:
        """Whether this network may be its network; None stands for any."""
        return not self.network_id or network_id in (None, self.network_id)


@dataclasses.dataclass(frozen=True)
class Named:
    """Something of the network service's that Lictor only refers to: a QoS policy, a security group."""

    id: str
    name: str
    project_id: str = ""


@dataclasses.dataclass(frozen=True)
class FixedIp:
    """An address on a subnet."""

    subnet_id: str
    ip_address: str


@dataclasses.dataclass(frozen=True)
class Port:
    """One NIC's place on a network: one address on one subnet, and its MAC address.

    Ports that users bring may have further addresses: ``others``.
    """

    id: str
    name: str
    network_id: str
    subnet_id: str
    ip_address: str
    mac_address: str
    device_id: str = ""
    device_owner: str = ""
    project_id: str = ""
    qos_policy_id: str = ""
    others: tuple[FixedIp, ...] = ()

    @property
    def fixed_ips(self) -> tuple[FixedIp, ...]:
        """All its addresses."""
        first = (FixedIp(self.subnet_id, self.ip_address),) if self.ip_address else ()
        return (*first, *self.others)


@dataclasses.dataclass(frozen=True)
class PortRequest:
    """A port to be made. ``name`` is unique on the subnet; ``ip_address`` empty lets the driver choose.

    ``network_id`` matters only if the subnet does not know its network, or none is named: then the driver chooses one
    (or one for each kind of addresses), and the name is unique on the network. A port that only reserves an address is
    not ``admin_state_up``. ``security_groups`` are names or ids of groups of Lictor's own project; none leaves the
    choice to the driver.
    """

    name: str
    subnet_id: str
    ip_address: str = ""
    device_id: str = ""
    device_owner: str = OWNER
    project_id: str = ""
    network_id: str = ""
    admin_state_up: bool = True
    security_groups: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Opening:
    """What a listener is there for: a transport protocol and a port, for clients of these ranges or (none) anybody."""

    protocol: str
    port: int
    cidrs: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Carrier:
    """An amphora's port on the VIP's network, and the addresses that it may have there besides its own."""

    port_id: str
    addresses: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Protection:
    """Who may reach a load balancer, and through which ports.

    ``vips`` are its addresses, the main one first; ``vip_port_ids`` those of its ports that Lictor made. With
    ``security_group_ids``, which are the user's, these alone say who may speak to the listeners. ``peers_port`` is
    where the HAProxies of a pair speak with each other; 0 if it is none.
    """

    load_balancer_id: str
    vips: tuple[str, ...]
    vip_port_ids: tuple[str, ...]
    carriers: tuple[Carrier, ...]
    openings: tuple[Opening, ...]
    security_group_ids: tuple[str, ...] = ()
    qos_policy_id: str = ""
    peers_port: int = 0


def vip_port(load_balancer_id: str, subnet_id: str, project_id: str, ip_address: str = "") -> PortRequest:
    """The port that reserves a VIP, named as Octavia names it (reference, 7.2)."""
    return PortRequest(
        name=f"octavia-lb-{load_balancer_id}",
        subnet_id=subnet_id,
        ip_address=ip_address,
        device_id=f"lb-{load_balancer_id}",
        project_id=project_id,
        admin_state_up=False,
    )


def additional_vip_port(
    load_balancer_id: str, number: int, subnet_id: str, project_id: str, ip_address: str = ""
) -> PortRequest:
    """The port that reserves the ``number``-th additional VIP, counted from 1."""
    main = vip_port(load_balancer_id, subnet_id, project_id, ip_address)
    return dataclasses.replace(main, name=f"octavia-lb-vip-{number}-{load_balancer_id}")


def amphora_port(amphora_id: str, subnet_id: str, project_id: str) -> PortRequest:
    """The port of an amphora's NIC on the VIP's subnet, named as Octavia names it (reference, 7.2)."""
    return PortRequest(
        name=f"octavia-lb-vrrp-{amphora_id}", subnet_id=subnet_id, device_id=amphora_id, project_id=project_id
    )


def member_port(amphora_id: str, subnet_id: str, project_id: str) -> PortRequest:
    """The port of an amphora on a further subnet: a member's, or that of an additional VIP."""
    return PortRequest(
        name=f"octavia-lb-member-{amphora_id}", subnet_id=subnet_id, device_id=amphora_id, project_id=project_id
    )


def management_port_name(amphora_id: str) -> str:
    """The name of the port over which an amphora is managed; Octavia leaves that one to Nova, and it has none there."""
    return f"octavia-lb-mgmt-{amphora_id}"


def management_port(amphora_id: str, network_id: str, security_groups: Sequence[str]) -> PortRequest:
    """The port over which an amphora is managed, anywhere on this network."""
    return PortRequest(
        name=management_port_name(amphora_id),
        subnet_id="",
        device_id=amphora_id,
        network_id=network_id,
        security_groups=tuple(security_groups),
    )


def is_ours(port: Port) -> bool:
    """Whether Lictor made a port, by its marks: nobody else's is ever to be deleted, whatever a driver lists."""
    return port.device_owner == OWNER and port.name.startswith("octavia-lb-")


class Seen(Protocol):
    """What there is, to whoever asks."""

    def networks(self) -> list[Network]:
        """The networks that users may name."""

    def subnets(self) -> list[Subnet]:
        """The subnets that users may name."""

    def network(self, network_id: str) -> Network | None:
        """One network by id, or None."""

    def subnet(self, subnet_id: str) -> Subnet | None:
        """One subnet by id, or None."""

    def port(self, port_id: str) -> Port | None:
        """One port by id, or None."""

    def qos_policy(self, policy_id: str) -> Named | None:
        """One QoS policy by id, or None."""

    def security_group(self, group_id: str) -> Named | None:
        """One security group by id, or None."""

    def free_addresses(self, subnet_id: str) -> int | None:
        """How many addresses of a subnet's pools are free, or None if there is no end of them, or nobody says."""


class Plumbing(Protocol):
    """What a pass of the loop asks of a network driver (``control.memo``)."""

    def network(self, network_id: str) -> Network | None:
        """One network by id, or None."""

    def subnet(self, subnet_id: str) -> Subnet | None:
        """One subnet by id, or None."""

    def port(self, port_id: str) -> Port | None:
        """One port by id, or None."""

    def create_ports(self, requests: Sequence[PortRequest]) -> list[Port]:
        """Make each port, or take the one of its name on its subnet; all of them or none.

        Raises ``AddressUnavailable`` or ``InvalidAddress``, and changes nothing then.
        """

    def delete_port(self, port_id: str) -> None:
        """Remove the port and free its address; a port that is gone is no error."""

    def protect(self, wanted: Protection) -> None:
        """See that a load balancer's ports carry its VIPs, and are open to those who may speak to it. Idempotent.

        Raises ``PortGone``.
        """

    def unprotect(self, load_balancer_id: str) -> None:
        """Remove whatever ``protect`` made besides. Idempotent; called when the amphorae's ports are gone."""


class Networking(Seen, Plumbing, Protocol):
    """What the API, the loop and whatever runs beside it ask of a network driver."""

    def as_seen_with(self, token: str | None) -> Seen:
        """What the owner of this token of Keystone's sees of it; without one, what everybody sees."""

    def has_network(self, network_id: str) -> bool:
        """Whether there is a network of this id, be it one that users are never shown."""

    def ports(self) -> list[Port]:
        """All ports that Lictor made."""

    def ports_named(self, name: str) -> list[Port]:
        """The ports of this name that Lictor made: one, or none, or (for a moment, after a crash) more."""

    def purge(self) -> None:
        """Remove all that this deployment made and that does not go with its database. Instances are gone."""
