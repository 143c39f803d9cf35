"""What an amphora has besides its port on the VIP's subnet: addresses on further subnets, and NICs on further networks.

Further subnets are those of additional VIPs and of members. One on the VIP's network is one more address of the VIP's
NIC; one on another network is a NIC of its own, hot-plugged while the amphora runs, and taken away when no member is
there any more. Ports are found again by the amphora's id and the subnet, and rows say which there are.
"""

import ipaddress
from collections.abc import Iterator

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from lictor.amphora.state import Nic, Place, Wiring
from lictor.amphora.tree import members
from lictor.control.task import Task
from lictor.drivers.network.base import NetworkError, Port, Subnet, member_port
from lictor.model import Amphora, AmphoraMemberPort, Member

VIP_NIC = "eth1"
"""The NIC on the VIP's network, as Octavia has it (reference, 4.1)."""


def make_ports(task: Task, amphora: Amphora) -> None:
    """See that the amphora has a port on each further subnet, and a row for each."""
    wanted = further_subnets(task)
    there = {port.subnet_id for port in _ports(task, amphora)} if wanted else set()
    for subnet in wanted:
        if subnet.id not in there:
            _make(task, amphora, subnet)


def attach(task: Task, amphora: Amphora) -> None:
    """See that the amphora has a NIC for each port that is not on the VIP's network."""
    for port in nics(task, amphora):
        task.tools.compute.attach(amphora.id, port)


def nics(task: Task, amphora: Amphora) -> list[Port]:
    """The ports on other networks than the VIP's: there is a NIC for each."""
    return [port for port in _ports(task, amphora) if port.network_id != task.load_balancer.vip_network_id]


def addresses_beside_vip(task: Task, amphora: Amphora) -> list[str]:
    """The addresses on further subnets that the NIC on the VIP's network has."""
    ports = _ports(task, amphora)
    return [port.ip_address for port in ports if port.network_id == task.load_balancer.vip_network_id]


def wiring(task: Task, amphora: Amphora, port: Port) -> Wiring:
    """The NICs of an amphora whose port on the VIP's subnet is ``port``."""
    ports = {each.subnet_id: each for each in _ports(task, amphora)}
    further = [Place(ports[subnet.id], subnet) for subnet in further_subnets(task) if subnet.id in ports]
    here = [place for place in further if place.port.network_id == port.network_id]
    vip = _nic(task, VIP_NIC, Place(port, _subnet(task, port.subnet_id)), *here)
    return Wiring((vip, *(_nic(task, _name(place.subnet), place) for place in further if place not in here)))


def remove_unused(task: Task, amphora: Amphora) -> None:
    """Take away ports and NICs on subnets where nothing is any more."""
    wanted = {subnet.id for subnet in further_subnets(task)}
    for row in _rows(task, amphora):
        port = task.tools.networking.port(row.port_id)
        if port is None or port.subnet_id not in wanted:
            _remove(task, amphora, row.port_id, port)


def remove_all(task: Task, amphora: Amphora) -> None:
    """Remove the ports of an amphora that is gone."""
    for row in _rows(task, amphora):
        _remove(task, amphora, row.port_id, None)


def further_subnets(task: Task) -> list[Subnet]:
    """The subnets that an amphora must reach besides the VIP's own: additional VIPs' first, then members'."""
    if not task.tools.compute.has_agents:
        return []
    ids = [vip.subnet_id for vip in task.load_balancer.additional_vips]
    for pool in task.load_balancer.pools:
        for member in members(pool):
            ids += _subnets_of(task, member)
    return [_subnet(task, each) for each in dict.fromkeys(ids) if each != task.load_balancer.vip_subnet_id]


def _subnets_of(task: Task, member: Member) -> Iterator[str]:
    """Where a member is: on the subnet it names; else the VIP's subnet routes to it, if that is of its family.

    Else the VIP's network may have a subnet of that family: through an IPv6 VIP to a member with an IPv4 address.
    """
    if member.subnet_id:
        yield member.subnet_id
    for address in filter(None, [None if member.subnet_id else member.address, member.monitor_address]):
        version = ipaddress.ip_address(address).version
        if version != ipaddress.ip_address(str(task.load_balancer.vip_address)).version:
            yield from _first_of(task, version)


def _first_of(task: Task, version: int) -> list[str]:
    network = task.tools.networking.network(str(task.load_balancer.vip_network_id))
    ids = network.subnet_ids if network else ()
    return [each for each in ids if ipaddress.ip_network(_subnet(task, each).cidr).version == version][:1]


def _make(task: Task, amphora: Amphora, subnet: Subnet) -> None:
    request = member_port(amphora.id, subnet.id, task.load_balancer.project_id)
    (port,) = task.tools.networking.create_ports([request])
    row = {"port_id": port.id, "amphora_id": amphora.id, "network_id": port.network_id}
    task.tools.store.write(lambda session: session.merge(AmphoraMemberPort(**row)))


def _remove(task: Task, amphora: Amphora, port_id: str, port: Port | None) -> None:
    if port is not None:
        task.tools.compute.detach(amphora.id, port)
    task.tools.networking.delete_port(port_id)

    def erase(session: Session) -> None:
        session.execute(delete(AmphoraMemberPort).where(AmphoraMemberPort.port_id == port_id))

    task.tools.store.write(erase)


def _rows(task: Task, amphora: Amphora) -> list[AmphoraMemberPort]:
    with task.tools.store.read() as session:
        query = select(AmphoraMemberPort).where(AmphoraMemberPort.amphora_id == amphora.id)
        return list(session.scalars(query.order_by(AmphoraMemberPort.port_id)))


def _ports(task: Task, amphora: Amphora) -> list[Port]:
    found = (task.tools.networking.port(row.port_id) for row in _rows(task, amphora))
    return [port for port in found if port is not None]


def _nic(task: Task, name: str, *places: Place) -> Nic:
    port = places[0].port
    network = task.tools.networking.network(port.network_id)
    if network is None:
        raise NetworkError(f"Network {port.network_id} of the amphora's port {port.id} is gone.")
    return Nic(name=name, places=places, mtu=network.mtu)


def _name(subnet: Subnet) -> str:
    # By the subnet, not counted: what comes and goes must not rename (and so interrupt) the others. 15 characters.
    return f"eth-{subnet.id.replace('-', '')[:11]}"


def _subnet(task: Task, subnet_id: str) -> Subnet:
    subnet = task.tools.networking.subnet(subnet_id)
    if subnet is None:
        raise NetworkError(f"Subnet {subnet_id} is gone.")
    return subnet
