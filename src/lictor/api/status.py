"""The status tree of a load balancer (reference, 1.6 "Status tree"): one statement, whose answer is one row."""

import functools
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select

from lictor.api.views import LOAD_BALANCERS, Document
from lictor.model import HealthMonitor, L7Policy, Listener, LoadBalancer, Member, Pool
from lictor.model.clock import moment
from lictor.model.listed import json_rows, rows
from lictor.model.statuses import Provisioning

_COMMON = ("id", "name", "operating_status", "provisioning_status")
_OF_THE_TREE = (*_COMMON, "project_id", "fault", "attempts", "retry_at_ms")

# What is read of each, after what it is sorted by; first comes what it is a part of, if that is not the root.
_PARTS: dict[type[Any], tuple[str, ...]] = {
    Listener: ("default_pool_id", *_COMMON),
    Pool: _COMMON,
    Member: ("pool_id", *_COMMON, "address", "protocol_port"),
    HealthMonitor: ("pool_id", *_COMMON, "type"),
    L7Policy: ("listener_id", "redirect_pool_id", "provisioning_status"),
}
_ORDER: dict[type[Any], tuple[str, ...]] = {L7Policy: ("position", "id")}
_BY_AGE = ("created_at", "id")


@functools.cache
def _statement() -> Select[Any]:
    def part(table: type[Any], names: tuple[str, ...]) -> Any:
        columns = [getattr(table, name) for name in (*_ORDER.get(table, _BY_AGE), *names)]
        return select(json_rows(*columns)).where(table.load_balancer_id == LoadBalancer.id).scalar_subquery()

    columns = [getattr(LoadBalancer, name) for name in _OF_THE_TREE]
    parts = [part(table, names) for table, names in _PARTS.items()]
    return select(*columns, *parts).where(LoadBalancer.id == bindparam("key"))


def read(connection: Connection, load_balancer_id: str) -> tuple[str, Document]:
    """The project of one load balancer, and the tree: its listeners, their pools, and what is in those. Raises 404.

    ``fault``, ``attempts`` and ``next_try_at`` are Lictor's own, on whatever is not ACTIVE after a failure: why the
    last attempt to apply a change failed, how many did, and when the next one is due (null: at once). Octavia would
    have users ask an operator.
    """
    row = connection.execute(_statement(), {"key": load_balancer_id}).one_or_none()
    if row is None:
        raise LOAD_BALANCERS.not_found(load_balancer_id)
    root: Document = dict(zip(_OF_THE_TREE, row, strict=False))
    listeners, pools, members, monitors, policies = (rows(text) for text in row[len(root) :])
    document = {name: root[name] for name in _COMMON}
    document["listeners"] = _listeners(listeners, policies, _pools(pools, members, monitors))
    if root["fault"]:
        _explain(document, _trouble(root))
    return root["project_id"], document


def _pools(pools: list[Any], members: list[Any], monitors: list[Any]) -> dict[str, Document]:
    """By their ids."""
    found: dict[str, Document] = {}
    for _created_at, pool_id, *values in pools:
        found[pool_id] = {**dict(zip(_COMMON, values, strict=True)), "members": []}
    names = _PARTS[Member][1:]
    for _created_at, _id, pool_id, *values in members:
        found[pool_id]["members"].append(dict(zip(names, values, strict=True)))
    names = _PARTS[HealthMonitor][1:]
    for _created_at, _id, pool_id, *values in monitors:
        found[pool_id]["health_monitor"] = dict(zip(names, values, strict=True))
    return found


def _listeners(listeners: list[Any], policies: list[Any], pools: dict[str, Document]) -> list[Document]:
    """With the pools that they send requests to, by themselves or by an L7 policy."""
    found = []
    for _created_at, listener_id, default_pool_id, *values in listeners:
        ids = dict.fromkeys([default_pool_id, *_chosen(policies, listener_id)])
        used = [pools[pool_id] for pool_id in ids if pool_id in pools]
        found.append({**dict(zip(_COMMON, values, strict=True)), "pools": used})
    return found


def _chosen(policies: list[Any], listener_id: str) -> list[str | None]:
    return [
        pool_id
        for _position, _id, on, pool_id, status in policies
        if on == listener_id and status != Provisioning.PENDING_DELETE
    ]


def _trouble(root: Document) -> Document:
    retry_at = root["retry_at_ms"]
    return {
        "fault": root["fault"],
        "attempts": root["attempts"],
        "next_try_at": moment(retry_at) if retry_at > 0 else None,
    }


def _explain(document: Document, trouble: Document) -> None:
    """Add what went wrong to every object of a tree that is not settled."""
    below = [value if isinstance(value, list) else [value] for value in document.values()]
    for child in [each for values in below for each in values if isinstance(each, dict)]:
        _explain(child, trouble)
    if document["provisioning_status"] != Provisioning.ACTIVE:
        document.update(trouble)
