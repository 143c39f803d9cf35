"""The steps that see to amphorae: their rows, ports, instances and NICs.

Each side effect is "make it outside, then write it down", and each starts by looking whether it was made before.
"""

import datetime
import logging

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from lictor.control import events
from lictor.control.task import Task
from lictor.drivers.compute.base import Boot, Instance
from lictor.drivers.network import base
from lictor.drivers.network.base import NetworkError, Port
from lictor.failpoints import reach
from lictor.model import Amphora, AmphoraHealth, LoadBalancer, now
from lictor.model.amphora import new_amphora
from lictor.model.statuses import ROLES, AmphoraStatus

LOG = logging.getLogger(__name__)

BETWEEN = ("port made", "instance made", "instance deleted", "port deleted")
"""Fail points between "made outside" and "written down"."""


def amphora_rows(task: Task) -> None:
    """See that there is a row for each amphora that the topology asks for; the API made the first ones."""
    have = {amphora.role for amphora in task.load_balancer.amphorae}
    missing = [role for role in ROLES[task.load_balancer.topology] if role not in have]
    if missing:
        task.tools.store.write(
            lambda session: session.add_all([new_amphora(task.load_balancer, role) for role in missing])
        )


def ports(task: Task) -> None:
    """See that each amphora has a port of its own on the VIP's subnet."""
    for amphora in amphorae(task):
        if amphora.vrrp_port_id and task.tools.networking.port(amphora.vrrp_port_id):
            continue
        wanted = base.amphora_port(amphora.id, str(task.load_balancer.vip_subnet_id), task.load_balancer.project_id)
        (port,) = task.tools.networking.create_ports([wanted])
        reach("port made")
        _record(task, amphora, vrrp_port_id=port.id, vrrp_ip=port.ip_address)


def instances(task: Task) -> None:
    """See that an instance runs for each amphora; one that is dead, half made or condemned is replaced."""
    for amphora in amphorae(task):
        instance = task.tools.compute.find(amphora.id)
        if instance is None or not instance.running or amphora.condemned:
            _boot(task, amphora)
        elif amphora.compute_id != instance.compute_id or amphora.lb_network_ip != instance.lb_network_ip:
            _record_instance(task, amphora, instance)


def _boot(task: Task, amphora: Amphora) -> None:
    seconds = task.tools.conf.certificates.cert_validity_time
    identity = task.tools.authority.issue_server(amphora.id, seconds)
    instance = task.tools.compute.create(
        Boot(
            amphora_id=amphora.id,
            load_balancer_id=task.load_balancer.id,
            certificate=identity.certificate,
            private_key=identity.private_key,
            client_ca=task.tools.authority.ca_pem,
        )
    )
    reach("instance made")
    _record_instance(task, amphora, instance, identity.expires)
    events.record(task, "amphora_booted", f"Amphora {amphora.id} was started.", amphora.id)


def _record_instance(
    task: Task, amphora: Amphora, instance: Instance, expires: datetime.datetime | None = None
) -> None:
    _record(
        task,
        amphora,
        compute_id=instance.compute_id,
        lb_network_ip=instance.lb_network_ip,
        status=AmphoraStatus.BOOTING,
        condemned=False,
        **({"cert_expiration": expires} if expires else {}),
    )


def nics(task: Task) -> None:
    """See that each instance has a NIC for its port."""
    for amphora in amphorae(task):
        task.tools.compute.attach(amphora.id, amphora_port(task, amphora))


def leftovers(task: Task) -> None:
    """Remove amphorae that the topology no longer asks for."""
    wanted = ROLES[task.load_balancer.topology]
    for amphora in amphorae(task):
        if amphora.role not in wanted:
            _remove(task, amphora)


def delete_instances(task: Task) -> None:
    """Remove every instance of a load balancer that is to go."""
    for amphora in amphorae(task):
        task.tools.compute.delete(amphora.id)
        reach("instance deleted")


def delete_ports(task: Task) -> None:
    """Remove the rows of the amphorae with their ports, and the VIP's ports unless the user brought them."""
    for amphora in amphorae(task):
        _remove(task, amphora)
    load_balancer = task.load_balancer
    if load_balancer.vip_port_id and load_balancer.vip_port_owned:
        task.tools.networking.delete_port(load_balancer.vip_port_id)
    for vip in load_balancer.additional_vips:
        if vip.port_owned:
            task.tools.networking.delete_port(vip.port_id)


def _remove(task: Task, amphora: Amphora) -> None:
    task.tools.compute.delete(amphora.id)
    if amphora.vrrp_port_id:
        task.tools.networking.delete_port(amphora.vrrp_port_id)
        reach("port deleted")

    def erase(session: Session) -> None:
        session.execute(delete(AmphoraHealth).where(AmphoraHealth.amphora_id == amphora.id))
        session.execute(delete(Amphora).where(Amphora.id == amphora.id))

    task.tools.store.write(erase)


def amphorae(task: Task) -> list[Amphora]:
    """The amphorae as their rows are now, not as they were when the pass began: steps write to them."""
    with task.tools.store.read() as session:
        query = select(Amphora).where(Amphora.load_balancer_id == task.load_balancer.id)
        return list(session.scalars(query.order_by(Amphora.created_at)))


def amphora_port(task: Task, amphora: Amphora) -> Port:
    """The port of an amphora's VIP NIC. Raises ``NetworkError`` if it vanished since the pass began."""
    port = task.tools.networking.port(amphora.vrrp_port_id) if amphora.vrrp_port_id else None
    if port is None:
        raise NetworkError(f"The port of amphora {amphora.id} on the VIP's subnet is gone.")
    return port


def _record(task: Task, amphora: Amphora, **values: object) -> None:
    """Write down what was made, if the load balancer is still ours."""
    ours = select(LoadBalancer.id).where(task.claim.mine()).scalar_subquery()
    statement = update(Amphora).where(Amphora.id == amphora.id, Amphora.load_balancer_id == ours)
    task.tools.store.write(lambda session: session.execute(statement.values(updated_at=now(), **values)))
