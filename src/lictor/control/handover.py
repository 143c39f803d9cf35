"""The VIP goes from the amphora that is replaced to its successor, so that at no time both have it.

    successor set up without VIP → old one lets go of it → (in a pair: the other one is told of the successor)
    → successor set up with VIP

What takes time or may fail is done before the VIP is let go, rendering too: in between there are only two short
deliveries of a state that differs in nothing but the VIP, and neither needs the database or the network's service.
Open connections end. What the stick tables of one that is well hold is given to its successor before; who comes for the
first time in between is a new client to the successor. In a pair the other amphora takes the VIP as soon as the old one
resigns, and the successor joins as the standby.

A worker that dies in between leaves one that stands alone without a VIP: so the lease is short from before the VIP is
let go, and whoever comes next takes that load balancer first (``lease.hasten``).
"""

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from lictor.amphora import tree
from lictor.amphora.client import AgentError, AgentFenced, AgentUnreachable
from lictor.control import events, lease, pairing, transfer
from lictor.control.provision import amphora_port, amphorae
from lictor.control.task import Task
from lictor.drivers.compute.base import ComputeError, StillLeaving
from lictor.drivers.network.base import NetworkError
from lictor.failpoints import reach
from lictor.model import Amphora
from lictor.model.replacement import WANTED
from lictor.model.statuses import AmphoraStatus
from lictor.wire import DesiredState

LOG = logging.getLogger(__name__)

BETWEEN = ("successor set up", "vip let go")
"""Fail points of a hand-over."""


def prepare(task: Task, here: Sequence[Amphora], states: Mapping[str, DesiredState]) -> None:
    """Set up each successor without VIP, then have those that they replace let go of it.

    ``here`` are the amphorae that are to serve, ``states`` what each is to be in the end, by id.
    """
    going = {each.role: each for each in amphorae(task) if each.id in task.turnover.replacing}
    if not going:
        return
    for amphora in here:
        if _is_successor(task, amphora):
            transfer.sent(task, amphora, resigned(task, states[amphora.id]))
            reach("successor set up")
        elif going.keys() - {amphora.role}:
            # Before the old one resigns, the one that is to take over from it must be known to live.
            task.tools.agents.report(str(amphora.lb_network_ip), amphora.id)
    if not pairing.is_pair(task):
        _carry_sticks(task, list(going.values()), [each for each in here if _is_successor(task, each)])
        lease.hasten(task.tools.store, task.claim)
    for old in going.values():
        task.claim.check()
        _let_go(task, old)
        reach("vip let go")


@contextlib.contextmanager
def secured(task: Task, amphora: Amphora) -> Iterator[None]:
    """Deliver to an amphora inside. If a successor does not take the VIP, the old one gets it back before we raise.

    One that waits for its own replacement, and does not answer, is passed over. But one that was to hear of a successor
    is cut off: the two would not know each other, and both would have the VIP.
    """
    try:
        yield
    except AgentUnreachable:
        task.turnover.unheard.add(amphora.id)
        if not _awaits_replacement(task, amphora):
            _take_back(task, amphora)
            raise
        if pairing.is_pair(task) and task.turnover.replacing and not _is_successor(task, amphora):
            _cut(task, amphora)
    except AgentError:
        _take_back(task, amphora)
        raise


def resigned(task: Task, state: DesiredState) -> DesiredState:
    """The state of an amphora that has no VIP, and does not ask for it."""
    vips = {str(vip) for vip in tree.vips(task.load_balancer)}
    interfaces = [
        msgspec.structs.replace(
            each, addresses=[ip for ip in each.addresses if ip.partition("/")[0] not in vips], floating=[]
        )
        for each in state.interfaces
    ]
    return msgspec.structs.replace(state, interfaces=interfaces, keepalived="")


def _is_successor(task: Task, amphora: Amphora) -> bool:
    """Whether it is to take the place of one that is replaced, and never had it."""
    return bool(task.turnover.replacing) and amphora.status == AmphoraStatus.BOOTING


def _awaits_replacement(task: Task, amphora: Amphora) -> bool:
    return any(each.id == amphora.id and each.condemned for each in task.load_balancer.amphorae)


def _carry_sticks(task: Task, olds: list[Amphora], successors: list[Amphora]) -> None:
    """Which client stays with which member, from one alone to its successor (pairs tell each other all the time).

    Only of one that was well: others may not answer, and the traffic waits.
    """
    wanted = any(pool.session_persistence for pool in task.load_balancer.pools)
    for old in olds if wanted else []:
        for amphora in successors:
            if old.condemned_by not in WANTED or old.status == AmphoraStatus.ERROR:
                continue
            try:
                sticks = task.tools.agents.sticks(str(old.lb_network_ip), old.id)
                mine = msgspec.structs.replace(sticks, amphora_id=amphora.id, epoch=task.claim.epoch)
                task.tools.agents.stick(str(amphora.lb_network_ip), mine)
            except AgentError as error:
                LOG.warning("Clients of amphora %s do not stay with their members: %s", old.id, error)


def _let_go(task: Task, old: Amphora) -> None:
    """By its agent, which is quick; one that is broken, or does not answer, is cut off its network."""
    instance = task.tools.compute.find(old.id)
    if instance is None or not instance.running:
        return
    try:
        if old.status == AmphoraStatus.ERROR:
            raise AgentUnreachable(f"Amphora {old.id} is broken.")
        transfer.sent(task, old, resigned(task, transfer.render(task, old)))
    except AgentFenced:
        raise  # It is not ours any more: another worker acts.
    except (AgentError, NetworkError) as error:
        LOG.warning("Amphora %s is cut off its network: %s", old.id, error)
        _cut(task, old)


def _cut(task: Task, amphora: Amphora) -> None:
    try:
        _wait_cut(task, amphora)
    except NetworkError:
        return  # It has no port any more, and so no NIC.
    except ComputeError as error:
        # It neither answers nor can be reached from outside. Its successor announces the VIP: better than nobody.
        message = f"Amphora {amphora.id} could not be cut off its network, and may still have the VIP: {error}"
        LOG.error(message)
        events.record(task, "failover_unsafe", message, amphora.id)


def _wait_cut(task: Task, amphora: Amphora) -> None:
    """To the end, as nobody else may have the VIP before. How long that may take is the driver's to say."""
    while True:
        task.claim.check()
        with contextlib.suppress(StillLeaving):
            return task.tools.compute.detach(amphora.id, amphora_port(task, amphora))


def _take_back(task: Task, amphora: Amphora) -> None:
    """The successor, which may have the VIP or not, is cut off; the old one, if it lives, gets the VIP again."""
    olds = [each for each in amphorae(task) if each.id in task.turnover.replacing and each.role == amphora.role]
    if not _is_successor(task, amphora) or not olds:
        return
    _cut(task, amphora)
    if pairing.is_pair(task):
        return  # The other one of the pair has the VIP, and may know of the old one no more.
    for old in olds:
        if old.status != AmphoraStatus.ERROR:
            with contextlib.suppress(AgentError, NetworkError):
                transfer.sent(task, old, transfer.render(task, old))
                LOG.warning("Amphora %s has the VIP again: its successor did not take it.", old.id)
