"""The status tree of a load balancer (reference, 1.6 "Status tree")."""

from collections import defaultdict
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lictor.api.views import Document
from lictor.model import Child, HealthMonitor, L7Policy, Listener, LoadBalancer, Member, Pool
from lictor.model.clock import moment
from lictor.model.statuses import Provisioning

_COMMON = ("id", "name", "operating_status", "provisioning_status")


def tree(session: Session, load_balancer: LoadBalancer) -> Document:
    """One load balancer with its listeners, their pools, and what is in those.

    ``fault``, ``attempts`` and ``next_try_at`` are Lictor's own, on whatever is not ACTIVE after a failure: why the
    last attempt to apply a change failed, how many did, and when the next one is due (null: at once). Octavia would
    have users ask an operator.
    """
    pools = _pools(session, load_balancer.id)
    document = {name: getattr(load_balancer, name) for name in _COMMON}
    used = _pools_used(session, load_balancer.id)
    document["listeners"] = []
    for listener in _rows(session, Listener, load_balancer.id, Listener.default_pool_id):
        ids = dict.fromkeys([listener.pop("default_pool_id"), *used[listener["id"]]])
        document["listeners"].append(listener | {"pools": [pools[pool_id] for pool_id in ids if pool_id in pools]})
    if load_balancer.fault:
        _explain(document, _trouble(load_balancer))
    return document


def _trouble(load_balancer: LoadBalancer) -> Document:
    retry_at = load_balancer.retry_at_ms
    return {
        "fault": load_balancer.fault,
        "attempts": load_balancer.attempts,
        "next_try_at": moment(retry_at) if retry_at else None,
    }


def _explain(document: Document, trouble: Document) -> None:
    """Add what went wrong to every object of a tree that is not settled."""
    below = [value if isinstance(value, list) else [value] for value in document.values()]
    for child in [each for values in below for each in values if isinstance(each, dict)]:
        _explain(child, trouble)
    if document["provisioning_status"] != Provisioning.ACTIVE:
        document.update(trouble)


def _rows(session: Session, table: type[Child], load_balancer_id: str, *more: Any) -> list[Document]:
    columns = [*(getattr(table, name) for name in _COMMON), *more]
    query = select(*columns).where(table.load_balancer_id == load_balancer_id).order_by(table.created_at, table.id)
    return [dict(row._mapping) for row in session.execute(query)]


def _pools(session: Session, load_balancer_id: str) -> dict[str, Document]:
    pools = {pool["id"]: pool | {"members": []} for pool in _rows(session, Pool, load_balancer_id)}
    more = (Member.pool_id, Member.address, Member.protocol_port)
    for member in _rows(session, Member, load_balancer_id, *more):
        pools[member.pop("pool_id")]["members"].append(member)
    for monitor in _rows(session, HealthMonitor, load_balancer_id, HealthMonitor.pool_id, HealthMonitor.type):
        pools[monitor.pop("pool_id")]["health_monitor"] = monitor
    return pools


def _pools_used(session: Session, load_balancer_id: str) -> dict[str, list[str | None]]:
    """By listener, the pools that its L7 policies send requests to."""
    query = select(L7Policy.listener_id, L7Policy.redirect_pool_id).order_by(L7Policy.position)
    found: dict[str, list[str | None]] = defaultdict(list)
    there = (L7Policy.load_balancer_id == load_balancer_id, L7Policy.provisioning_status != Provisioning.PENDING_DELETE)
    for listener_id, pool_id in session.execute(query.where(*there)):
        found[listener_id].append(pool_id)
    return found
