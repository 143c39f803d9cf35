"""Two amphorae that carry one load balancer: who the other one is, who is told first, and who has the VIPs."""

import time
from collections.abc import Sequence

from oslo_config import cfg

from lictor.amphora.client import AgentError
from lictor.amphora.keepalived import Timing
from lictor.amphora.pair import Pair, Peer
from lictor.control.provision import amphorae, serving
from lictor.control.task import Task
from lictor.model import Amphora
from lictor.model.statuses import ROLES, AmphoraStatus, Role
from lictor.wire import Report

_POLL = 0.02
_ADVERTISEMENTS = 5
"""The VIPs are taken after three that were missed, and a little."""


def pair(task: Task, amphora: Amphora) -> Pair | None:
    """The two, as ``amphora`` is told of them; None where it is to carry the load balancer alone.

    The other one is the one that is to stay, or, as long as there is no such, one that is to be replaced.
    """
    if not is_pair(task):
        return None
    ids = [each.id for each in serving(task)]
    others = [each for each in amphorae(task) if each.id != amphora.id and each.vrrp_ip]
    others.sort(key=lambda other: (other.id not in ids, other.role == amphora.role))
    if not others:
        return None
    return Pair(own=_peer(amphora), other=_peer(others[0]), role=str(amphora.role))


def is_pair(task: Task) -> bool:
    """Whether the load balancer's topology asks for two amphorae."""
    return len(ROLES[task.load_balancer.topology]) > 1


def in_order(task: Task, amphorae: list[Amphora]) -> list[Amphora]:
    """Whom to tell first: what goes wrong with the one that stands by disturbs nobody.

    Those that have just booted come last, so that whoever has the VIP knows them when they come. One answer is enough
    to tell two others apart; one that does not answer comes after the other.
    """
    booting = [each for each in amphorae if each.status == AmphoraStatus.BOOTING]
    running = sorted((each for each in amphorae if each not in booting), key=lambda each: each.role == Role.MASTER)
    if len(running) > 1 and ((report := _report(task, running[0])) is None or not report.standby):
        running.reverse()
    return running + booting


def await_carrier(task: Task, reports: Sequence[Report]) -> None:
    """Wait until one of the amphorae has the VIPs, if none had them when it was told: the pair is new."""
    patience = _ADVERTISEMENTS * task.tools.conf.keepalived_vrrp.vrrp_advert_int
    deadline = time.monotonic() + patience
    while reports and all(report.standby for report in reports) and time.monotonic() < deadline:
        time.sleep(_POLL)
        reports = [report for each in serving(task) if (report := _report(task, each))]


def timing(conf: cfg.ConfigOpts) -> Timing:
    """The operator's options."""
    options = conf.keepalived_vrrp
    return Timing(
        advert_int=options.vrrp_advert_int,
        garp_refresh_interval=options.vrrp_garp_refresh_interval,
        garp_refresh_count=options.vrrp_garp_refresh_count,
    )


def _peer(amphora: Amphora) -> Peer:
    return Peer(amphora.id, str(amphora.vrrp_ip))


def _report(task: Task, amphora: Amphora) -> Report | None:
    try:
        return task.tools.agents.report(str(amphora.lb_network_ip), amphora.id)
    except AgentError:
        return None
