"""The embedded network driver: two networks of this host, and the address book of table ``local_port``.

* The user network (``private`` with ``private-subnet``) carries VIPs, amphorae and members. This host has its first
  address. The lower quarter of the range is left to the operator's own servers; ports get addresses of the rest, the
  allocation pool, unless they ask for another one.
* The management network (``lb-mgmt-net``) joins this host and its amphorae. Users are never shown it.

The driver keeps the book only; the links are made by the compute driver. Every id follows from the deployment and a
name, so that the same port has the same id and MAC address when it is made again.
"""

import random
import uuid
from collections.abc import Sequence

from oslo_config import cfg
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lictor.config import deployment
from lictor.drivers.network.base import AddressUnavailable, Named, Network, NetworkError, Port, PortRequest, Subnet
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
        private = parse("cidr", options.cidr, servers=True)
        management = parse("management_cidr", options.management_cidr, servers=False)
        if private.network.version == management.network.version and private.network.overlaps(management.network):
            raise BadNetworkConfiguration(
                f"[local_network] management_cidr = {options.management_cidr}: overlaps cidr = {options.cidr}; "
                "give two ranges that have no address in common."
            )
        _check_room(options.management_cidr, management, private)
        if options.mtu > 65535:  # what veth and bridge take at most
            raise BadNetworkConfiguration(f"[local_network] mtu = {options.mtu}: give a value from 1280 to 65535.")
        self._network, self._subnet = self._build(options.network_name, options.subnet_name, "private", private)
        self.management_network, self.management_subnet = self._build(
            "lb-mgmt-net", "lb-mgmt-subnet", "management", management
        )
        self._ranges = {self._subnet.id: private, self.management_subnet.id: management}
        self._network_ids = {s.id: s.network_id for s in (self._subnet, self.management_subnet)}

    def _build(self, network_name: str, subnet_name: str, role: str, span: Range) -> tuple[Network, Subnet]:
        # Ids follow the role, not the name that is shown: an operator may rename a network that is in use.
        network_id, subnet_id = self._id(f"network:{role}"), self._id(f"subnet:{role}")
        subnet = Subnet(subnet_id, subnet_name, network_id, str(span.network), span.gateway, (span.pool(),))
        return Network(network_id, network_name, self._mtu, (subnet_id,)), subnet

    def _id(self, name: str) -> str:
        return str(uuid.uuid5(self._namespace, name))

    # --- what users see ---

    def networks(self) -> list[Network]:
        """The user network."""
        return [self._network]

    def subnets(self) -> list[Subnet]:
        """The user network's subnet."""
        return [self._subnet]

    def ports(self) -> list[Port]:
        """All ports on the user network."""
        return self._ports(self._subnet.id)

    def network(self, network_id: str) -> Network | None:
        """The user network, if this is its id."""
        return self._network if network_id == self._network.id else None

    def subnet(self, subnet_id: str) -> Subnet | None:
        """The user network's subnet, if this is its id."""
        return self._subnet if subnet_id == self._subnet.id else None

    def port(self, port_id: str) -> Port | None:
        """One port of the user network, or None."""
        with self._store.read() as session:
            row = session.get(LocalPort, port_id)
            return port_of(row) if row is not None and row.subnet_id == self._subnet.id else None

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

    def _ports(self, subnet_id: str) -> list[Port]:
        query = select(LocalPort).where(LocalPort.subnet_id == subnet_id).order_by(LocalPort.created_at, LocalPort.id)
        with self._store.read() as session:
            return [port_of(row) for row in session.scalars(query)]

    def check_ports(self) -> None:
        """Raise ``BadNetworkConfiguration`` if a range was changed while ports still have addresses of the old one."""
        for option, subnet in (("cidr", self._subnet), ("management_cidr", self.management_subnet)):
            span = self._ranges[subnet.id]
            strays = [port.ip_address for port in self._ports(subnet.id) if not span.holds(port.ip_address)]
            if strays:
                raise BadNetworkConfiguration(
                    f"[local_network] {option} = {span.network}: {len(strays)} port(s) have addresses outside it "
                    f"(e.g. {strays[0]}), from an earlier value; put that value back, or delete what uses them first."
                )

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


def _check_room(option: str, management: Range, private: Range) -> None:
    # Of the addresses that a load balancer takes, at most two in three are amphorae's (a pair and its VIP): so the
    # management network can only run out where it was made too small, and users never learn of it the hard way.
    wanted = min(2 * private.size // 3, MOST_AMPHORAE)
    if management.size < wanted:
        raise BadNetworkConfiguration(
            f"[local_network] management_cidr = {option}: has room for {management.size} amphorae, and cidr = "
            f"{private.network} for {wanted}; give a larger range."
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
