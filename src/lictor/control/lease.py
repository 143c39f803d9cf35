"""Leases: at most one worker acts on a load balancer, and a dead worker's claim runs out.

A claim is one compare-and-swap UPDATE. Whoever changed the row owns it until ``lease_expires_ms`` by the database's
clock; its ``lease_epoch``, one higher than the last owner's, travels with every delivery, so that agents refuse what a
worker sends that has lost its lease without noticing.
"""

import dataclasses
import threading
import time
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select, true, update
from sqlalchemy.orm import Session

from lictor.model import LoadBalancer
from lictor.model.clock import clock_ms
from lictor.model.store import Store, rows_changed

CANDIDATES = 20
"""How many load balancers in need of work are tried before the next look; more only matters in a crowd of workers."""

HASTE = 3.0
"""Seconds of the lease of a worker without which nobody has the VIP."""

FIRST = -1
"""The retry time of what is claimed before everything else that is due."""


class LeaseLostError(Exception):
    """Another worker owns the load balancer now: stop at once, change nothing more."""


@dataclasses.dataclass
class Claim:
    """One load balancer in the hands of this worker.

    ``generation`` is what was asked for when it was claimed. ``deadline`` is when the lease ends by our own monotonic
    clock, counted from before the UPDATE was sent: so we give up before the database lets anybody else have it.
    ``seconds`` is how long the lease lasts from each renewal on; ``renewing`` is held by who changes its end.
    """

    load_balancer_id: str
    owner: str
    epoch: int
    generation: int
    deadline: float
    seconds: float
    lost: bool = False
    renewing: threading.Lock = dataclasses.field(default_factory=threading.Lock, repr=False, compare=False)

    def is_due(self) -> bool:
        """Whether a third of the lease is over, so that it is to be renewed."""
        return self.deadline - time.monotonic() <= self.seconds * 2 / 3

    def check(self) -> None:
        """Raise ``LeaseLostError`` unless the lease is still ours."""
        if self.lost or time.monotonic() >= self.deadline:
            raise LeaseLostError(f"lost the lease on load balancer {self.load_balancer_id} (epoch {self.epoch})")

    def mine(self) -> ColumnElement[bool]:
        """The condition that makes an UPDATE of the row a compare-and-swap."""
        return and_(
            LoadBalancer.id == self.load_balancer_id,
            LoadBalancer.lease_owner == self.owner,
            LoadBalancer.lease_epoch == self.epoch,
        )


def _needs_work() -> ColumnElement[bool]:
    return and_(
        LoadBalancer.unsettled == true(),
        LoadBalancer.retry_at_ms <= clock_ms(),
        LoadBalancer.lease_expires_ms <= clock_ms(),
    )


def claim(store: Store, owner: str, seconds: float, asked_first: bool = False) -> Claim | None:
    """Take a load balancer that needs work, the one that has waited longest first; None if there is none to be had.

    With ``asked_first``, those come before others of which a user has asked something: who takes every other one so
    lets neither users wait for a backlog of replacements, nor dead amphorae for busy users.
    """
    order: list[Any] = [LoadBalancer.retry_at_ms, func.coalesce(LoadBalancer.updated_at, LoadBalancer.created_at)]
    if asked_first:
        order = [LoadBalancer.retry_at_ms > FIRST, LoadBalancer.requests == "", *order]
    with store.read() as session:
        query = select(LoadBalancer.id).where(_needs_work()).order_by(*order)
        candidates = session.scalars(query.limit(CANDIDATES)).all()
    for load_balancer_id in candidates:
        taken = _take(store, load_balancer_id, owner, seconds)
        if taken is not None:
            return taken
    return None


def _take(store: Store, load_balancer_id: str, owner: str, seconds: float) -> Claim | None:
    deadline = time.monotonic() + seconds

    def swap(session: Session) -> Claim | None:
        statement = (
            update(LoadBalancer)
            .where(LoadBalancer.id == load_balancer_id, _needs_work())
            .values(
                lease_owner=owner,
                lease_epoch=LoadBalancer.lease_epoch + 1,
                lease_expires_ms=clock_ms() + int(seconds * 1000),
                updated_at=LoadBalancer.updated_at,
            )
        )
        if rows_changed(session, statement) == 0:
            return None
        query = select(LoadBalancer.lease_epoch, LoadBalancer.generation).where(LoadBalancer.id == load_balancer_id)
        epoch, generation = session.execute(query).one()
        return Claim(load_balancer_id, owner, epoch, generation, deadline, seconds)

    return store.write(swap)


def renew(store: Store, held: Claim) -> None:
    """Extend a lease. A claim that turns out to be another's is marked as lost."""
    with held.renewing:
        _extend(store, held)


def hasten(store: Store, held: Claim) -> None:
    """Have another worker take over within ``HASTE``, before anything else, should this one die from here on.

    Raises ``LeaseLostError`` if another one has it already.
    """
    with held.renewing:
        held.seconds = min(held.seconds, HASTE)
        _extend(store, held, retry_at_ms=FIRST)
    held.check()


def _extend(store: Store, held: Claim, **values: object) -> None:
    deadline = time.monotonic() + held.seconds
    if _update(store, held, lease_expires_ms=clock_ms() + int(held.seconds * 1000), **values):
        held.deadline = deadline
    else:
        held.lost = True


def hold(session: Session, held: Claim) -> None:
    """Lock the load balancer's row until COMMIT. Raises ``LeaseLostError`` if it is another's by now."""
    # One more millisecond: on Galera, an UPDATE that changes nothing would not be seen by the other nodes.
    values = {"lease_expires_ms": LoadBalancer.lease_expires_ms + 1, "updated_at": LoadBalancer.updated_at}
    if rows_changed(session, update(LoadBalancer).where(held.mine()).values(**values)) == 0:
        raise LeaseLostError(f"lost the lease on load balancer {held.load_balancer_id} (epoch {held.epoch})")


def release(store: Store, held: Claim) -> None:
    """Hand a load balancer back undone, for another worker to take at once."""
    _update(store, held, lease_owner=None, lease_expires_ms=0)


def _update(store: Store, held: Claim, **values: object) -> bool:
    statement = update(LoadBalancer).where(held.mine()).values(updated_at=LoadBalancer.updated_at, **values)
    return store.write(lambda session: rows_changed(session, statement)) == 1


def forfeit_all(store: Store) -> None:
    """End every lease. Only for a process that knows that it is alone on the database: ``lictor up`` at its start.

    The epochs stay, so whatever a predecessor may still have sent is refused by the agents.
    """
    statement = update(LoadBalancer).values(lease_owner=None, lease_expires_ms=0, updated_at=LoadBalancer.updated_at)
    store.write(lambda session: session.execute(statement))
