"""The ports of a load balancer's VIPs that Lictor made: which there are, and what becomes of one that is deleted."""

import dataclasses

from sqlalchemy import Update, select, update

from lictor.control import events
from lictor.control.task import Task
from lictor.drivers.network import base
from lictor.drivers.network.base import PortGone, PortRequest
from lictor.failpoints import reach
from lictor.model import AdditionalVip, LoadBalancer

BETWEEN = ("VIP port made",)
"""Fail points between "made outside" and "written down"."""


@dataclasses.dataclass(frozen=True)
class Vip:
    """A VIP's port, and what it is made with. ``main`` is false for that of an additional VIP."""

    port_id: str
    request: PortRequest
    main: bool


def own(task: Task) -> list[Vip]:
    """As the rows are now, the main one first; without ports that users brought."""
    balancer_id, project_id = task.load_balancer.id, task.load_balancer.project_id
    with task.tools.store.read() as session:
        main = session.get_one(LoadBalancer, balancer_id)
        further = select(AdditionalVip).where(AdditionalVip.load_balancer_id == balancer_id)
        others = session.scalars(further.order_by(AdditionalVip.position)).all()
    found = []
    if main.vip_port_id and main.vip_port_owned:
        request = base.vip_port(balancer_id, str(main.vip_subnet_id), project_id, str(main.vip_address))
        found.append(Vip(main.vip_port_id, request, main=True))
    for number, vip in enumerate(others, 1):
        if vip.port_owned:
            request = base.additional_vip_port(balancer_id, number, vip.subnet_id, project_id, vip.ip_address)
            found.append(Vip(vip.port_id, request, main=False))
    return found


def make_anew(task: Task, gone: PortGone) -> None:
    """Make the port of a VIP again, at its address. Raises ``gone`` if it is no VIP's of ours, and ``NetworkError``."""
    vip = next((each for each in own(task) if each.port_id == gone.port_id), None)
    if vip is None:
        raise gone
    (port,) = task.tools.networking.create_ports([vip.request])
    reach("VIP port made")
    task.tools.store.write(lambda session: session.execute(_naming(task, vip, port.id)))
    events.record(task, "vip_port_remade", f"The port of {port.ip_address} was deleted by somebody, and made anew.")


def _naming(task: Task, vip: Vip, port_id: str) -> Update:
    """The statement that writes the new port down, if the load balancer is still ours."""
    if vip.main:
        return update(LoadBalancer).where(task.claim.mine()).values(vip_port_id=port_id)
    ours = select(LoadBalancer.id).where(task.claim.mine()).scalar_subquery()
    mine = (AdditionalVip.load_balancer_id == ours) & (AdditionalVip.port_id == vip.port_id)
    return update(AdditionalVip).where(mine).values(port_id=port_id)
