"""Who may do what: every policy rule, with its default (reference, 2.2 and 2.3).

The names are Octavia's, so that an operator's ``policy.yaml`` for Octavia works here too. ``oslopolicy-sample-generator
--namespace lictor`` prints them all.
"""

from collections.abc import Iterator

from oslo_policy import policy

PREFIX = "os_load-balancer_api"
SCOPES = ["system", "project"]
"""Whoever administers one domain of Keystone does not thereby administer load balancers."""

_READ = "rule:load-balancer:read"
_READ_GLOBAL = "rule:load-balancer:read-global"
_WRITE = "rule:load-balancer:write"
_READ_QUOTA = "rule:load-balancer:read-quota"
_READ_QUOTA_GLOBAL = "rule:load-balancer:read-quota-global"
_WRITE_QUOTA = "rule:load-balancer:write-quota"
_ADMIN = "rule:load-balancer:admin"

_REASON = "Keystone's default roles (admin, member, reader) have taken the place of the load-balancer_* roles"
_ADVANCED = {
    "context_is_admin": "role:admin or role:load-balancer_admin",
    "load-balancer:admin": "is_admin:True or role:admin or role:load-balancer_admin",
    "load-balancer:global_observer": "role:load-balancer_global_observer",
    "load-balancer:member_and_owner": "role:load-balancer_member and rule:load-balancer:owner",
    "load-balancer:observer_and_owner": "role:load-balancer_observer and rule:load-balancer:owner",
    "load-balancer:quota-admin": "role:load-balancer_quota_admin",
}
"""What else lets in as long as ``[oslo_policy] enforce_new_defaults`` is false."""

_ROLES = {
    "context_is_admin": "role:admin",
    "service": "role:service",
    "project-member": "role:member and project_id:%(project_id)s",
    "project-reader": "role:reader and project_id:%(project_id)s",
    "load-balancer:owner": "project_id:%(project_id)s",
    "load-balancer:admin": "is_admin:True or role:admin",
    "load-balancer:global_observer": "role:admin",
    "load-balancer:member_and_owner": "rule:project-member",
    "load-balancer:observer_and_owner": "rule:project-reader",
    "load-balancer:quota-admin": "role:admin",
}
"""Who is what. ``is_admin:True`` holds for whom ``context_is_admin`` holds, and for everybody under ``noauth``."""


def _any(*names: str) -> str:
    return " or ".join(f"rule:load-balancer:{name}" for name in names)


_RIGHTS = {
    "load-balancer:read": _any("observer_and_owner", "global_observer", "member_and_owner", "admin"),
    "load-balancer:read-global": _any("global_observer", "admin"),
    "load-balancer:write": _any("member_and_owner", "admin"),
    "load-balancer:read-quota": _any(
        "observer_and_owner", "global_observer", "member_and_owner", "quota-admin", "admin"
    ),
    "load-balancer:read-quota-global": _any("global_observer", "quota-admin", "admin"),
    "load-balancer:write-quota": _any("quota-admin", "admin"),
}

_LISTS = {"get_all": _READ}
_LISTS_OF_ALL = {"get_all": _READ, "get_all-global": _READ_GLOBAL}
_OWNED = {"get_one": _READ, "post": _WRITE, "put": _WRITE, "delete": _WRITE}
_OFFERED = {"get_all": _READ, "get_one": _READ, "post": _ADMIN, "put": _ADMIN, "delete": _ADMIN}
_INTERNAL = dict.fromkeys(_OFFERED, _ADMIN)
_SECURITY_GROUPS = {"post:vip_sg_ids": _WRITE, "put:vip_sg_ids": _WRITE}
_QUOTAS = {
    "get_all": _READ_QUOTA,
    "get_all-global": _READ_QUOTA_GLOBAL,
    "get_one": _READ_QUOTA,
    "get_defaults": _READ_QUOTA,
    "put": _WRITE_QUOTA,
    "delete": _WRITE_QUOTA,
}
_BALANCERS = {"get_stats": _READ, "get_status": _READ, "get_events": _READ, "put_failover": _ADMIN}
_AMPHORAE = dict.fromkeys(("get_all", "get_one", "delete", "put_config", "put_failover", "get_stats"), _ADMIN)

