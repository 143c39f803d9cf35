"""The network driver ``noop``: every network, subnet, port, QoS policy and security group exists, and none is real.

For developers of clients, benchmarks and conformance tests. What is not kept follows from the id asked for, and ports
that Lictor makes are rows of table ``local_port``: so any number of API processes on one database agree.

* Addresses come from 198.18.0.0/16 (RFC 2544) and 2001:db8::/32 (RFC 3849), which no packet is ever sent to; no two
  ports of one subnet have the same. An address that is asked for is granted, whatever it is.
* A subnet whose id begins with ``00000006`` is an IPv6 one; every other is an IPv4 one. Each network has one of both.
* A subnet is on whatever network it is named together with, and on ``private`` if alone.
"""

import functools
import hashlib
import ipaddress
import uuid
from collections.abc import Sequence

from oslo_config import cfg
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

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
from lictor.model.localport import LocalPort
from lictor.model.store import Store

ATTEMPTS = 25
"""How often an address is made up anew when another port of the subnet has it."""

IPV6 = "00000006"
"""What the ids of IPv6 subnets begin with."""

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_OID, "lictor:noop")


class NoopNetwork:
    """Implements ``drivers.network.base.Networking`` without any network. Thread-safe."""

    def __init__(self, conf: cfg.ConfigOpts, store: Store) -> None:
        options = conf.local_network
        self._store = store
        self._mtu = options.mtu
        self._names: dict[str, str] = {_made_up("network:private"): options.network_name}
        four, six = self.networks()[0].subnet_ids
        self._names.update({four: options.subnet_name, six: f"{options.subnet_name}-ipv6"})

    def as_seen_with(self, token: str | None) -> "NoopNetwork":
        """Itself: everybody sees the same."""
        return self

    def networks(self) -> list[Network]:
        """The network that has a name, so that users can name it."""
        return [self._network(_made_up("network:private"))]

    def subnets(self) -> list[Subnet]:
        """Its two subnets."""
        return [self._subnet(subnet_id) for subnet_id in self.networks()[0].subnet_ids]

    def has_network(self, network_id: str) -> bool:
        """Whether it can be an id."""
        return _is_id(network_id)

    def ports(self) -> list[Port]:
        """All ports that Lictor made."""
        with self._store.read() as session:
            return [port_of(row) for row in session.scalars(select(LocalPort).order_by(LocalPort.created_at))]

    def ports_named(self, name: str) -> list[Port]:
        """The ports of this name."""
        return [port for port in self.ports() if port.name == name]

    def network(self, network_id: str) -> Network | None:
        """A network with any id."""
        return self._network(network_id) if _is_id(network_id) else None

    def subnet(self, subnet_id: str) -> Subnet | None:
        """A subnet with any id."""
        return self._subnet(subnet_id) if _is_id(subnet_id) else None

    def port(self, port_id: str) -> Port | None:
        """The port if Lictor made it, else one of nobody's with any id."""
        with self._store.read() as session:
            row = session.get(LocalPort, port_id)
            if row is not None:
                return port_of(row)
        return _strange(port_id, self.networks()[0]) if _is_id(port_id) else None

    def qos_policy(self, policy_id: str) -> Named | None:
        """A policy with any id."""
        return Named(policy_id, f"qos-{policy_id[:8]}") if _is_id(policy_id) else None

    def security_group(self, group_id: str) -> Named | None:
        """A group with any id."""
        return Named(group_id, f"group-{group_id[:8]}") if _is_id(group_id) else None

    def free_addresses(self, subnet_id: str) -> int | None:
        """As many as anybody wants."""
        return None

    def create_ports(self, requests: Sequence[PortRequest]) -> list[Port]:
        """Make each port, or take the one of its name on its subnet; all or none. Raises ``AddressUnavailable``."""
        for attempt in range(ATTEMPTS):
            try:
                return self._store.write(functools.partial(self._create_all, requests, attempt))
            except IntegrityError:
                # A name or an address was taken since we looked.
                continue
        raise NetworkError(f"No address was free {ATTEMPTS} times in a row.")

    def delete_port(self, port_id: str) -> None:
        """Remove the port; one that is gone or was never there is no error."""
        self._store.write(lambda session: session.execute(delete(LocalPort).where(LocalPort.id == port_id)))

    def protect(self, wanted: Protection) -> None:
        """Nothing to do: the filter of each amphora says who may reach it (``amphora.nftables``)."""

    def unprotect(self, load_balancer_id: str) -> None:
        """Nothing to do."""

    def purge(self) -> None:
        """Nothing was made that does not go with the database."""

    def _network(self, network_id: str) -> Network:
        subnet_ids = (_made_up(f"subnet:{network_id}:4"), IPV6 + _made_up(f"subnet:{network_id}:6")[8:])
        return Network(network_id, self._name(network_id, "network"), self._mtu, subnet_ids)

    def _subnet(self, subnet_id: str) -> Subnet:
        # All addresses there are: whichever is asked for is in it.
        cidr, pool = ("0.0.0.0/0", ("198.18.0.1", "198.18.255.254"))
        if _is_ipv6(subnet_id):
            cidr, pool = "::/0", ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff")
        return Subnet(subnet_id, self._name(subnet_id, "subnet"), "", cidr, "", (pool,))

    def _name(self, object_id: str, kind: str) -> str:
        return self._names.get(object_id, f"{kind}-{object_id[:8]}")

    def _create_all(self, requests: Sequence[PortRequest], attempt: int, session: Session) -> list[Port]:
        names = select(LocalPort).where(LocalPort.name.in_([each.name for each in requests]))
        rows = {(row.subnet_id, row.name): row for row in session.scalars(names)}
        for each in requests:
            if (each.subnet_id, each.name) not in rows:
                _check_free(session, each)
                rows[each.subnet_id, each.name] = row = self._row(each, attempt)
                session.add(row)
        session.flush()
        return [port_of(rows[each.subnet_id, each.name]) for each in requests]

    def _row(self, request: PortRequest, attempt: int) -> LocalPort:
        port_id = _made_up(f"port:{request.subnet_id}:{request.name}")
        return LocalPort(
            id=port_id, name=request.name, project_id=request.project_id, device_owner=request.device_owner,
            device_id=request.device_id, network_id=request.network_id or self.networks()[0].id,
            subnet_id=request.subnet_id, mac_address=mac_address(port_id),
            ip_address=request.ip_address or _address(request.subnet_id, port_id, attempt),
        )  # fmt: skip


