"""Which condemned amphora a pass replaces: one at a time, the worst first, and within the budget of the whole fleet.

What has to wait goes on serving as well as it can, and is told of changes as before.
"""

import functools

from sqlalchemy import select
from sqlalchemy.orm import Session

from lictor.control.task import Task
from lictor.model import Amphora, Event, history, replacement
from lictor.model.replacement import GONE, OPERATOR, Limits, Verdict
from lictor.model.statuses import AmphoraStatus, Role


class WaitsForBudget(Exception):
    """Nothing is wrong but that an amphora has to be replaced, and may not yet be: the message is for users.

    ``seconds`` is how long it is worth waiting.
    """

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(f"The replacement of an amphora waits: {verdict.why}.")
        self.seconds = verdict.seconds


def choose(task: Task) -> None:
    """Take the condemned amphora whose turn it is; what was condemned during the pass is the next one's to replace.

    Those come first whose successor serves already, and need no share of the budget: the pass that replaced them ended
    early, and to have them serve again would make two owners of a VIP. Then one that is begun; then what does not
    serve; then the backup, so that the master goes when there is a new backup to take over from it.
    """
    with task.tools.store.read() as session:
        there = set(session.scalars(select(Amphora.id).where(Amphora.load_balancer_id == task.load_balancer.id)))
    here = [each for each in task.load_balancer.amphorae if each.id in there]
    condemned = [each for each in here if each.condemned]
    superseded = {each.id for each in condemned if any(_supersedes(other, each) for other in here)}
    if superseded:
        task.turnover.replacing |= superseded
    elif condemned:
        first = min(condemned, key=_turn)
        why = first.condemned_why or "It was condemned."
        if _admitted(task, first, first.condemned_by or OPERATOR, why):
            task.turnover.replacing.add(first.id)


def _supersedes(other: Amphora, amphora: Amphora) -> bool:
    """Whether another one has the place of a condemned one: it serves, or, condemned as well by now, came later."""
    if other.id == amphora.id or other.role != amphora.role or other.status == AmphoraStatus.BOOTING:
        return False
    return not other.condemned or (other.created_at, other.id) > (amphora.created_at, amphora.id)


def _turn(amphora: Amphora) -> tuple[bool, bool, bool, str]:
    broken = amphora.status == AmphoraStatus.ERROR
    return amphora.replacing_ms is None, not broken, amphora.role == Role.MASTER, amphora.id


def may_start_anew(task: Task, amphora: Amphora) -> bool:
    """Whether an amphora that served and whose instance is gone may be started anew now; if not, it is passed over."""
    condemned = any(each.id == amphora.id and each.condemned for each in task.load_balancer.amphorae)
    if not condemned and _admitted(task, amphora, GONE, "Its instance is gone, or does not run."):
        return True
    task.turnover.absent.add(amphora.id)
    return False


def check(task: Task) -> None:
    """Raise ``WaitsForBudget`` if an amphora was not told what is new, because it waits for its replacement."""
    turnover = task.turnover
    if turnover.waits and (turnover.absent or turnover.unheard):
        raise WaitsForBudget(turnover.waits[0])


def limits(task: Task) -> Limits:
    """The budget as it is configured."""
    options = task.tools.conf.controller_worker
    return Limits(
        options.replacements_at_once,
        options.replacements_per_minute,
        options.replacement_pause,
        options.replacement_pause_max,
    )


def _admitted(task: Task, amphora: Amphora, reason: str, why: str) -> bool:
    admit = functools.partial(_admit, task=task, amphora=amphora, reason=reason, why=why)
    verdict = task.tools.store.write(admit)
    if not verdict.admitted:
        task.turnover.waits.append(verdict)
    return verdict.admitted


def _admit(session: Session, task: Task, amphora: Amphora, reason: str, why: str) -> Verdict:
    lb_id = task.load_balancer.id
    begun = session.scalar(select(Amphora.replacing_ms).where(Amphora.id == amphora.id)) is not None
    verdict = replacement.admit(session, lb_id, amphora.id, reason, limits(task))
    if not verdict.admitted:
        _once(session, task, amphora, f"The replacement of amphora {amphora.id} waits: {verdict.why}.")
    elif not begun:
        replacement.ask(session, lb_id)  # whoever found it may have left the load balancer's status alone
        what = "is being started anew" if reason == GONE else "is being replaced"
        message = f"Amphora {amphora.id} {what}. {why}"
        history.record(session, task.load_balancer, "failover_started", message, amphora_id=amphora.id)
    return verdict


def _once(session: Session, task: Task, amphora: Amphora, message: str) -> None:
    """Note that it waits, unless that is the last thing that was noted: it may be asked every second for an hour."""
    newest = select(Event.kind, Event.amphora_id).where(Event.load_balancer_id == task.load_balancer.id)
    last = session.execute(newest.order_by(Event.id.desc()).limit(1)).one_or_none()
    if last is None or tuple(last) != ("failover_waits", amphora.id):
        history.record(session, task.load_balancer, "failover_waits", message, amphora_id=amphora.id)
