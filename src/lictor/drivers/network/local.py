"""The embedded network driver: networks of this host, and the address book of table ``local_port``.

* The user network (``private`` with ``private-subnet``) carries VIPs, amphorae and members. This host has its first
  address. The lower quarter of the range is left to the operator's own servers; ports get addresses of the rest, the
  allocation pool, unless they ask for another one. It may have further subnets, and there may be further networks for
  members, all of the same kind.
* The management network (``lb-mgmt-net``) joins this host and its amphorae. Users are never shown it.

The driver keeps the book only; the links are made by the compute driver. Every id follows from the deployment and a
name, so that the same port has the same id and MAC address when it is made again.
"""

import dataclasses
import itertools
import random
import uuid
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lictor.config import deployment
from lictor.drivers.network.base import (
    AddressUnavailable,
    Named,
    Network,
    NetworkError,
    Port,
    PortRequest,
    Protection,
    Subnet,
)
from lictor.drivers.network.book import mac_address, port_of
from lictor.drivers.network.ranges import BadNetworkConfiguration, Range, parse
from lictor.model.localport import LocalPort
from lictor.model.store import Store

__all__ = ["BadNetworkConfiguration", "LocalNetwork"]

ATTEMPTS = 25
"""How often an address is chosen anew when another process took the chosen one first."""

MOST_AMPHORAE = 2000
"""More than one host has memory for: a larger user network is no reason to ask for a larger management network."""

MANAGEMENT_OWNER = "lictor:management"
"""The device owner of management ports."""


