"""The pools that a request defines, here and there, and refers to by name (reference, 1.6 "Fully populated create")."""

from collections.abc import Iterable

from lictor.api import errors, pools
from lictor.api.requests.l7 import L7PolicyInGraph
from lictor.api.requests.listeners import ListenerInGraph
from lictor.api.requests.members import MemberInGraph
from lictor.api.requests.pools import PoolInGraph
from lictor.api.resource import Change
from lictor.model import Pool


def in_listener(listener: ListenerInGraph) -> list[PoolInGraph]:
    """The pools that are defined inside a listener of a request."""
    default = [] if listener.default_pool is None else [listener.default_pool]
    redirects = [pool for policy in listener.l7policies for pool in in_policy(policy)]
    return [*(pool for pool in default if not pool.is_reference()), *redirects]


def in_policy(policy: L7PolicyInGraph) -> list[PoolInGraph]:
    """The pool that is defined inside an L7 policy of a request, if there is one."""
    pool = policy.redirect_pool
    return [] if pool is None or pool.is_reference() else [pool]


def members_of(definitions: Iterable[PoolInGraph]) -> list[MemberInGraph]:
    """The members of all these pools."""
    return [member for definition in definitions for member in definition.members]


class Pools:
    """Makes the pools of a request, and knows them by the names that the request gave them."""

    def __init__(self, change: Change, definitions: Iterable[PoolInGraph], *, in_graph: bool = False) -> None:
        """Those that have a name are made at once, as others may refer to them. Raises 400, 409 and 501.

        In the graph of a load balancer, all of them must have one.
        """
        self._change = change
        self._named: dict[str, Pool] = {}
        for definition in definitions:
            if definition.name in self._named:
                raise errors.validation(
                    f"Pool names must be unique in a request, but '{definition.name}' is given twice."
                )
            if definition.name:
                self._named[definition.name] = self._create(definition)
            elif in_graph:
                raise errors.validation("Pools must be named when they are created with their load balancer.")

    def find(self, asked: PoolInGraph) -> Pool:
        """The pool that is defined or referred to in this place. Raises 400 if the request does not define it."""
        if asked.name in self._named:
            return self._named[asked.name]
        if asked.is_reference():
            raise errors.validation(f"Pool '{asked.name}' is not defined in the request.")
        return self._create(asked)

    def _create(self, definition: PoolInGraph) -> Pool:
        return pools.create(self._change, definition)
