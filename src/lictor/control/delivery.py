"""The step that tells every amphora what it should be, and hears what it is."""

import functools

from sqlalchemy import update
from sqlalchemy.orm import Session

from lictor.amphora.client import AgentUnreachable
from lictor.control import handover, pairing, transfer
from lictor.control.boot import StillBooting
from lictor.control.provision import serving
from lictor.control.task import Task
from lictor.failpoints import reach
from lictor.model import Amphora, AmphoraHealth, now
from lictor.model.clock import clock_ms
from lictor.model.statuses import AmphoraStatus
from lictor.wire import DesiredState, Report

BETWEEN = ("state delivered",)
"""Fail points between "made outside" and "written down"."""


def deliver(task: Task) -> None:
    """Render the tree for each amphora and have its agent converge to it; then count its heartbeats as ours.

    Those that are replaced let go of the VIP before their successors take it (``handover``). One that cannot be reached
    keeps no other from being told, and fails the pass in the end. Where nothing runs, nothing is rendered either
    (compute driver ``noop``).
    """
    if not task.tools.compute.has_agents:
        for amphora in serving(task):
            task.tools.store.write(functools.partial(_allocate, amphora=amphora))
        return
    here = pairing.in_order(task, serving(task))
    states = {amphora.id: transfer.render(task, amphora) for amphora in here}
    handover.prepare(task, here, states)
    unreachable: list[AgentUnreachable] = []
    reports: list[Report] = []
    for amphora in here:
        try:
            with handover.secured(task, amphora):
                reports.append(_deliver(task, amphora, states[amphora.id]))
        except AgentUnreachable as error:
            unreachable.append(error)  # The other one of a pair is told all the same,
            if task.turnover.replacing:
                break  # but no successor, which comes last: this one does not know it, and has the VIP.
    if unreachable:
        raise _worst(unreachable)
    pairing.await_carrier(task, reports)


def _worst(unreachable: list[AgentUnreachable]) -> AgentUnreachable:
    """What failed; if nothing did, those that still boot."""
    booting = [error for error in unreachable if isinstance(error, StillBooting)]
    failed = next((error for error in unreachable if error not in booting), None)
    return failed or StillBooting.together(booting)


def _deliver(task: Task, amphora: Amphora, state: DesiredState) -> Report:
    report = transfer.sent(task, amphora, state)
    reach("state delivered")
    _record(task, amphora, report)
    return report


def _record(task: Task, amphora: Amphora, report: Report) -> None:
    """From now on heartbeats of this boot count that are younger than the report; another digest in one is drift."""

    def transaction(session: Session) -> None:
        health = session.get(AmphoraHealth, amphora.id)
        if health is None:
            health = AmphoraHealth(amphora_id=amphora.id, sequence=0, last_update_ms=session.scalar(clock_ms()) or 0)
            session.add(health)
        if health.boot_id != report.boot_id:
            health.boot_id, health.sequence = report.boot_id, 0
        health.sequence = max(health.sequence, report.sequence)
        health.digest = report.digest
        _allocate(session, amphora)

    task.tools.store.write(transaction)


def _allocate(session: Session, amphora: Amphora) -> None:
    if amphora.status != AmphoraStatus.ALLOCATED:
        allocated = update(Amphora).where(Amphora.id == amphora.id)
        session.execute(allocated.values(status=AmphoraStatus.ALLOCATED, updated_at=now()))