class LocalNetwork:
    """Implements ``drivers.network.base.Networking`` on this host. Thread-safe."""

    def __init__(self, conf: cfg.ConfigOpts, store: Store) -> None:
        """Raises ``BadNetworkConfiguration`` if an option of ``[local_network]`` cannot work."""
        options = conf.local_network
        self._store = store
        self._mtu = options.mtu
        self._namespace = uuid.uuid5(uuid.NAMESPACE_OID, f"lictor:{deployment(conf)}")
        self._spans = _spans(options)
        management = parse("management_cidr", options.management_cidr, servers=False)
        _check_apart([*self._spans, Span("management_cidr", options.management_cidr, management, 0)])
        _check_room(options.management_cidr, management, [span.range for span in self._spans])
        if options.mtu > 65535:  # what veth and bridge take at most
            raise BadNetworkConfiguration(f"[local_network] mtu = {options.mtu}: give a value from 1280 to 65535.")
        self._networks, self._subnets = self._build(options)
        self.management_network, self.management_subnet = self._build_management(management)
        self._ranges = {subnet.id: span.range for subnet, span in zip(self._subnets, self._spans, strict=True)}
        self._ranges[self.management_subnet.id] = management
        self._network_ids = {each.id: each.network_id for each in (*self._subnets, self.management_subnet)}

    def _build(self, options: Any) -> tuple[list[Network], list[Subnet]]:
        # Ids follow the place, not the name that is shown: an operator may rename a network that is in use.
        subnets = [self._subnet(options, number, span) for number, span in enumerate(self._spans, 1)]
        names = dict.fromkeys(span.network for span in self._spans)
        networks = []
        for place in names:
            network_id, name = self._network_id(place), options.network_name + (f"-{place}" if place > 1 else "")
            mine = tuple(subnet.id for subnet in subnets if subnet.network_id == network_id)
            networks.append(Network(network_id, name, self._mtu, mine))
        return networks, subnets

    def _subnet(self, options: Any, number: int, span: "Span") -> Subnet:
        name = options.subnet_name
        if span.network > 1:
            name = f"{options.network_name}-{span.network}-subnet"
        elif number > 1:
            name = f"{name}-{number}"
        subnet_id = self._id("subnet:private" + (f":{name_of(span)}" if number > 1 else ""))
        network_id = self._network_id(span.network)
        return Subnet(subnet_id, name, network_id, str(span.range.network), span.range.gateway, (span.range.pool(),))

    def _network_id(self, place: int) -> str:
        return self._id("network:private" + (f":{place}" if place > 1 else ""))

    def _build_management(self, span: Range) -> tuple[Network, Subnet]:
        network_id, subnet_id = self._id("network:management"), self._id("subnet:management")
        subnet = Subnet(subnet_id, "lb-mgmt-subnet", network_id, str(span.network), span.gateway, (span.pool(),))
        return Network(network_id, "lb-mgmt-net", self._mtu, (subnet_id,)), subnet

    def _id(self, name: str) -> str:
        return str(uuid.uuid5(self._namespace, name))

    # --- what users see ---

    def as_seen_with(self, token: str | None) -> "LocalNetwork":
        """Itself: everybody sees the same."""
        return self

    def has_network(self, network_id: str) -> bool:
        """Whether it is one of the users' networks or that of the management."""
        return network_id in {each.id for each in (*self._networks, self.management_network)}

    def networks(self) -> list[Network]:
        """The user network, and the further ones."""
        return list(self._networks)

    def subnets(self) -> list[Subnet]:
        """The subnets of all of them, that of the user network first."""
        return list(self._subnets)

    def ports(self) -> list[Port]:
        """All ports on them."""
        return self._ports(*(subnet.id for subnet in self._subnets))

    def ports_named(self, name: str) -> list[Port]:
        """The ports of this name."""
        return [port for port in self.ports() if port.name == name]

    def network(self, network_id: str) -> Network | None:
        """The network of this id, unless it is that of the management."""
        return next((each for each in self._networks if each.id == network_id), None)

    def subnet(self, subnet_id: str) -> Subnet | None:
        """The subnet of this id, unless it is that of the management."""
        return next((each for each in self._subnets if each.id == subnet_id), None)

    def port(self, port_id: str) -> Port | None:
        """One port of the users' networks, or None."""
        with self._store.read() as session:
            row = session.get(LocalPort, port_id)
            return port_of(row) if row is not None and row.subnet_id != self.management_subnet.id else None

    def qos_policy(self, policy_id: str) -> Named | None:
        """None: bridges of this host have none."""
        return None

    def security_group(self, group_id: str) -> Named | None:
        """None: bridges of this host have none."""
        return None

    def free_addresses(self, subnet_id: str) -> int | None:
        """How many addresses of the allocation pool no port has."""
        span = self._ranges[subnet_id]
        taken = sum(span.in_pool(port.ip_address) for port in self._ports(subnet_id))
        return span.size - taken

    # --- ports ---

    def create_ports(self, requests: Sequence[PortRequest]) -> list[Port]:
        """Make each port, or take the one of its name on its subnet (whatever its address); all of them or none.

        Raises ``AddressUnavailable`` or ``InvalidAddress``, and changes nothing then.
        """
        wanted = [self._check(request) for request in requests]
        for _ in range(ATTEMPTS):
            try:
                return self._store.write(lambda session: [self._create(session, *each) for each in wanted])
            except IntegrityError:
                # Another process made a port of this name, or took this address, since we looked. Look again.
                continue
        raise NetworkError(f"No address was got: others were faster {ATTEMPTS} times in a row.")

    def _check(self, request: PortRequest) -> tuple[PortRequest, Range, str]:
        span = self._ranges.get(request.subnet_id)
        if span is None:
            raise NetworkError(f"There is no subnet {request.subnet_id}.")
        return request, span, span.check(request.ip_address) if request.ip_address else ""

    def _create(self, session: Session, request: PortRequest, span: Range, wanted: str) -> Port:
        query = select(LocalPort).where(LocalPort.subnet_id == request.subnet_id)
        found = session.scalar(query.where(LocalPort.name == request.name))
        if found is not None:
            return port_of(found)
        if wanted:
            holder = session.scalar(query.where(LocalPort.ip_address == wanted))
            if holder is not None:
                raise AddressUnavailable(_taken_by(holder))
        row = self._row(request, wanted or _free_address(session, request.subnet_id, span))
        session.add(row)
        session.flush()
        return port_of(row)

    def _row(self, request: PortRequest, address: str) -> LocalPort:
        port_id = self._id(f"port:{request.subnet_id}:{request.name}")
        return LocalPort(
            id=port_id, name=request.name, project_id=request.project_id, device_owner=request.device_owner,
            device_id=request.device_id, network_id=self._network_ids[request.subnet_id],
            subnet_id=request.subnet_id, ip_address=address, mac_address=mac_address(port_id),
        )  # fmt: skip

    def delete_port(self, port_id: str) -> None:
        """Remove the port and free its address; a port that is gone is no error."""
        self._store.write(lambda session: session.execute(delete(LocalPort).where(LocalPort.id == port_id)))

    def protect(self, wanted: Protection) -> None:
        """Nothing to do: the filter of each amphora says who may reach it (``amphora.nftables``)."""

    def unprotect(self, load_balancer_id: str) -> None:
        """Nothing to do."""

    def purge(self) -> None:
        """Nothing was made that does not go with the database."""

    def _ports(self, *subnet_ids: str) -> list[Port]:
        query = select(LocalPort).where(LocalPort.subnet_id.in_(subnet_ids))
        query = query.order_by(LocalPort.created_at, LocalPort.id)
        with self._store.read() as session:
            return [port_of(row) for row in session.scalars(query)]

    def check_ports(self) -> None:
        """Raise ``BadNetworkConfiguration`` if a range was changed while ports still have addresses of the old one."""
        for option, subnet in self.ranges():
            span = self._ranges[subnet.id]
            strays = [port.ip_address for port in self._ports(subnet.id) if not span.holds(port.ip_address)]
            if strays:
                raise BadNetworkConfiguration(
                    f"[local_network] {option} = {span.network}: {len(strays)} port(s) have addresses outside it "
                    f"(e.g. {strays[0]}), from an earlier value; put that value back, or delete what uses them first."
                )

    def ranges(self) -> list[tuple[str, Subnet]]:
        """Every subnet, with the option that gives its range."""
        users = zip((span.option for span in self._spans), self._subnets, strict=True)
        return [*users, ("management_cidr", self.management_subnet)]

    # --- the management network, for the compute driver ---

    def create_management_port(self, amphora_id: str) -> Port:
        """The management port of an amphora, made if it is missing. Raises ``AddressUnavailable``."""
        name = _management_name(amphora_id)
        subnet_id = self.management_subnet.id
        request = PortRequest(name, subnet_id, device_id=amphora_id, device_owner=MANAGEMENT_OWNER)
        return self.create_ports([request])[0]

    def management_port(self, amphora_id: str) -> Port | None:
        """The management port of an amphora, or None."""
        query = select(LocalPort).where(LocalPort.subnet_id == self.management_subnet.id)
        query = query.where(LocalPort.name == _management_name(amphora_id))
        with self._store.read() as session:
            row = session.scalar(query)
            return port_of(row) if row is not None else None

    def management_ports(self) -> list[Port]:
        """All ports on the management network; ``device_id`` is the amphora's id."""
        return self._ports(self.management_subnet.id)


