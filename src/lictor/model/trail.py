"""The ids by which one can follow a change through all logs: of the requests that asked for it, and its load balancer.

A request's id is in the API's answer. The load balancer's row keeps the ids of the writes that are not applied yet; the
pass that applies them has them in its log lines, and tells the agents, which have them in theirs.
"""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

from oslo_context import context
from oslo_context.context import RequestContext

SHARED: Final = 500
"""Characters that the ids of a load balancer's writes may take: a dozen of them. Then the newest begins anew."""


class Trail(RequestContext):
    """What oslo.log puts into lines of the thread that made it."""

    def __init__(self, request_id: str, load_balancer_id: str = "") -> None:
        """``request_id`` may be several, with spaces in between."""
        super().__init__(request_id=request_id or "-", resource_uuid=load_balancer_id, overwrite=True)

    def get_logging_values(self) -> dict[str, Any]:
        """For formats, and for ``[DEFAULT] use_json``."""
        load_balancer_id = self.resource_uuid or "-"
        return {
            "request_id": self.request_id, "load_balancer_id": load_balancer_id, "resource_uuid": load_balancer_id
        }  # fmt: skip


def current() -> str:
    """The ids of the requests that this thread works for; empty if nobody asked."""
    found = context.get_current()
    return found.request_id if isinstance(found, Trail) and found.request_id != "-" else ""


def meet(load_balancer_id: str) -> None:
    """From now on the thread's log lines name this load balancer too, if they name a request."""
    found = context.get_current()
    if isinstance(found, Trail):
        found.resource_uuid = load_balancer_id


@contextlib.contextmanager
def following(request_ids: str, load_balancer_id: str) -> Iterator[None]:
    """Inside the block this thread works for these requests, on this load balancer; after it, for nobody."""
    Trail(request_ids, load_balancer_id)
    try:
        yield
    finally:
        Trail("")
