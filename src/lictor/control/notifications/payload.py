"""What a notification says of a load balancer: all of it, with the names of both ages of Octavia.

Octavia documents the names of its own model (``id``, ``enabled``, ``vip``), and its newer releases send those of its
providers (``loadbalancer_id``, ``admin_state_up``, ``vip_address``): consumers of either find what they look for. Keys
and certificates, which newer releases send too, are never in it: only their references are.
"""

import datetime
from collections.abc import Sequence
from typing import Any

from sqlalchemy import inspect

from lictor.model import Child, HealthMonitor, L7Policy, L7Rule, Listener, LoadBalancer, Member, Pool

Document = dict[str, Any]

_OURS = {"generation", "load_balancer_id"}
"""Columns that mean nothing outside."""

_KINDS: dict[type[Child], str] = {
    Listener: "listener",
    Pool: "pool",
    Member: "member",
    HealthMonitor: "healthmonitor",
    L7Policy: "l7policy",
    L7Rule: "l7rule",
}


def payload(load_balancer: LoadBalancer, tags: Sequence[str], status: str) -> Document:
    """The whole tree, as it was read, but for the load balancer's ``provisioning_status``."""
    lb = load_balancer
    plain = ("id", "name", "description", "project_id", "provider", "availability_zone", "flavor_id")
    return {
        **{name: getattr(lb, name) for name in plain},
        "loadbalancer_id": lb.id,
        "enabled": lb.admin_state_up,
        "admin_state_up": lb.admin_state_up,
        "provisioning_status": status,
        "operating_status": str(lb.operating_status),
        "created_at": _moment(lb.created_at),
        "updated_at": _moment(lb.updated_at),
        "tags": list(tags),
        **_vips(lb),
        "listeners": [_listener(each) for each in lb.listeners],
        "pools": [_pool(each) for each in lb.pools],
    }


def _vips(lb: LoadBalancer) -> Document:
    vip = {
        "ip_address": lb.vip_address,
        "network_id": lb.vip_network_id,
        "port_id": lb.vip_port_id,
        "qos_policy_id": lb.vip_qos_policy_id,
        "subnet_id": lb.vip_subnet_id,
    }
    further = ("ip_address", "network_id", "port_id", "subnet_id")
    return {
        "vip": vip,
        "vip_address": lb.vip_address,
        **{f"vip_{name}": value for name, value in vip.items() if name != "ip_address"},
        "vip_sg_ids": list(lb.vip_sg_ids),
        "additional_vips": [{name: getattr(each, name) for name in further} for each in lb.additional_vips],
    }


def _listener(listener: Listener) -> Document:
    policies = [{**_row(each), "rules": [_row(rule) for rule in each.rules]} for each in listener.l7policies]
    return {**_row(listener), "l7policies": policies}


def _pool(pool: Pool) -> Document:
    monitor = _row(pool.health_monitor) if pool.health_monitor else None
    return {**_row(pool), "members": [_row(member) for member in pool.members], "healthmonitor": monitor}


def _row(row: Child) -> Document:
    """The columns of one object; its id is also there by the name that providers have for it."""
    names = inspect(type(row)).column_attrs.keys()
    values = {name: getattr(row, name) for name in names if name not in _OURS}
    told = {name: _moment(value) if isinstance(value, datetime.datetime) else value for name, value in values.items()}
    return {**told, f"{_KINDS[type(row)]}_id": row.id, "loadbalancer_id": row.load_balancer_id}


def _moment(time: datetime.datetime | None) -> str | None:
    return time.isoformat(timespec="microseconds") if time else None
