"""The forms that an object's document can have, where there is more than one."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from lictor.api.views import L7POLICIES, L7RULES, LISTENERS, LOAD_BALANCERS, MEMBERS, MONITORS, POOLS, View


@dataclasses.dataclass(frozen=True)
class Form:
    """A view's documents with some attributes ``instead`` of the view's own: types, other forms, or None for none."""

    name: str
    view: View
    instead: Mapping[str, Any]

    @classmethod
    def of(cls, view: View) -> "Form":
        """The usual form."""
        return cls(view.title.replace(" ", ""), view, {})


@dataclasses.dataclass(frozen=True)
class Maybe:
    """An attribute that is left out where there is nothing to show."""

    kind: Any


_POLICY: Final = Form("L7PolicyInTree", L7POLICIES, {"rules": [L7RULES]})
_LISTENER: Final = Form("ListenerInTree", LISTENERS, {"loadbalancers": None, "l7policies": [_POLICY]})
_MONITOR: Final = Form("HealthMonitorInTree", MONITORS, {"pools": None})
_POOL: Final = Form(
    "PoolInTree",
    POOLS,
    {"loadbalancers": None, "members": [MEMBERS], "healthmonitor": Maybe(_MONITOR), "healthmonitor_id": None},
)
FULL_LOAD_BALANCER: Final = Form("LoadBalancerTree", LOAD_BALANCERS, {"listeners": [_LISTENER], "pools": [_POOL]})
"""The answer to a creation: objects in place of references all the way down (reference, 1.6)."""
