"""What of a load balancer's tree is to be carried: the rules of who is left out, in one place.

Rows in PENDING_DELETE are gone for the amphora. A disabled load balancer or listener has no frontend, a disabled pool
is not used, a disabled monitor checks nothing; a disabled member stays, as a server in maintenance (reference, 3.4).
A disabled L7 rule does not count, and a policy without rules, or with a pool that is not used, never matches.
"""

import ipaddress
from collections.abc import Iterable
from typing import TypeVar

from lictor.model import HealthMonitor, L7Policy, L7Rule, Listener, LoadBalancer, Member, Pool
from lictor.model.resource import Child
from lictor.model.statuses import Provisioning

AnyChild = TypeVar("AnyChild", bound=Child)


class Unsupported(ValueError):
    """The tree asks for what amphorae cannot do (yet); the API refuses it, so this is a bug's or an upgrade's trace."""


def listeners(load_balancer: LoadBalancer) -> list[Listener]:
    """The listeners that take traffic, in an order that does not depend on when they were read."""
    if not load_balancer.admin_state_up:
        return []
    return sorted(_enabled(load_balancer.listeners), key=lambda listener: listener.id)


def vips(load_balancer: LoadBalancer) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The addresses that listeners answer on, the first one first."""
    found = [load_balancer.vip_address, *(vip.ip_address for vip in load_balancer.additional_vips)]
    return [ipaddress.ip_address(str(vip)) for vip in found]


MAX_CONNECTIONS = 1_000_000
"""The highest connection limit of a listener, as in Octavia (reference, 4.4); the machine's own may be lower."""


def connection_limit(listener: Listener, default: int) -> int:
    """How many connections a listener takes at once: -1 and 0 both mean ``default`` (reference, 1.7)."""
    return min(listener.connection_limit if listener.connection_limit > 0 else default, MAX_CONNECTIONS)


def default_pool(listener: Listener) -> Pool | None:
    """The pool that a listener sends its traffic to."""
    return next(iter(_enabled([listener.default_pool])), None)


def policies(listener: Listener) -> list[L7Policy]:
    """The L7 policies of a listener that can match a request and have somewhere to send it, by position."""
    able = [policy for policy in _enabled(listener.l7policies) if rules(policy) and not _stranded(policy)]
    return sorted(able, key=lambda policy: (policy.position, policy.id))


def rules(policy: L7Policy) -> list[L7Rule]:
    """The rules of a policy, all of which must match; none does if there are none."""
    return sorted(_enabled(policy.rules), key=lambda rule: rule.id)


def redirect_pool(policy: L7Policy) -> Pool | None:
    """The pool that a policy sends requests to."""
    return next(iter(_enabled([policy.redirect_pool])), None)


def used(listener: Listener) -> list[Pool]:
    """All pools that a listener's traffic may go to: the default one, and those of its L7 policies."""
    found = [default_pool(listener), *(redirect_pool(policy) for policy in policies(listener))]
    return list(dict.fromkeys(pool for pool in found if pool))


def members(pool: Pool) -> list[Member]:
    """The members of a pool, oldest first, the disabled ones among them."""
    return _present(pool.members)


def health_monitor(pool: Pool) -> HealthMonitor | None:
    """The health monitor that checks a pool's members."""
    return next(iter(_enabled([pool.health_monitor])), None)


def _stranded(policy: L7Policy) -> bool:
    return policy.action == "REDIRECT_TO_POOL" and redirect_pool(policy) is None


def _present(rows: Iterable[AnyChild | None]) -> list[AnyChild]:
    return [row for row in rows if row and row.provisioning_status != Provisioning.PENDING_DELETE]


def _enabled(rows: Iterable[AnyChild | None]) -> list[AnyChild]:
    return [row for row in _present(rows) if row.admin_state_up]
