"""How much a project may have and how much it has (reference, 1.12).

What a project has is counted, never kept: a counter would have to be right after every crash. Whoever adds to a project
that has a limit holds its row until COMMIT, so that two cannot both take the last of what is left.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lictor.model.admin import Quota
from lictor.model.l7 import L7Policy, L7Rule
from lictor.model.listener import Listener
from lictor.model.loadbalancer import LoadBalancer
from lictor.model.pool import HealthMonitor, Member, Pool
from lictor.model.resource import Resource
from lictor.model.statuses import Provisioning
from lictor.model.store import rows_changed

LIMITED: Final[dict[str, type[Resource]]] = {
    "loadbalancer": LoadBalancer,
    "listener": Listener,
    "pool": Pool,
    "member": Member,
    "healthmonitor": HealthMonitor,
    "l7policy": L7Policy,
    "l7rule": L7Rule,
}
"""What a quota limits, by the limit's name; the names are those of the columns of ``Quota``."""

UNLIMITED: Final = -1

Limits = dict[str, int]


def hold(session: Session, project_id: str) -> None:
    """Lock the quota row of a project until COMMIT; it is made if need be.

    The UPDATE must change something: one that does not is invisible to the other nodes of a Galera cluster, where two
    holders are found out at COMMIT, and the second one is told to start over.
    """
    raised = update(Quota).where(Quota.project_id == project_id).values(holds=Quota.holds + 1)
    if rows_changed(session, raised):
        return
    try:
        with session.begin_nested():
            session.add(Quota(project_id=project_id, holds=1))
    except IntegrityError:  # Somebody else made it meanwhile, and has committed: the database waited for that.
        rows_changed(session, raised)


def limits(session: Session, project_id: str, defaults: Mapping[str, int]) -> Limits:
    """The limits of a project: its own, and for the rest the defaults."""
    columns = [getattr(Quota, name) for name in LIMITED]
    row = session.execute(select(*columns).where(Quota.project_id == project_id)).one_or_none()
    own = dict(zip(LIMITED, row, strict=True)) if row is not None else {}
    return {name: default if own.get(name) is None else own[name] for name, default in defaults.items()}


def usage(session: Session, project_id: str, names: Iterable[str]) -> dict[str, int]:
    """How much of these a project has. What is being deleted counts no more: its owner thinks it gone."""
    names = list(names)
    counts = [
        select(func.count())
        .where(LIMITED[name].project_id == project_id)
        .where(LIMITED[name].provisioning_status != Provisioning.PENDING_DELETE)
        .scalar_subquery()
        for name in names
    ]
    return dict(zip(names, session.execute(select(*counts)).one(), strict=True))
