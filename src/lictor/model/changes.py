"""How a write is accepted: the one place where generations rise and rows become PENDING.

The API calls ``begin`` first in the transaction of every write below a load balancer. It raises the generation, and as
an UPDATE it also locks the row until COMMIT: whatever the API then checks and changes in the tree, nobody else can
change at the same time (on Galera the second committer is told to start over).
"""

from sqlalchemy import case, select, update
from sqlalchemy.orm import Session

from lictor.model.loadbalancer import LoadBalancer
from lictor.model.resource import Child
from lictor.model.statuses import Provisioning


class Immutable(Exception):
    """The load balancer is being deleted, which nothing may disturb (HTTP 409)."""


def begin(session: Session, load_balancer_id: str) -> LoadBalancer | None:
    """Open a write below a load balancer: raise its generation, report it PENDING_UPDATE, and hold its row.

    A load balancer that has never been ACTIVE stays PENDING_CREATE. Returns None if there is no such load balancer;
    raises ``Immutable`` if it is in PENDING_DELETE.
    """
    create, delete = Provisioning.PENDING_CREATE, Provisioning.PENDING_DELETE
    status = case(
        (LoadBalancer.provisioning_status == create, create),
        (LoadBalancer.provisioning_status == delete, delete),
        else_=Provisioning.PENDING_UPDATE,
    )
    raised = _raise(session, load_balancer_id, provisioning_status=status, attempts=0, retry_at_ms=0)
    if raised is not None and raised.provisioning_status == delete:
        raise Immutable(f"Load Balancer {load_balancer_id} is immutable and cannot be updated.")
    return raised


def begin_delete(session: Session, load_balancer_id: str) -> LoadBalancer | None:
    """Like ``begin``, but condemns the load balancer itself. Raises ``Immutable`` if that was done before."""
    load_balancer = begin(session, load_balancer_id)
    if load_balancer is not None:
        load_balancer.provisioning_status = Provisioning.PENDING_DELETE
    return load_balancer


def ask_again(session: Session, load_balancer_id: str) -> None:
    """Have the loop look at a load balancer though nobody changed it: something outside is not as it should be.

    What was applied counts as not applied. The statuses stay: users need not see what the loop repairs. A retry time
    that was set stays too, so that a broken amphora which complains with every heartbeat does not defeat the back-off.
    """
    statement = update(LoadBalancer).where(LoadBalancer.id == load_balancer_id)
    session.execute(
        statement.values(observed_generation=0, updated_at=LoadBalancer.updated_at),
        execution_options={"synchronize_session": False},
    )


def _raise(session: Session, load_balancer_id: str, **values: object) -> LoadBalancer | None:
    statement = update(LoadBalancer).where(LoadBalancer.id == load_balancer_id)
    session.execute(
        statement.values(generation=LoadBalancer.generation + 1, **values),
        execution_options={"synchronize_session": False},
    )
    query = select(LoadBalancer).where(LoadBalancer.id == load_balancer_id)
    return session.scalar(query.execution_options(populate_existing=True))


def mark_created(load_balancer: LoadBalancer, *children: Child) -> None:
    """New rows become PENDING_CREATE as of this write. They still have to be added to the session."""
    for child in children:
        child.load_balancer_id = load_balancer.id
        child.generation = load_balancer.generation
        child.provisioning_status = Provisioning.PENDING_CREATE


def mark_updated(load_balancer: LoadBalancer, *children: Child) -> None:
    """Rows that this write changed, or whose child it changed, become PENDING_UPDATE; a row being created stays so."""
    for child in children:
        child.generation = load_balancer.generation
        if child.provisioning_status not in (Provisioning.PENDING_CREATE, Provisioning.PENDING_DELETE):
            child.provisioning_status = Provisioning.PENDING_UPDATE


def mark_deleted(load_balancer: LoadBalancer, *children: Child) -> None:
    """Rows become PENDING_DELETE: they are out of the configuration from the next delivery, and gone after it."""
    for child in children:
        child.generation = load_balancer.generation
        child.provisioning_status = Provisioning.PENDING_DELETE
