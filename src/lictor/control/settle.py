"""The end of a pass: what was applied becomes ACTIVE or goes away; what failed is written down with its next try.

Every function here is one transaction, guarded by the lease: a worker that lost it changes nothing, and tells nobody.
"""

import datetime
import random
from typing import Any

from sqlalchemy import ColumnElement, case, delete, func, select, update
from sqlalchemy.orm import Session

from lictor.amphora.client import AgentRefused, AgentUnreachable
from lictor.amphora.emitter import Unsafe
from lictor.amphora.tree import Unsupported
from lictor.control import certificates, notifications
from lictor.control.boot import NeverAnswered, StillBooting, had_its_time
from lictor.control.lease import LeaseLostError
from lictor.control.notifications.notices import Notice
from lictor.control.removal import remove
from lictor.control.task import Task
from lictor.model import (
    CHILDREN,
    AdditionalVip,
    Amphora,
    AmphoraHealth,
    Child,
    GivenPort,
    HealthMonitor,
    L7Policy,
    L7Rule,
    ListenerStatistics,
    LoadBalancer,
    Tag,
    history,
    now,
    replacement,
)
from lictor.model.clock import clock_ms
from lictor.model.statuses import Operating, Provisioning
from lictor.model.store import rows_changed

BELOW: tuple[type[Any], ...] = (Amphora, Tag, ListenerStatistics, AdditionalVip, GivenPort, *CHILDREN)
UNSETTLED = (Provisioning.PENDING_CREATE, Provisioning.PENDING_UPDATE, Provisioning.ERROR)


def success(task: Task) -> None:
    """The claimed generation is applied: settle every row up to it, and give the lease back.

    A load balancer that was changed meanwhile stays PENDING_UPDATE, and is claimed again at once.
    """

    def transaction(session: Session) -> None:
        _give_back(session, task, _covered(task))
        for table in CHILDREN:
            _settle_rows(session, task, table)
        creating = task.load_balancer.provisioning_status == Provisioning.PENDING_CREATE
        if task.load_balancer.fault and (task.load_balancer.attempts or not creating):
            history.record(session, task.load_balancer, "recovered", "All changes are applied again.")
        elif creating:
            history.record(session, task.load_balancer, "created", "All that was asked for is set up.")
        _go_on(session, task)

    notice = _notice(task, notifications.event(task.load_balancer), Provisioning.ACTIVE)
    task.tools.store.write(transaction)
    task.tools.notices.send(notice)


def _notice(task: Task, event: str, status: str) -> Notice | None:
    """What is to be told after COMMIT, as only then it is true; made before, as a deletion leaves nothing to tell."""
    return task.tools.notices.about(task.tools.store, task.load_balancer, event, status)


def _go_on(session: Session, task: Task) -> None:
    """While there is a condemned amphora, the load balancer is not done: it is claimed again, when it is worth it."""
    lb_id = task.load_balancer.id
    replacement.give_back(session, lb_id)
    left = select(Amphora.id).where(Amphora.load_balancer_id == lb_id, Amphora.condemned)
    if session.scalars(left.limit(1)).first() and replacement.ask(session, lb_id) and task.turnover.waits:
        _wait(session, task, task.turnover.waits[0].seconds)


def booting(task: Task, error: StillBooting) -> None:
    """An amphora boots: nothing failed, and nothing is settled. Users are told of a boot that takes long.

    One that is being replaced keeps its share of the budget. What was asked for meanwhile is looked at at once.
    """

    def transaction(session: Session) -> None:
        _give_back(session, task, _soon(task, error.pause) | ({"fault": str(error)} if error.slow else {}))
        if error.slow and not task.load_balancer.fault:
            history.record(session, task.load_balancer, "slow_boot", str(error))

    task.tools.store.write(transaction)


def leaving(task: Task, pause: float) -> None:
    """An instance has not gone yet: as with one that boots, the rest is done ``pause`` seconds later."""
    task.tools.store.write(lambda session: _give_back(session, task, _soon(task, pause)))


def _soon(task: Task, pause: float) -> dict[str, object]:
    same = LoadBalancer.generation == task.claim.generation
    return {"retry_at_ms": case((same, clock_ms() + int(pause * 1000 * random.uniform(1.0, 1.25))), else_=0)}


