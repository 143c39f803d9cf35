"""Rolls: replacing many amphorae, a few at a time, with nothing to remember but rows.

What is to be replaced is marked when the roll begins, so whoever goes on with it later means the same amphorae. A
marked one is to do; one that is condemned too is under way; one that is gone is done.
"""

import dataclasses
import datetime

from sqlalchemy import BigInteger, ColumnElement, Integer, Text, and_, case, func, or_, select, true, update
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from lictor.model import replacement
from lictor.model.amphora import Amphora
from lictor.model.base import Base, Uuid, new_id, now
from lictor.model.clock import clock_ms
from lictor.model.loadbalancer import LoadBalancer
from lictor.model.statuses import Provisioning, Role


class Roll(Base):
    """One ``lictor roll``: what was asked for, in words, and how many amphorae that was when it began."""

    __tablename__ = "roll"

    id: Mapped[str] = mapped_column(Uuid, primary_key=True)
    started_ms: Mapped[int] = mapped_column(BigInteger, index=True)
    wanted: Mapped[str] = mapped_column(Text)
    total: Mapped[int] = mapped_column(Integer)


@dataclasses.dataclass(frozen=True)
class Selection:
    """Which amphorae: those for which one of the conditions holds, of these load balancers (all if none is named).

    ``older_than`` are days since the amphora was made, ``expiring`` days in which its certificate runs out; ``image``
    is the one that the others are not of.
    """

    everything: bool = False
    older_than: float | None = None
    image: str | None = None
    expiring: float | None = None
    load_balancers: tuple[str, ...] = ()

    def words(self) -> str:
        """What is asked for, for people to read; equal words mean the same."""
        words = ["all"] if self.everything else []
        words += [f"made more than {self.older_than:g} days ago"] if self.older_than is not None else []
        words += [f"not of image {self.image}"] if self.image else []
        words += [f"whose certificates run out within {self.expiring:g} days"] if self.expiring is not None else []
        some = f" of load balancers {', '.join(sorted(self.load_balancers))}" if self.load_balancers else ""
        return (" or ".join(words) or "all") + some

    def condition(self) -> ColumnElement[bool]:
        """The same for the database."""
        found: list[ColumnElement[bool]] = []
        if self.older_than is not None:
            found.append(Amphora.created_at < now() - datetime.timedelta(days=self.older_than))
        if self.image:
            found.append(or_(Amphora.image_id.is_(None), Amphora.image_id != self.image))
        if self.expiring is not None:
            found.append(Amphora.cert_expiration < now() + datetime.timedelta(days=self.expiring))
        any_of = or_(*found) if found and not self.everything else true()
        within = Amphora.load_balancer_id.in_(self.load_balancers) if self.load_balancers else true()
        return and_(Amphora.load_balancer_id.is_not(None), any_of, within)


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a roll is. ``trouble`` are load balancers whose replacement fails, with what went wrong."""

    total: int
    to_do: int
    under_way: int
    trouble: dict[str, str]

    @property
    def done(self) -> int:
        """Those that are replaced, or went with their load balancers."""
        return max(0, self.total - self.to_do - self.under_way)

    @property
    def over(self) -> bool:
        """Whether nothing is left."""
        return not self.to_do and not self.under_way


def unfinished(session: Session) -> Roll | None:
    """The roll that is not over, if there is one."""
    marked = select(Amphora.roll_id).where(Amphora.roll_id.is_not(None))
    return session.scalars(select(Roll).where(Roll.id.in_(marked)).order_by(Roll.started_ms.desc())).first()


def selected(session: Session, wanted: Selection) -> list[Amphora]:
    """The amphorae that a roll would replace, by load balancer."""
    query = select(Amphora).where(wanted.condition())
    return list(session.scalars(query.order_by(Amphora.load_balancer_id, Amphora.role, Amphora.id)))


def left(session: Session, roll: Roll) -> list[Amphora]:
    """The amphorae that a roll has still to replace, or is replacing."""
    return list(session.scalars(select(Amphora).where(Amphora.roll_id == roll.id).order_by(Amphora.id)))


def begin(session: Session, wanted: Selection) -> Roll:
    """Mark what is wanted, unless a roll is under way: then that one is returned as it is."""
    replacement.hold(session)
    if present := unfinished(session):
        return present
    ids = [amphora.id for amphora in selected(session, wanted)]
    roll = Roll(id=new_id(), started_ms=session.scalar(select(clock_ms())) or 0, wanted=wanted.words(), total=len(ids))
    session.add(roll)
    for start in range(0, len(ids), 500):
        _mark(session, Amphora.id.in_(ids[start : start + 500]), roll.id)
    return roll


def cancel(session: Session, roll: Roll) -> int:
    """Leave alone what was not begun; returns how many that are. What is under way comes to its end."""
    replacement.hold(session)
    left = progress(session, roll).to_do
    _mark(session, (Amphora.roll_id == roll.id) & Amphora.condemned.is_(False), None)
    return left


def _mark(session: Session, which: ColumnElement[bool], roll_id: str | None) -> None:
    statement = update(Amphora).where(which).values(roll_id=roll_id, updated_at=Amphora.updated_at)
    session.execute(statement, execution_options={"synchronize_session": False})


def step(session: Session, roll: Roll, at_once: int) -> list[str]:
    """Condemn as many as may be under way besides those that are; returns their ids.

    Of a pair one at a time, the backup first; of load balancers those that are ACTIVE, and those in ERROR when nothing
    else is left.
    """
    replacement.hold(session)
    room = at_once - progress(session, roll).under_way
    begun = []
    for amphora in _next(session, roll, room) if room > 0 else []:
        why = f"It is replaced by a roll of amphorae {roll.wanted}."
        begun += replacement.condemn(session, str(amphora.load_balancer_id), replacement.ROLL, why, amphora.id)
    return begun


def _next(session: Session, roll: Roll, count: int) -> list[Amphora]:
    other = aliased(Amphora)
    busy = select(other.load_balancer_id).where(other.condemned, other.load_balancer_id.is_not(None))
    status = LoadBalancer.provisioning_status
    query = (
        select(Amphora, status)
        .join(LoadBalancer, LoadBalancer.id == Amphora.load_balancer_id)
        .where(Amphora.roll_id == roll.id, Amphora.condemned.is_(False), Amphora.load_balancer_id.not_in(busy))
        .where(status.in_([Provisioning.ACTIVE, Provisioning.ERROR]))
        .order_by(status, case((Amphora.role == Role.MASTER, 1), else_=0), Amphora.id)
    )
    found: dict[str, Amphora] = {}
    for amphora, its_status in session.execute(query.limit(2 * count)):
        if its_status == Provisioning.ACTIVE or not found:
            found.setdefault(str(amphora.load_balancer_id), amphora)
    return list(found.values())[:count]


def progress(session: Session, roll: Roll) -> Progress:
    """How far it is now."""
    begun = case((Amphora.condemned, 1), else_=0)
    query = select(func.count(), func.coalesce(func.sum(begun), 0)).where(Amphora.roll_id == roll.id)
    marked, under_way = session.execute(query).one()
    failing = select(LoadBalancer.id, LoadBalancer.fault).join(Amphora, Amphora.load_balancer_id == LoadBalancer.id)
    failing = failing.where(Amphora.roll_id == roll.id, Amphora.condemned, LoadBalancer.fault.is_not(None))
    in_error = failing.where(LoadBalancer.provisioning_status == Provisioning.ERROR)
    trouble = {lb_id: str(fault) for lb_id, fault in session.execute(in_error)}
    return Progress(roll.total, int(marked) - int(under_way), int(under_way), trouble)