@dataclasses.dataclass(frozen=True)
class Span:
    """A range that an option gives, and the number of the network it belongs to (1 for the user network)."""

    option: str
    text: str
    range: Range
    network: int


def name_of(span: Span) -> str:
    """What a subnet that is not the first one is known by, besides its deployment."""
    return f"{span.network}:{span.range.network}"


def _spans(options: Any) -> list[Span]:
    """The users' subnets, in the order in which they are shown. Raises ``BadNetworkConfiguration``."""
    wanted = [("cidr", options.cidr, 1)]
    wanted += [("further_subnets", text, 1) for text in options.further_subnets]
    wanted += [("further_networks", text, place) for place, text in enumerate(options.further_networks, 2)]
    return [Span(option, text, parse(option, text, servers=True), place) for option, text, place in wanted]


def _check_apart(spans: list[Span]) -> None:
    for one, other in itertools.combinations(spans, 2):
        if one.range.network.version == other.range.network.version and one.range.network.overlaps(other.range.network):
            raise BadNetworkConfiguration(
                f"[local_network] {other.option} = {other.text}: overlaps {one.option} = {one.text}; "
                "give ranges that have no address in common."
            )


def _check_room(option: str, management: Range, users: list[Range]) -> None:
    # Of the addresses that a load balancer takes, at most two in three are amphorae's (a pair and its VIP): so the
    # management network can only run out where it was made too small, and users never learn of it the hard way.
    wanted = min(2 * sum(each.size for each in users) // 3, MOST_AMPHORAE)
    if management.size < wanted:
        raise BadNetworkConfiguration(
            f"[local_network] management_cidr = {option}: has room for {management.size} amphorae, and cidr = "
            f"{users[0].network} for {wanted}; give a larger range."
        )


def _management_name(amphora_id: str) -> str:
    return f"lictor-management-{amphora_id}"


def _free_address(session: Session, subnet_id: str, span: Range) -> str:
    # All taken addresses are read at once (thousands take a few milliseconds) and the search begins at random: so those
    # who choose at the same time seldom choose the same, and a freed address is not handed out again at once.
    taken = set(session.scalars(select(LocalPort.ip_address).where(LocalPort.subnet_id == subnet_id)))
    address = span.choose(taken, random.randrange(span.size))
    if address is None:
        first, last = span.pool()
        raise AddressUnavailable(f"No address is left in the pool {first} - {last} of the subnet {span.network}.")
    return address


def _taken_by(row: LocalPort) -> str:
    holder = f"{row.device_owner} {row.device_id}".strip()
    return f"IP address {row.ip_address} is already taken by port {row.name} ({holder or row.id})."
