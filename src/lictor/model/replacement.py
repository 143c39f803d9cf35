"""Replacement of amphorae: who is condemned, and the budget that keeps a bad day from becoming a storm.

Whoever finds an amphora bad condemns it here, and the loop does the rest. The budget is of the whole fleet and exact:
who takes a share holds one row until COMMIT, so any number of processes on any number of hosts count alike.
"""

import dataclasses
from typing import Final

from sqlalchemy import BigInteger, ColumnElement, Integer, String, case, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from lictor.model import history
from lictor.model.amphora import Amphora
from lictor.model.base import Base, Uuid
from lictor.model.clock import clock_ms
from lictor.model.loadbalancer import LoadBalancer, needs_work
from lictor.model.statuses import AmphoraStatus, Provisioning
from lictor.model.store import rows_changed

OPERATOR: Final = "operator"
ROLL: Final = "roll"
SILENCE: Final = "silence"
HAPROXY: Final = "haproxy"
CERTIFICATE: Final = "certificate"
GONE: Final = "gone"
SURPLUS: Final = "surplus"

WANTED: Final = frozenset({OPERATOR, ROLL, CERTIFICATE})
"""Reasons of which the amphora itself is none the worse: it serves until its successor does."""

REMEMBERED_MS: Final = 3_600_000
"""Milliseconds for which a replacement is remembered, and after which a share that nobody gave back counts no more."""

FREE: Final = 2
"""Automatic replacements that a load balancer gets without a pause between them: as many as it has amphorae."""


class Replacement(Base):
    """One replacement that began: what the budget of a minute and the pauses of one load balancer are counted by."""

    __tablename__ = "replacement"

    # SQLite numbers rows by itself only for a column of type INTEGER.
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    load_balancer_id: Mapped[str] = mapped_column(Uuid, index=True)
    amphora_id: Mapped[str] = mapped_column(Uuid)
    reason: Mapped[str] = mapped_column(String(16))
    started_ms: Mapped[int] = mapped_column(BigInteger, index=True)


class ReplacementBudget(Base):
    """One row, which is held by whoever takes a share."""

    __tablename__ = "replacement_budget"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    holds: Mapped[int] = mapped_column(BigInteger, default=0)


@dataclasses.dataclass(frozen=True)
class Limits:
    """How many replacements there may be ``at_once`` and ``per_minute``, of all load balancers; 0 means any number.

    ``pause`` and ``longest_pause`` (seconds) are between automatic ones of one load balancer: the first, doubling.
    """

    at_once: int
    per_minute: int
    pause: float = 10.0
    longest_pause: float = 600.0


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether a replacement may begin; if not, ``why``, and after how many ``seconds`` it is worth asking again."""

    why: str = ""
    seconds: float = 0.0

    @property
    def admitted(self) -> bool:
        """Whether it may."""
        return not self.why


def condemn(session: Session, load_balancer_id: str, by: str, why: str, amphora_id: str | None = None) -> list[str]:
    """Have the loop replace one amphora of a load balancer, or all; returns those of which that is news.

    ``by`` is one of the words above, ``why`` a sentence for users. The load balancer is PENDING_UPDATE until it is
    done. One that is being deleted is left alone.
    """
    mine = Amphora.load_balancer_id == load_balancer_id
    which = mine if amphora_id is None else mine & (Amphora.id == amphora_id)
    query = select(Amphora.id).where(which, _condemnable(by))
    # The load balancer's row comes first, as in every write: what is condemned is not overlooked by a pass that ends.
    if not session.scalars(query).all() or not ask(session, load_balancer_id):
        return []
    found = list(session.scalars(query.order_by(Amphora.id)))
    mark(session, Amphora.id.in_(found), by, why)
    load_balancer = session.get_one(LoadBalancer, load_balancer_id)
    for each in found:
        history.record(session, load_balancer, "amphora_condemned", why, amphora_id=each)
    return found


def _condemnable(by: str) -> ColumnElement[bool]:
    """One that is to go though nothing is wrong with it may be found broken meanwhile: then it goes before others."""
    fresh = Amphora.condemned.is_(False)
    return fresh if by in WANTED else fresh | (Amphora.status != AmphoraStatus.ERROR)


def mark(session: Session, which: ColumnElement[bool], by: str, why: str) -> None:
    """Condemn these amphorae, in a transaction that holds the load balancer's row already."""
    values = {"condemned": True, "condemned_by": by, "condemned_why": why, "updated_at": Amphora.updated_at}
    broken = {} if by in WANTED else {"status": AmphoraStatus.ERROR}
    statement = update(Amphora).where(which, _condemnable(by))
    session.execute(statement.values(**values, **broken), execution_options={"synchronize_session": False})


