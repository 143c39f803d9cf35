"""How a write is accepted: the one place where generations rise and rows become PENDING.

The API calls ``begin`` first in the transaction of every write below a load balancer. It raises the generation, and as
an UPDATE it also locks the row until COMMIT: whatever the API then checks and changes in the tree, nobody else can
change at the same time (on Galera the second committer is told to start over).
"""

from collections.abc import Collection, Iterable
from typing import Any, Final

from sqlalchemy import case, select, update
from sqlalchemy.orm import Session

from lictor.model import trail
from lictor.model.clock import clock_ms
from lictor.model.loadbalancer import LoadBalancer, needs_work
from lictor.model.resource import Child
from lictor.model.statuses import Provisioning
from lictor.model.store import rows_changed

WRITABLE: Final = frozenset(
    {Provisioning.ACTIVE, Provisioning.ERROR, Provisioning.PENDING_CREATE, Provisioning.PENDING_UPDATE}
)
"""The statuses in which a write is accepted: all but PENDING_DELETE, which nothing may disturb."""

MUTABLE: Final = frozenset({Provisioning.ACTIVE})
"""With ``strict_immutability``: the statuses in which a load balancer and what is below it may change."""

EXPENDABLE: Final = frozenset({Provisioning.ACTIVE, Provisioning.ERROR})
"""With ``strict_immutability``: the statuses in which a load balancer may be deleted or failed over."""


class Immutable(Exception):
    """The load balancer is in a status in which this write is not accepted (HTTP 409)."""

    def __init__(self, load_balancer: LoadBalancer) -> None:
        super().__init__(f"Load Balancer {load_balancer.id} is immutable and cannot be updated.")
        self.load_balancer_id = load_balancer.id
        self.project_id = load_balancer.project_id
        self.status = load_balancer.provisioning_status


def begin(session: Session, load_balancer_id: str, allowed: Collection[str] = WRITABLE) -> LoadBalancer | None:
    """Open a write below a load balancer: raise its generation, report it PENDING_UPDATE, and hold its row.

    A load balancer that has never been ACTIVE stays PENDING_CREATE. Returns None if there is no such load balancer;
    raises ``Immutable``, with nothing changed, if its status is none of ``allowed``.
    """
    create = Provisioning.PENDING_CREATE
    status = case((LoadBalancer.provisioning_status == create, create), else_=Provisioning.PENDING_UPDATE)
    statement = update(LoadBalancer).where(
        LoadBalancer.id == load_balancer_id, LoadBalancer.provisioning_status.in_(allowed)
    )
    accepted = rows_changed(
        session,
        statement.values(
            generation=LoadBalancer.generation + 1,
            provisioning_status=status,
            attempts=0,
            retry_at_ms=0,
            **needs_work(),
        ),
    )
    query = select(LoadBalancer).where(LoadBalancer.id == load_balancer_id)
    load_balancer = session.scalar(query.execution_options(populate_existing=True))
    trail.meet(load_balancer_id)
    if load_balancer is not None and not accepted:
        raise Immutable(load_balancer)
    return load_balancer


def ask_again(session: Session, load_balancer_id: str) -> None:
    """Have the loop look at a load balancer though nobody changed it: something outside is not as it should be.

    What was applied counts as not applied. The statuses stay: users need not see what the loop repairs. A retry time
    that was set stays too, so that a broken amphora which complains with every heartbeat does not defeat the back-off.
    """
    statement = update(LoadBalancer).where(LoadBalancer.id == load_balancer_id)
    session.execute(
        statement.values(observed_generation=0, updated_at=LoadBalancer.updated_at, **needs_work()),
        execution_options={"synchronize_session": False},
    )


def ask_idle(session: Session, load_balancer_ids: Collection[str]) -> None:
    """``ask_again`` for many, but for those that a worker is at and those that wait for one already."""
    statement = update(LoadBalancer).where(
        LoadBalancer.id.in_(load_balancer_ids),
        LoadBalancer.lease_expires_ms <= clock_ms(),
        LoadBalancer.observed_generation != 0,
    )
    session.execute(
        statement.values(observed_generation=0, updated_at=LoadBalancer.updated_at, **needs_work()),
        execution_options={"synchronize_session": False},
    )


def created(load_balancer: LoadBalancer) -> dict[str, Any]:
    """The columns of new rows: they are PENDING_CREATE as of this write."""
    return {
        "load_balancer_id": load_balancer.id,
        "generation": load_balancer.generation,
        "provisioning_status": Provisioning.PENDING_CREATE,
    }


def mark_created(load_balancer: LoadBalancer, *children: Child) -> None:
    """New rows become PENDING_CREATE as of this write. They still have to be added to the session."""
    for child in children:
        for name, value in created(load_balancer).items():
            setattr(child, name, value)


def mark_updated(load_balancer: LoadBalancer, *children: Child) -> None:
    """Rows that this write changed, or whose child it changed, become PENDING_UPDATE; a row being created stays so."""
    for child in _staying(children):
        child.generation = load_balancer.generation
        if child.provisioning_status != Provisioning.PENDING_CREATE:
            child.provisioning_status = Provisioning.PENDING_UPDATE


def mark_deleted(load_balancer: LoadBalancer, *children: Child) -> None:
    """Rows become PENDING_DELETE: they are out of the configuration from the next delivery, and gone after it."""
    for child in _staying(children):
        child.generation = load_balancer.generation
        child.provisioning_status = Provisioning.PENDING_DELETE


def _staying(children: Iterable[Child]) -> list[Child]:
    """Without those that go already: if they got a younger generation, what they refer to could go before them."""
    return [child for child in children if child.provisioning_status != Provisioning.PENDING_DELETE]
