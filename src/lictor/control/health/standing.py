"""Writes operating statuses: reads the trees of many load balancers at once, and changes the rows that differ."""

from collections.abc import Collection, Iterator, Mapping

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lictor.control.health import operating
from lictor.control.health.operating import Observed, Standing
from lictor.model import Listener, LoadBalancer, Member, Pool

Table = type[LoadBalancer | Listener | Pool | Member]

_TOP_DOWN: tuple[Table, ...] = (LoadBalancer, Listener, Pool, Member)
"""The order in which rows are locked, as the API does it."""


def write(session: Session, observed: Mapping[str, Observed]) -> None:
    """Have the statuses of these load balancers, and of all below them, follow from what was observed of each."""
    changes: dict[tuple[Table, str], list[str]] = {}
    for load_balancer in _trees(session, observed.keys()):
        found = operating.statuses(load_balancer, observed[load_balancer.id])
        for table, row in _rows(load_balancer):
            if row.operating_status != found[row.id]:
                changes.setdefault((table, found[row.id]), []).append(row.id)
    for (table, status), ids in sorted(
        changes.items(), key=lambda change: (_TOP_DOWN.index(change[0][0]), change[0][1])
    ):
        statement = update(table).where(table.id.in_(sorted(ids)))
        # Spelled out: a status that heartbeats brought is not a user's change.
        session.execute(
            statement.values(operating_status=status, updated_at=table.updated_at),
            execution_options={"synchronize_session": False},
        )


def _trees(session: Session, ids: Collection[str]) -> Collection[Standing]:
    if not ids:
        return []
    wanted = select(LoadBalancer.id, LoadBalancer.operating_status, LoadBalancer.admin_state_up)
    balancers = {row.id: Standing(*row) for row in session.execute(wanted.where(LoadBalancer.id.in_(ids)))}
    listeners = select(Listener.load_balancer_id, Listener.id, Listener.operating_status, Listener.admin_state_up,
                       Listener.provisioning_status)  # fmt: skip
    for listener in session.execute(listeners.where(Listener.load_balancer_id.in_(balancers))):
        balancers[listener[0]].listeners.append(Standing(*listener[1:]))
    pools: dict[str, Standing] = {}
    of_pools = select(Pool.load_balancer_id, Pool.id, Pool.operating_status)
    for pool in session.execute(of_pools.where(Pool.load_balancer_id.in_(balancers))):
        pools[pool[1]] = Standing(*pool[1:])
        balancers[pool[0]].pools.append(pools[pool[1]])
    members = select(Member.pool_id, Member.id, Member.operating_status)
    for member in session.execute(members.where(Member.load_balancer_id.in_(balancers))):
        if member[0] in pools:  # A pool may have been made since we asked for pools.
            pools[member[0]].members.append(Standing(*member[1:]))
    return balancers.values()


def _rows(load_balancer: Standing) -> Iterator[tuple[Table, Standing]]:
    yield LoadBalancer, load_balancer
    yield from ((Listener, each) for each in load_balancer.listeners)
    for pool in load_balancer.pools:
        yield Pool, pool
        yield from ((Member, each) for each in pool.members)