def waiting(task: Task, seconds: float) -> None:
    """An amphora has to be replaced, and may not yet: nothing failed, and nothing is settled."""

    def transaction(session: Session) -> None:
        _give_back(session, task, {})
        replacement.give_back(session, task.load_balancer.id)
        replacement.ask(session, task.load_balancer.id)
        _wait(session, task, seconds)

    task.tools.store.write(transaction)


def _wait(session: Session, task: Task, seconds: float) -> None:
    """Try again then; with jitter, or all that wait would ask for the same share at once."""
    pause = int(seconds * 1000 * random.uniform(1.0, 1.5))
    statement = update(LoadBalancer).where(LoadBalancer.id == task.load_balancer.id)
    session.execute(statement.values(retry_at_ms=clock_ms() + pause, updated_at=LoadBalancer.updated_at))


def _covered(task: Task) -> dict[str, object]:
    settled = LoadBalancer.provisioning_status.in_([*UNSETTLED, Provisioning.ACTIVE])
    newer = (LoadBalancer.generation != task.claim.generation) & (
        LoadBalancer.provisioning_status != Provisioning.ACTIVE
    )
    status = case(
        (newer & settled, Provisioning.PENDING_UPDATE),
        (settled, Provisioning.ACTIVE),
        else_=LoadBalancer.provisioning_status,
    )
    return {
        "observed_generation": task.claim.generation,
        "told_generation": task.claim.generation,
        "provisioning_status": status,
        "attempts": 0,
        "retry_at_ms": 0,
        "fault": None,
        "work_since_ms": case((LoadBalancer.generation == task.claim.generation, 0), else_=clock_ms()),
        "requests": case((LoadBalancer.generation == task.claim.generation, ""), else_=LoadBalancer.requests),
        **_first_touch(LoadBalancer),
    }


def _settle_rows(session: Session, task: Task, table: type[Child]) -> None:
    covered = _covered_rows(task, table)
    gone = select(table.id).where(covered, table.provisioning_status == Provisioning.PENDING_DELETE)
    remove(session, table, list(session.scalars(gone)))
    values: dict[str, object] = {"provisioning_status": Provisioning.ACTIVE, **_first_touch(table)}
    if table in (HealthMonitor, L7Policy, L7Rule):
        # Nothing reports on these: they are ONLINE when they are in the configuration (reference, 3.3).
        values["operating_status"] = case((table.admin_state_up, Operating.ONLINE), else_=Operating.OFFLINE)
    session.execute(update(table).where(covered, table.provisioning_status.in_(UNSETTLED)).values(**values))


def _first_touch(table: type[Child] | type[LoadBalancer]) -> dict[str, object]:
    """Becoming ACTIVE counts as the first change, as in Octavia: from then on clients read ``updated_at`` as a date."""
    return {"updated_at": func.coalesce(table.updated_at, now())}


def _covered_rows(task: Task, table: type[Child]) -> ColumnElement[bool]:
    return (table.load_balancer_id == task.load_balancer.id) & (table.generation <= task.claim.generation)


def deleted(task: Task) -> None:
    """Nothing of the load balancer is left outside: its rows go, its events stay."""
    load_balancer_id = task.load_balancer.id

    def transaction(session: Session) -> None:
        _give_back(session, task, {})
        mine = select(Amphora.id).where(Amphora.load_balancer_id == load_balancer_id)
        session.execute(delete(AmphoraHealth).where(AmphoraHealth.amphora_id.in_(mine)))
        for table in BELOW:
            session.execute(delete(table).where(table.load_balancer_id == load_balancer_id))
        session.execute(delete(LoadBalancer).where(LoadBalancer.id == load_balancer_id))
        history.record(session, task.load_balancer, "deleted", "The load balancer and all that belonged to it is gone.")

    notice = _notice(task, notifications.DELETED, "DELETED")
    task.tools.store.write(transaction)
    task.tools.notices.send(notice)


