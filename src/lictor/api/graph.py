"""A load balancer created with all that is below it in one call, and shown that way (reference, 1.6)."""

from sqlalchemy.orm import Session

from lictor.api import listeners, nested
from lictor.api.requests.loadbalancers import LoadBalancerPost
from lictor.api.requests.members import MemberInGraph
from lictor.api.requests.pools import PoolInGraph
from lictor.api.resource import Change
from lictor.api.views import L7POLICIES, L7RULES, LISTENERS, LOAD_BALANCERS, MEMBERS, MONITORS, POOLS, Document


def all_members(wanted: LoadBalancerPost) -> list[MemberInGraph]:
    """The members in all pools of a request."""
    return nested.members_of(_definitions(wanted))


def create(change: Change, wanted: LoadBalancerPost) -> None:
    """Add the listeners and pools of a request. Raises 400, 404, 409 and 501."""
    named = nested.Pools(change, _definitions(wanted), in_graph=True)
    for listener in wanted.listeners:
        listeners.create(change, listener, named)


def _definitions(wanted: LoadBalancerPost) -> list[PoolInGraph]:
    return [*wanted.pools, *(pool for listener in wanted.listeners for pool in nested.in_listener(listener))]


def show(session: Session, load_balancer_id: str) -> Document:
    """The full form: objects in place of their ids, without references upwards."""
    document = LOAD_BALANCERS.show(session, load_balancer_id)
    document["listeners"] = LISTENERS.below(session, load_balancer_id) if document["listeners"] else []
    document["pools"] = POOLS.below(session, load_balancer_id) if document["pools"] else []
    for child in (*document["listeners"], *document["pools"]):
        del child["loadbalancers"]
    _fill_listeners(session, document["listeners"], load_balancer_id)
    _fill_pools(session, document["pools"], load_balancer_id)
    return document


def _fill_listeners(session: Session, shown: list[Document], load_balancer_id: str) -> None:
    if not any(listener["l7policies"] for listener in shown):
        return
    rules = _by_id(L7RULES.below(session, load_balancer_id))
    policies = _by_id(L7POLICIES.below(session, load_balancer_id))
    for policy in policies.values():
        policy["rules"] = [rules[reference["id"]] for reference in policy["rules"]]
    for listener in shown:
        listener["l7policies"] = [policies[reference["id"]] for reference in listener["l7policies"]]


def _fill_pools(session: Session, shown: list[Document], load_balancer_id: str) -> None:
    monitored = any("healthmonitor_id" in pool for pool in shown)
    members = _by_id(MEMBERS.below(session, load_balancer_id)) if any(pool["members"] for pool in shown) else {}
    monitors = _by_id(MONITORS.below(session, load_balancer_id)) if monitored else {}
    for pool in shown:
        pool["members"] = [members[reference["id"]] for reference in pool["members"]]
        if monitor_id := pool.pop("healthmonitor_id", None):
            pool["healthmonitor"] = {name: value for name, value in monitors[monitor_id].items() if name != "pools"}


def _by_id(documents: list[Document]) -> dict[str, Document]:
    return {document["id"]: document for document in documents}
