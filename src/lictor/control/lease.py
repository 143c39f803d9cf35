"""Leases: at most one worker acts on a load balancer, and a dead worker's claim runs out.

A claim is one compare-and-swap UPDATE. Whoever changed the row owns it until ``lease_expires_ms`` by the database's
clock; its ``lease_epoch``, one higher than the last owner's, travels with every delivery, so that agents refuse what a
worker sends that has lost its lease without noticing.
"""

import dataclasses
import time

from sqlalchemy import ColumnElement, and_, func, select, true, update
from sqlalchemy.orm import Session

from lictor.model import LoadBalancer
from lictor.model.clock import clock_ms
from lictor.model.store import Store, rows_changed

CANDIDATES = 20
"""How many load balancers in need of work are tried before the next look; more only matters in a crowd of workers."""


class LeaseLostError(Exception):
    """Another worker owns the load balancer now: stop at once, change nothing more."""


@dataclasses.dataclass
class Claim:
    """One load balancer in the hands of this worker.

    ``generation`` is what was asked for when it was claimed. ``deadline`` is when the lease ends by our own monotonic
    clock, counted from before the UPDATE was sent: so we give up before the database lets anybody else have it.
    """

    load_balancer_id: str
    owner: str
    epoch: int
    generation: int
    deadline: float
    lost: bool = False

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


def claim(store: Store, owner: str, seconds: float) -> Claim | None:
    """Take a load balancer that needs work, the one that has waited longest first; None if there is none to be had."""
    with store.read() as session:
        since = func.coalesce(LoadBalancer.updated_at, LoadBalancer.created_at)
        query = select(LoadBalancer.id).where(_needs_work()).order_by(LoadBalancer.retry_at_ms, since)
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
        return Claim(load_balancer_id, owner, epoch, generation, deadline)

    return store.write(swap)


def renew(store: Store, held: Claim, seconds: float) -> None:
    """Extend a lease. A claim that turns out to be another's is marked as lost."""
    deadline = time.monotonic() + seconds
    if _update(store, held, lease_expires_ms=clock_ms() + int(seconds * 1000)):
        held.deadline = deadline
    else:
        held.lost = True


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
