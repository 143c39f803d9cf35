"""Every (role, rule) pair by HTTP against what the reference says in 2.2 and 2.3."""

import dataclasses
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from oslo_policy.policy import DocumentedRuleDefault

from lictor.api.policies import PREFIX, list_rules
from tests.unit.api.callers import FOREIGN, OWN, Guarded, caller

# Who has a right, over the own project's objects and over those of others. Written down from the reference, 2.2: the
# first row are Keystone's default roles, the second one those of Octavia that came before them.
_ADMINS = {"admin", "load-balancer_admin"}
_OBSERVERS = _ADMINS | {"load-balancer_global_observer"}
_WRITERS = _ADMINS | {"member", "load-balancer_member"}
_READERS = _OBSERVERS | _WRITERS | {"reader", "load-balancer_observer"}
_QUOTA = {"load-balancer_quota_admin"}

RIGHTS: dict[str, tuple[set[str], set[str]]] = {
    "R": (_READERS, _OBSERVERS),
    "RG": (_OBSERVERS, _OBSERVERS),
    "W": (_WRITERS, _ADMINS),
    "RQ": (_READERS | _QUOTA, _OBSERVERS | _QUOTA),
    "RQG": (_OBSERVERS | _QUOTA, _OBSERVERS | _QUOTA),
    "WQ": (_ADMINS | _QUOTA, _ADMINS | _QUOTA),
    "A": (_ADMINS, _ADMINS),
    "R or service": (_READERS | {"service"}, _OBSERVERS | {"service"}),
}

ROLES = (
    "admin", "member", "reader", "service",
    "load-balancer_admin", "load-balancer_member", "load-balancer_observer", "load-balancer_global_observer",
    "load-balancer_quota_admin",
    "something-else", "",
)  # fmt: skip

# The reference, 2.3, row by row.
_OWNED = {"get_all": "R", "get_all-global": "RG", "get_one": "R", "post": "W", "put": "W", "delete": "W"}
_BELOW = {"get_one": "R", "post": "W", "put": "W", "delete": "W"}
_OFFERED = {"get_all": "R", "get_one": "R", "post": "A", "put": "A", "delete": "A"}
_INTERNAL = dict.fromkeys(_OFFERED, "A")
TABLE: dict[str, dict[str, str]] = {
    "loadbalancer": _OWNED
    | {"post:vip_sg_ids": "W", "put:vip_sg_ids": "W", "get_stats": "R", "get_status": "R", "put_failover": "A"}
    | {"get_events": "R"},  # Lictor's own.
    "listener": _OWNED | {"get_stats": "R"},
    "pool": _OWNED,
    "healthmonitor": _OWNED,
    "l7policy": _OWNED,
    "member": _BELOW | {"get_all": "R or service"},
    "l7rule": _BELOW | {"get_all": "R"},
    "quota": {"get_all": "RQ", "get_all-global": "RQG", "get_one": "RQ", "put": "WQ", "delete": "WQ"}
    | {"get_defaults": "RQ"},
    "provider": {"get_all": "R"},
    "provider-flavor": {"get_all": "A"},
    "provider-availability-zone": {"get_all": "A"},
    "flavor": _OFFERED,
    "availability-zone": _OFFERED,
    "flavor-profile": _INTERNAL,
    "availability-zone-profile": _INTERNAL,
    "amphora": {
        "get_all": "A",
        "get_one": "A",
        "delete": "A",
        "put_config": "A",
        "put_failover": "A",
        "get_stats": "A",
    },
}
PAIRS = [(resource, action) for resource, actions in TABLE.items() for action in actions]


def test_the_table_names_every_rule_and_no_other() -> None:
    rules = {rule.name for rule in list_rules() if isinstance(rule, DocumentedRuleDefault)}
    assert rules == {f"{PREFIX}:{resource}:{action}" for resource, action in PAIRS}