_L = "/v2/lbaas"
_RESOURCES: tuple[tuple[str, str, str, str, dict[str, str]], ...] = (
    # rule, what it is called, its collection, an item of it, who may do what
    ("loadbalancer", "load balancer", f"{_L}/loadbalancers", "{loadbalancer_id}",
     _LISTS_OF_ALL | _OWNED | _SECURITY_GROUPS | _BALANCERS),
    ("listener", "listener", f"{_L}/listeners", "{listener_id}", _LISTS_OF_ALL | _OWNED | {"get_stats": _READ}),
    ("pool", "pool", f"{_L}/pools", "{pool_id}", _LISTS_OF_ALL | _OWNED),
    ("member", "member", f"{_L}/pools/{{pool_id}}/members", "{member_id}",
     {"get_all": f"{_READ} or rule:service"} | _OWNED),
    ("healthmonitor", "health monitor", f"{_L}/healthmonitors", "{healthmonitor_id}", _LISTS_OF_ALL | _OWNED),
    ("l7policy", "L7 policy", f"{_L}/l7policies", "{l7policy_id}", _LISTS_OF_ALL | _OWNED),
    ("l7rule", "L7 rule", f"{_L}/l7policies/{{l7policy_id}}/rules", "{l7rule_id}", _LISTS | _OWNED),
    ("quota", "quota", f"{_L}/quotas", "{project_id}", _QUOTAS),
    ("provider", "provider", f"{_L}/providers", "{provider}", _LISTS),
    ("provider-flavor", "flavor capability of a provider", f"{_L}/providers/{{provider}}/flavor_capabilities", "",
     {"get_all": _ADMIN}),
    ("provider-availability-zone", "availability zone capability of a provider",
     f"{_L}/providers/{{provider}}/availability_zone_capabilities", "", {"get_all": _ADMIN}),
    ("flavor", "flavor", f"{_L}/flavors", "{flavor_id}", _OFFERED),
    ("flavor-profile", "flavor profile", f"{_L}/flavorprofiles", "{flavor_profile_id}", _INTERNAL),
    ("availability-zone", "availability zone", f"{_L}/availabilityzones", "{availability_zone_name}", _OFFERED),
    ("availability-zone-profile", "availability zone profile", f"{_L}/availabilityzoneprofiles",
     "{availability_zone_profile_id}", _INTERNAL),
    ("amphora", "amphora", "/v2/octavia/amphorae", "{amphora_id}", _AMPHORAE),
)  # fmt: skip

_ACTIONS = {
    # action: method, what follows the item's path (None: it acts on the collection), what it does
    "get_all": ("GET", None, "See one's own in a list: {}"),
    "get_all-global": ("GET", None, "See everybody's in a list: {}"),
    "post": ("POST", None, "Create: {}"),
    "post:vip_sg_ids": ("POST", None, "Create with security groups of one's own for the VIP: {}"),
    "get_one": ("GET", "", "Show: {}"),
    "put": ("PUT", "", "Change: {}"),
    "put:vip_sg_ids": ("PUT", "", "Change the security groups of the VIP: {}"),
    "delete": ("DELETE", "", "Delete: {}"),
    "get_stats": ("GET", "/stats", "Read the statistics: {}"),
    "get_status": ("GET", "/status", "Read the status tree: {}"),
    "get_events": ("GET", "/events", "Read what happened: {}"),
    "get_defaults": ("GET", "/default", "Read the defaults: {}"),
    "put_failover": ("PUT", "/failover", "Fail over: {}"),
    "put_config": ("PUT", "/config", "Have the agent take over its configuration: {}"),
}


def list_rules() -> list[policy.RuleDefault]:
    """Every rule: entry point ``oslo.policy.policies``."""
    helpers = [_role(name, check) for name, check in (_ROLES | _RIGHTS).items()]
    return [*helpers, *_documented()]


def _role(name: str, check: str) -> policy.RuleDefault:
    advanced = _ADVANCED.get(name)
    old = advanced and policy.DeprecatedRule(name, advanced, deprecated_reason=_REASON, deprecated_since="0.1")
    return policy.RuleDefault(name, check, deprecated_rule=old or None, scope_types=SCOPES)


def _documented() -> Iterator[policy.DocumentedRuleDefault]:
    for resource, title, path, item, actions in _RESOURCES:
        for action, check in actions.items():
            method, rest, description = _ACTIONS[action]
            where = path if rest is None else f"{path}/{item}{rest}"
            yield policy.DocumentedRuleDefault(
                f"{PREFIX}:{resource}:{action}",
                check,
                description.format(title),
                [{"method": method, "path": where}],
                scope_types=SCOPES,
            )
