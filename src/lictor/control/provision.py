"""The steps that see to amphorae: their rows, ports, instances and NICs.

Each side effect is "make it outside, then write it down", and each starts by looking whether it was made before.
"""

import collections
import contextlib
import functools
import logging
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from lictor.amphora.pki import Certificate
from lictor.control import events, plugging, replacement
from lictor.control.lease import hold
from lictor.control.task import Task
from lictor.drivers.compute.base import Boot, ComputeError, Instance, StillLeaving
from lictor.drivers.network import base
from lictor.drivers.network.base import AddressUnavailable, NetworkError, Port
from lictor.failpoints import reach
from lictor.model import Amphora, AmphoraHealth, LoadBalancer, now
from lictor.model import replacement as condemnation
from lictor.model.amphora import new_amphora
from lictor.model.clock import clock_ms
from lictor.model.offers import amphora_columns, availability_zone_data, flavor_data
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
    replacement.choose(task)
    _condemn_surplus(task)
    have = {amphora.role for amphora in serving(task)}
    missing = [role for role in ROLES[task.load_balancer.topology] if role not in have]

    def insert(session: Session) -> None:
        # Whoever lost the lease must not add to what another worker has added meanwhile: two would have the VIP.
        hold(session, task.claim)
        promised = amphora_columns(session, task.load_balancer)
        session.add_all([new_amphora(task.load_balancer, role, **promised) for role in missing])

    if missing:
        task.tools.store.write(insert)


def _condemn_surplus(task: Task) -> None:
    """Of several with one role, the first that serves stays."""
    able = _able(task)
    first = _first_of_each_role(able)
    surplus = [amphora.id for amphora in able if amphora.id != first[amphora.role]]
    if surplus:
        why = "Another amphora has its role already."
        mark = functools.partial(condemnation.mark, by=condemnation.SURPLUS, why=why)
        task.tools.store.write(lambda session: mark(session, Amphora.id.in_(surplus)))


def _never_served(task: Task) -> list[Amphora]:
    if not task.tools.compute.has_agents:
        return []  # nobody could say who did
    condemned = [amphora for amphora in task.load_balancer.amphorae if amphora.condemned]
    with task.tools.store.read() as session:
        ids = [amphora.id for amphora in condemned]
        served = set(session.scalars(select(AmphoraHealth.amphora_id).where(AmphoraHealth.amphora_id.in_(ids))))
    return [amphora for amphora in condemned if amphora.id not in served]


def ports(task: Task) -> None:
    """See that each amphora has ports of its own: on the VIP's subnet, and on further ones that it has to reach."""
    for amphora in serving(task):
        if not amphora.vrrp_port_id or not task.tools.networking.port(amphora.vrrp_port_id):
            port = _make_port(task, amphora)
            reach("port made")
            _record(task, amphora, vrrp_port_id=port.id, vrrp_ip=port.ip_address)
        plugging.make_ports(task, amphora)


def _make_port(task: Task, amphora: Amphora) -> Port:
    wanted = [base.amphora_port(amphora.id, str(task.load_balancer.vip_subnet_id), task.load_balancer.project_id)]
    try:
        (port,) = task.tools.networking.create_ports(wanted)
    except AddressUnavailable:
        going = [other for other in amphorae(task) if other.id in task.turnover.replacing]
        if not going:
            raise
        # No address is left for two at a time: better a gap in the traffic than no replacement.
        for other in going:
            _remove(task, other)
        (port,) = task.tools.networking.create_ports(wanted)
    return port


def instances(task: Task) -> None:
    """See that an instance runs for each amphora; one that is dead or half made is made anew. Two boot side by side."""
    missing = []
    for amphora in serving(task):
        instance = task.tools.compute.find(amphora.id)
        task.said[amphora.id] = f"{instance.said} " if instance and instance.said else ""
        if instance is None or not instance.running:
            _check_boot(task, amphora, instance)
            if amphora.status == AmphoraStatus.BOOTING or replacement.may_start_anew(task, amphora):
                missing.append(amphora)
        elif amphora.compute_id != instance.compute_id or amphora.lb_network_ip != instance.lb_network_ip:
            _record_instance(task, amphora, instance)
    if len(missing) == 1:
        _boot(task, missing[0])
    elif missing:
        with ThreadPoolExecutor(len(missing)) as pool:
            collections.deque(pool.map(functools.partial(_boot, task), missing), maxlen=0)


def _check_boot(task: Task, amphora: Amphora, instance: Instance | None) -> None:
    """What failed to boot is no more than a reason: it goes, and the next pass makes another."""
    if instance and instance.fault and amphora.status == AmphoraStatus.BOOTING:
        with contextlib.suppress(StillLeaving):
            task.tools.compute.delete(amphora.id)
        raise ComputeError(f"Amphora {amphora.id} could not be started. {instance.fault}")