def failure(task: Task, error: Exception, reason: str, epoch: int = 0) -> float:
    """Write down why a pass failed and when the next one is due; returns the pause in seconds.

    A refusal (by an agent's checker, by a renderer) will not go away by itself, and an agent that has not answered for
    as long as it may will not answer any more: both are reported as ERROR at once, anything else after ``error_after``
    attempts. Either way the loop goes on trying. ``epoch`` is the one that the next claim is to be above, if that is
    higher than ours (see ``fence``).
    """
    options = task.tools.conf.controller_worker
    attempts = task.load_balancer.attempts + 1
    pause = back_off(attempts, options.retry_interval, options.retry_max)
    for_long = attempts >= options.error_after or isinstance(error, NeverAnswered)
    hopeless = isinstance(error, AgentRefused | Unsupported | Unsafe) or for_long

    def transaction(session: Session) -> None:
        values = _failed(task, attempts, pause, reason, hopeless)
        _give_back(session, task, values | {"lease_epoch": max(epoch, task.claim.epoch)})
        if hopeless:
            _report_rows(session, task)
        replacement.give_back(session, task.load_balancer.id)
        if isinstance(error, AgentUnreachable):
            _condemn_silent(session, task, reason, for_long)
        certificates.condemn_expired(session, task.load_balancer.id, error)
        history.record(
            session,
            task.load_balancer,
            "failed",
            reason,
            attempts=attempts,
            next_try_at=now() + datetime.timedelta(seconds=pause),
        )

    task.tools.store.write(transaction)
    return pause


def back_off(attempts: int, first: float, longest: float) -> float:
    """Seconds to wait after that many failures: doubling, bounded, with jitter so that crowds do not march in step."""
    return min(longest, first * 2.0 ** min(attempts - 1, 30)) * random.uniform(0.75, 1.25)


def _failed(task: Task, attempts: int, pause: float, reason: str, hopeless: bool) -> dict[str, object]:
    same = LoadBalancer.generation == task.claim.generation
    status = case(
        (LoadBalancer.provisioning_status == Provisioning.PENDING_DELETE, LoadBalancer.provisioning_status),
        (same, Provisioning.ERROR if hopeless else LoadBalancer.provisioning_status),
        else_=LoadBalancer.provisioning_status,
    )
    return {
        "provisioning_status": status,
        "attempts": case((same, attempts), else_=LoadBalancer.attempts),
        # A change that came meanwhile may be the cure: it is tried at once.
        "retry_at_ms": case((same, clock_ms() + int(pause * 1000)), else_=0),
        "fault": reason,
    }


def _report_rows(session: Session, task: Task) -> None:
    pending = (Provisioning.PENDING_CREATE, Provisioning.PENDING_UPDATE)
    for table in CHILDREN:
        statement = update(table).where(_covered_rows(task, table), table.provisioning_status.in_(pending))
        session.execute(statement.values(provisioning_status=Provisioning.ERROR, updated_at=table.updated_at))


def _condemn_silent(session: Session, task: Task, reason: str, for_long: bool) -> None:
    """Amphorae that neither answer nor send heartbeats are replaced from the next pass on, though they seem to run.

    That is at once. One that never served gets several attempts, and goes when the next one is due: its successor is
    not likely to fare better.
    """
    lb_id, unheard = task.load_balancer.id, task.turnover.unheard
    mine = (Amphora.load_balancer_id == lb_id) & had_its_time(task.tools.conf)
    if for_long:
        served = select(AmphoraHealth.amphora_id)
        replacement.mark(session, mine & Amphora.id.not_in(served), replacement.SILENCE, reason)
    silent = select(AmphoraHealth.amphora_id).where(AmphoraHealth.silent_since_ms != 0)
    for amphora_id in session.scalars(select(Amphora.id).where(mine, Amphora.id.in_(silent))).all():
        if not unheard or amphora_id in unheard:
            replacement.condemn(session, lb_id, replacement.SILENCE, reason, amphora_id)


def _give_back(session: Session, task: Task, values: dict[str, object]) -> None:
    statement = update(LoadBalancer).where(task.claim.mine())
    free: dict[str, object] = {"lease_owner": None, "lease_expires_ms": 0, "updated_at": LoadBalancer.updated_at}
    if rows_changed(session, statement.values(**(free | values))) == 0:
        raise LeaseLostError(f"lost the lease on load balancer {task.load_balancer.id} before it was settled")
