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
from lictor.drivers.network.base import AddressUnavailable, NetworkError, Port
from lictor.failpoints import reach
from lictor.model import Amphora, AmphoraHealth, LoadBalancer, now
from lictor.model.amphora import new_amphora
from lictor.model.offers import amphora_columns
from lictor.model.statuses import ROLES, AmphoraStatus

LOG = logging.getLogger(__name__)

BETWEEN = ("port made", "instance made", "instance deleted", "port deleted")
"""Fail points between "made outside" and "written down"."""


def amphora_rows(task: Task) -> None:
    """See that there is a row for each amphora that the topology asks for; the API made the first ones.

    Whatever is condemned gets another one beside it, and goes when that one serves (``leftovers``). But what never
    served goes at once: or one that fails would leave another one behind with every attempt.
    """
    for amphora in _never_served(task):
        _remove(task, amphora)
    have = {amphora.role for amphora in serving(task)}
    missing = [role for role in ROLES[task.load_balancer.topology] if role not in have]

    def insert(session: Session) -> None:
        promised = amphora_columns(session, task.load_balancer)
        session.add_all([new_amphora(task.load_balancer, role, **promised) for role in missing])

    if missing:
        task.tools.store.write(insert)


def _never_served(task: Task) -> list[Amphora]:
    condemned = [amphora for amphora in task.load_balancer.amphorae if amphora.condemned]
    with task.tools.store.read() as session:
        ids = [amphora.id for amphora in condemned]
        served = set(session.scalars(select(AmphoraHealth.amphora_id).where(AmphoraHealth.amphora_id.in_(ids))))
    return [amphora for amphora in condemned if amphora.id not in served]


def ports(task: Task) -> None:
    """See that each amphora has a port of its own on the VIP's subnet."""
    for amphora in serving(task):
        if amphora.vrrp_port_id and task.tools.networking.port(amphora.vrrp_port_id):
            continue
        port = _make_port(task, amphora)
        reach("port made")
        _record(task, amphora, vrrp_port_id=port.id, vrrp_ip=port.ip_address)


def _make_port(task: Task, amphora: Amphora) -> Port:
    wanted = [base.amphora_port(amphora.id, str(task.load_balancer.vip_subnet_id), task.load_balancer.project_id)]
    try:
        (port,) = task.tools.networking.create_ports(wanted)
    except AddressUnavailable:
        condemned = [other for other in amphorae(task) if _is_condemned(task, other)]
        if not condemned:
            raise
        # No address is left for two at a time: better a gap in the traffic than no replacement.
        for other in condemned:
            _remove(task, other)
        (port,) = task.tools.networking.create_ports(wanted)
    return port


def instances(task: Task) -> None:
    """See that an instance runs for each amphora; one that is dead or half made is made anew."""
    for amphora in serving(task):
        instance = task.tools.compute.find(amphora.id)
        if instance is None or not instance.running:
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
        **({"cert_expiration": expires} if expires else {}),
    )


def nics(task: Task) -> None:
    """See that each instance has a NIC for its port."""
    for amphora in serving(task):
        task.tools.compute.attach(amphora.id, amphora_port(task, amphora))


def leftovers(task: Task) -> None:
    """Remove amphorae that were replaced, or that the topology no longer asks for."""
    wanted = ROLES[task.load_balancer.topology]
    for amphora in amphorae(task):
        if _is_condemned(task, amphora):
            _remove(task, amphora)
            events.record(task, "amphora_replaced", f"Amphora {amphora.id} was replaced by another one.", amphora.id)
        elif amphora.role not in wanted:
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


def serving(task: Task) -> list[Amphora]:
    """The amphorae that are to carry the traffic: all but those that are to be replaced."""
    return [amphora for amphora in amphorae(task) if not _is_condemned(task, amphora)]


def _is_condemned(task: Task, amphora: Amphora) -> bool:
    # As of the pass's beginning: what is condemned meanwhile is this pass's to serve and the next one's to replace, or
    # it would go without another one in its place.
    return any(each.id == amphora.id and each.condemned for each in task.load_balancer.amphorae)


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