def _check_free(session: Session, request: PortRequest) -> None:
    address, subnet_id = request.ip_address, request.subnet_id
    taken = select(LocalPort.id).where(LocalPort.subnet_id == subnet_id, LocalPort.ip_address == address)
    if address and session.scalar(taken) is not None:
        raise AddressUnavailable(f"IP address {address} is already taken by a port of subnet {subnet_id}.")


def _strange(port_id: str, network: Network) -> Port:
    """A port that somebody else made, on the network that has a name."""
    subnet_id = network.subnet_ids[0]
    address = _address(subnet_id, port_id, 0)
    return Port(port_id, f"port-{port_id[:8]}", network.id, subnet_id, address, mac_address(port_id))


def _is_id(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def _made_up(name: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, name))


def _is_ipv6(subnet_id: str) -> bool:
    return subnet_id.startswith(IPV6)


def _address(subnet_id: str, port_id: str, attempt: int) -> str:
    number = int.from_bytes(hashlib.sha256(f"{port_id}:{attempt}".encode()).digest()[:8], "big")
    if _is_ipv6(subnet_id):
        return str(ipaddress.ip_network("2001:db8::/64")[1 + number % (2**64 - 2)])
    return str(ipaddress.ip_network("198.18.0.0/16")[1 + number % (2**16 - 2)])
