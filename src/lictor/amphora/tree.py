"""What of a load balancer's tree is to be carried: the rules of who is left out, in one place.

Rows in PENDING_DELETE are gone for the amphora. A disabled load balancer or listener has no frontend, a disabled pool
is not used, a disabled monitor checks nothing; a disabled member stays, as a server in maintenance (reference, 3.4).
"""

from collections.abc import Iterable
from typing import TypeVar

from lictor.model import HealthMonitor, Listener, LoadBalancer, Member, Pool
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


def default_pool(listener: Listener) -> Pool | None:
    """The pool that a listener sends its traffic to."""
    return next(iter(_enabled([listener.default_pool])), None)


def members(pool: Pool) -> list[Member]:
    """The members of a pool, oldest first, the disabled ones among them."""
    return _present(pool.members)


def health_monitor(pool: Pool) -> HealthMonitor | None:
    """The health monitor that checks a pool's members."""
    return next(iter(_enabled([pool.health_monitor])), None)


def _present(rows: Iterable[AnyChild | None]) -> list[AnyChild]:
    return [row for row in rows if row and row.provisioning_status != Provisioning.PENDING_DELETE]


def _enabled(rows: Iterable[AnyChild | None]) -> list[AnyChild]:
    return [row for row in _present(rows) if row.admin_state_up]