def _boot(task: Task, amphora: Amphora) -> None:
    if amphora.cert_expiration:
        # From here on it is not known which certificate an agent shows, until that is written down again.
        _record(task, amphora, cert_busy=True, cert_expiration=None, papers=None)
    seconds = task.tools.conf.certificates.cert_validity_time
    identity = task.tools.authority.issue_server(amphora.id, seconds)
    instance = task.tools.compute.create(_boot_order(task, amphora, identity))
    reach("instance made")
    _record_instance(task, amphora, instance, identity)
    task.said[amphora.id] = f"{instance.said} " if instance.said else ""
    events.record(task, "amphora_booted", f"Amphora {amphora.id} was started.", amphora.id)


def _boot_order(task: Task, amphora: Amphora, identity: Certificate) -> Boot:
    with task.tools.store.read() as session:
        flavor = flavor_data(session, task.load_balancer.flavor_id)
        zone = availability_zone_data(session, task.load_balancer.availability_zone)
    return Boot(
        amphora_id=amphora.id,
        load_balancer_id=task.load_balancer.id,
        certificate=identity.certificate,
        private_key=identity.private_key,
        client_ca=identity.client_ca,
        anti_affinity=_anti_affinity(task),
        compute_flavor=amphora.compute_flavor or "",
        image_tag=flavor.get("amp_image_tag", ""),
        availability_zone=amphora.cached_zone or "",
        management_networks=(zone["management_network"],) if "management_network" in zone else (),
        ports=(amphora_port(task, amphora), *plugging.nics(task, amphora)),
    )


def _anti_affinity(task: Task) -> str:
    nova = task.tools.conf.nova
    pair = len(ROLES[task.load_balancer.topology]) > 1
    return str(nova.anti_affinity_policy) if pair and nova.enable_anti_affinity else ""


def _record_instance(task: Task, amphora: Amphora, instance: Instance, identity: Certificate | None = None) -> None:
    _record(
        task,
        amphora,
        compute_id=instance.compute_id,
        lb_network_ip=instance.lb_network_ip,
        status=AmphoraStatus.BOOTING,
        booted_ms=clock_ms(),
        **(shown(identity) if identity else {}),
    )


def shown(identity: Certificate) -> dict[str, object]:
    """The columns that say which certificate an amphora shows."""
    return {"cert_expiration": identity.expires, "papers": identity.papers, "cert_busy": False}


def nics(task: Task) -> None:
    """See that each instance has a NIC for its port, and one on each further network."""
    for amphora in serving(task):
        task.tools.compute.attach(amphora.id, amphora_port(task, amphora))
        plugging.attach(task, amphora)


def leftovers(task: Task) -> None:
    """Remove amphorae that were replaced, or that the topology no longer asks for, and NICs that nothing needs."""
    wanted = ROLES[task.load_balancer.topology]
    serving_now = {amphora.role for amphora in serving(task) if amphora.status == AmphoraStatus.ALLOCATED}
    for amphora in amphorae(task):
        if amphora.id in task.turnover.replacing and amphora.role in serving_now:
            _remove(task, amphora)
            events.record(task, "amphora_replaced", f"Amphora {amphora.id} was replaced by another one.", amphora.id)
        elif amphora.role not in wanted:
            _remove(task, amphora)
        else:
            plugging.remove_unused(task, amphora)


def delete_instances(task: Task) -> None:
    """Remove every instance of a load balancer that is to go, side by side where that takes a while."""
    leaving: list[StillLeaving] = []
    for amphora in amphorae(task):
        try:
            task.tools.compute.delete(amphora.id)
        except StillLeaving as error:
            leaving.append(error)
        reach("instance deleted")
    if leaving:
        raise leaving[0]


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
    plugging.remove_all(task, amphora)
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
    """The amphorae that are to carry the traffic after this pass.

    Not those that it replaces; not those that are dead and have to wait; not a successor whose time has not come, as
    the one that is condemned still serves; and of each role one, as two would both have the VIP.
    """
    able = _able(task)
    first = _first_of_each_role(able)
    return [amphora for amphora in able if first[amphora.role] == amphora.id]


def _first_of_each_role(amphorae: list[Amphora]) -> dict[str | None, str]:
    """The one that serves, if one does: no two may have the VIP."""
    best = sorted(amphorae, key=lambda amphora: amphora.status != AmphoraStatus.ALLOCATED)
    return {amphora.role: amphora.id for amphora in reversed(best)}


def _able(task: Task) -> list[Amphora]:
    there = [amphora for amphora in amphorae(task) if amphora.id not in task.turnover.replacing]
    condemned = {each.id for each in task.load_balancer.amphorae if each.condemned}
    taken = {amphora.role for amphora in there if amphora.id in condemned}
    return [
        amphora
        for amphora in there
        if amphora.id not in task.turnover.absent
        and (amphora.id in condemned or amphora.role not in taken or amphora.status != AmphoraStatus.BOOTING)
    ]


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