def ask(session: Session, load_balancer_id: str) -> bool:
    """Hold a load balancer's row, and have the loop work on it at once; False if it is being deleted, or gone.

    It is reported PENDING_UPDATE; one that has never been ACTIVE stays PENDING_CREATE.
    """
    standing = LoadBalancer.provisioning_status.in_([Provisioning.ACTIVE, Provisioning.ERROR])
    status = case((standing, Provisioning.PENDING_UPDATE), else_=LoadBalancer.provisioning_status)
    statement = update(LoadBalancer).where(
        LoadBalancer.id == load_balancer_id, LoadBalancer.provisioning_status != Provisioning.PENDING_DELETE
    )
    values = {"observed_generation": 0, "provisioning_status": status, "retry_at_ms": 0, **needs_work()}
    return rows_changed(session, statement.values(**values, updated_at=LoadBalancer.updated_at)) > 0


def admit(session: Session, load_balancer_id: str, amphora_id: str, reason: str, limits: Limits) -> Verdict:
    """Take a share of the budget for the replacement of an amphora, which keeps it until ``give_back``, or it is gone.

    One that has a share already is admitted again.
    """
    hold(session)
    if session.scalar(select(Amphora.replacing_ms).where(Amphora.id == amphora_id)) is not None:
        return Verdict()
    verdict = _judge(session, load_balancer_id, amphora_id, reason, limits)
    if verdict.admitted:
        session.execute(
            update(Amphora)
            .where(Amphora.id == amphora_id)
            .values(replacing_ms=clock_ms(), updated_at=Amphora.updated_at),
            execution_options={"synchronize_session": False},
        )
        session.execute(delete(Replacement).where(Replacement.started_ms < clock_ms() - REMEMBERED_MS))
        values = {"load_balancer_id": load_balancer_id, "amphora_id": amphora_id, "reason": reason}
        session.add(Replacement(**values, started_ms=clock_ms()))
    return verdict


def give_back(session: Session, load_balancer_id: str) -> None:
    """The amphorae of a load balancer have no share of the budget any more: the pass ended, well or not."""
    mine = update(Amphora).where(Amphora.load_balancer_id == load_balancer_id, Amphora.replacing_ms.is_not(None))
    session.execute(
        mine.values(replacing_ms=None, updated_at=Amphora.updated_at), execution_options={"synchronize_session": False}
    )


def under_way(session: Session) -> int:
    """How many replacements are under way now, in the whole fleet."""
    fresh = Amphora.replacing_ms > clock_ms() - REMEMBERED_MS
    return session.scalar(select(func.count()).select_from(Amphora).where(fresh)) or 0


def _judge(session: Session, load_balancer_id: str, amphora_id: str, reason: str, limits: Limits) -> Verdict:
    if limits.at_once and under_way(session) >= limits.at_once:
        return Verdict(f"{limits.at_once} replacements are under way, which is as many as may be at once", 1.0)
    minute = select(func.count(), func.min(Replacement.started_ms) + 60_000 - clock_ms())
    begun, left_ms = session.execute(minute.where(Replacement.started_ms > clock_ms() - 60_000)).one()
    if limits.per_minute and begun >= limits.per_minute:
        why = f"{limits.per_minute} replacements began within a minute, which is as many as may"
        return Verdict(why, max(0.1, int(left_ms) / 1000))
    if reason in WANTED:
        return Verdict()
    return _pause(session, load_balancer_id, amphora_id, limits)


def _pause(session: Session, load_balancer_id: str, amphora_id: str, limits: Limits) -> Verdict:
    """One whose amphorae fail one after the other has something that another one does not cure: not too often."""
    others = select(func.count(func.distinct(Replacement.amphora_id)), clock_ms() - func.max(Replacement.started_ms))
    count, ago_ms = session.execute(
        others.where(
            Replacement.load_balancer_id == load_balancer_id,
            Replacement.amphora_id != amphora_id,
            Replacement.reason.not_in(WANTED),
            Replacement.started_ms > clock_ms() - REMEMBERED_MS,
        )
    ).one()
    if count < FREE:
        return Verdict()
    left = min(limits.longest_pause, limits.pause * 2.0 ** min(count - FREE, 20)) - int(ago_ms) / 1000
    if left <= 0:
        return Verdict()
    return Verdict(f"{count} amphorae of this load balancer were replaced within the hour, and failed", left)


def hold(session: Session) -> None:
    """Lock the budget until COMMIT. The UPDATE must change something, or Galera's other nodes would not see it."""
    raised = update(ReplacementBudget).where(ReplacementBudget.name == "fleet")
    raised = raised.values(holds=ReplacementBudget.holds + 1)
    if rows_changed(session, raised):
        return
    try:
        with session.begin_nested():
            session.add(ReplacementBudget(name="fleet", holds=1))
    except IntegrityError:  # Somebody else made it meanwhile, and has committed: the database waited for that.
        rows_changed(session, raised)
