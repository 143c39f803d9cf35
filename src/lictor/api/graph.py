"""A load balancer created with all that is below it in one call, and shown that way (reference, 1.6)."""

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from lictor.api import listeners, nested
from lictor.api.requests import LoadBalancerPost, MemberInGraph, PoolInGraph
from lictor.api.resource import Change
from lictor.api.views import L7POLICIES, L7RULES, LISTENERS, LOAD_BALANCERS, MEMBERS, MONITORS, POOLS, Document, View
from lictor.model import HealthMonitor, L7Policy, L7Rule, Listener, Member, Pool


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
    of_listeners = LISTENERS.query().where(Listener.load_balancer_id == load_balancer_id)
    of_pools = POOLS.query().where(Pool.load_balancer_id == load_balancer_id)
    document["listeners"] = LISTENERS.render(session, of_listeners.order_by(Listener.created_at, Listener.id))
    document["pools"] = POOLS.render(session, of_pools.order_by(Pool.created_at, Pool.id))
    for child in (*document["listeners"], *document["pools"]):
        del child["loadbalancers"]
    _fill_listeners(session, document["listeners"], load_balancer_id)
    _fill_pools(session, document["pools"], load_balancer_id)
    return document


def _fill_listeners(session: Session, shown: list[Document], load_balancer_id: str) -> None:
    if not any(listener["l7policies"] for listener in shown):
        return
    rules = _by_id(session, L7RULES, L7Rule.load_balancer_id == load_balancer_id)
    policies = _by_id(session, L7POLICIES, L7Policy.load_balancer_id == load_balancer_id)
    for policy in policies.values():
        policy["rules"] = [rules[reference["id"]] for reference in policy["rules"]]
    for listener in shown:
        listener["l7policies"] = [policies[reference["id"]] for reference in listener["l7policies"]]


def _fill_pools(session: Session, shown: list[Document], load_balancer_id: str) -> None:
    members = _by_id(session, MEMBERS, Member.load_balancer_id == load_balancer_id)
    monitors = _by_id(session, MONITORS, HealthMonitor.load_balancer_id == load_balancer_id)
    for pool in shown:
        pool["members"] = [members[reference["id"]] for reference in pool["members"]]
        if monitor_id := pool.pop("healthmonitor_id", None):
            pool["healthmonitor"] = {name: value for name, value in monitors[monitor_id].items() if name != "pools"}


def _by_id(session: Session, view: View, condition: ColumnElement[bool]) -> dict[str, Document]:
    return {document["id"]: document for document in view.render(session, view.query().where(condition))}
