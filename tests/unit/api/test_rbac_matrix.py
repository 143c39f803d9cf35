"""Every (role, rule) pair by HTTP against what the reference says in 2.2 and 2.3."""

import re

import pytest
from oslo_policy.policy import DocumentedRuleDefault

from lictor.api import routes
from lictor.api.auth.policies import PREFIX, list_rules
from tests.unit.api import probes
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
SHARED = {
    "provider", "provider-flavor", "provider-availability-zone", "flavor", "availability-zone", "flavor-profile",
    "availability-zone-profile", "amphora",
}  # fmt: skip
PLURALS = {
    "loadbalancer": "loadbalancers", "listener": "listeners", "pool": "pools", "healthmonitor": "healthmonitors",
    "l7policy": "l7policies", "quota": "quotas",
}  # fmt: skip
ELSEWHERE = {("put", "/pools/*/members"), ("get", "/loadbalancers/*/statuses")}
"""The batch of members needs several rights, see test_policy_files; the other is a second name."""

PAIRS = [(resource, action) for resource, actions in TABLE.items() for action in actions]


def test_the_table_names_every_rule_and_no_other() -> None:
    rules = {rule.name for rule in list_rules() if isinstance(rule, DocumentedRuleDefault)}
    assert rules == {f"{PREFIX}:{resource}:{action}" for resource, action in PAIRS}


def test_every_operation_of_the_api_is_tried_by_some_rule() -> None:
    tried = {
        (probe.method.lower(), _template(probe.path))
        for actions in probes.PROBES.values() for probe in actions.values()
    }  # fmt: skip
    exist = {
        (verb, re.sub("{[^}]*}", "*", route.path))
        for route in (*routes.LBAAS, *routes.OCTAVIA) for verb in route.operations
    }  # fmt: skip
    assert exist - tried - ELSEWHERE == set()


def _template(path: str) -> str:
    """A probe's path as routes have it; a word in the place of an id counts as one."""
    path = path.partition("?")[0].removeprefix("/v2.0/octavia").replace("/providers/amphora", "/providers/<provider>")
    return re.sub("<[^>]*>", "*", path)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Guarded:
    return Guarded(tmp_path_factory.mktemp("matrix"))


@pytest.fixture(scope="module")
def ids(world: Guarded) -> dict[str, probes.Ids]:
    """What each project has, by its id."""
    shared = probes.shared_ids(world)
    return {project_id: shared | probes.ids_of(world, project_id) for project_id in (OWN, FOREIGN)}


@pytest.mark.parametrize(("resource", "action"), PAIRS)
def test_a_role_may_do_what_the_reference_says_and_no_more(
    world: Guarded, ids: dict[str, probes.Ids], resource: str, action: str
) -> None:
    for project_id, allowed in zip((OWN, FOREIGN), RIGHTS[TABLE[resource][action]], strict=True):
        for role in ROLES:
            may = _tries(world, ids[project_id], resource, action, role)
            # What everybody shares is nobody's: there it only counts what a caller may do at home.
            expected = allowed if resource not in SHARED else RIGHTS[TABLE[resource][action]][0]
            assert may == (role in expected), f"{role or 'nobody'} {'may' if may else 'may not'} in {project_id}"


def _tries(world: Guarded, ids: probes.Ids, resource: str, action: str, role: str) -> bool:
    if action == "get_all-global":
        return probes.sees_everybodys(world, PLURALS[resource], caller(role))
    probe = probes.PROBES[resource][action]
    if probe.fresh is not None:
        ids = ids | {"fresh": probe.fresh(world, ids)}
    status = world.status(probe.method, probes.fill(probe.path, ids), caller(role), probes.fill(probe.body, ids))
    assert status in (probe.good, 403), f"{probe.method} {probe.path} as {role or 'nobody'}: {status}"
    return status == probe.good
