"""A load balancer created with all that is below it in one call, and shown that way (reference, 1.6)."""

from sqlalchemy.orm import Session

from lictor.api import errors, listeners, pools
from lictor.api.requests import ListenerInGraph, LoadBalancerPost, MemberInGraph, PoolInGraph
from lictor.api.resource import Change
from lictor.api.views import LISTENERS, LOAD_BALANCERS, MEMBERS, MONITORS, POOLS, Document
from lictor.model import HealthMonitor, Listener, Member, Pool


def all_members(wanted: LoadBalancerPost) -> list[MemberInGraph]:
    """The members in all pools of a request."""
    return [member for pool in _definitions(wanted) for member in pool.members]


def create(change: Change, wanted: LoadBalancerPost) -> None:
    """Add the listeners and pools of a request. Raises 400, 404, 409 and 501."""
    named: dict[str, Pool] = {}
    for definition in _definitions(wanted):
        if not definition.name:
            raise errors.validation("Pools must be named when they are created with their load balancer.")
        if definition.name in named:
            raise errors.validation(f"Pool names must be unique in a request, but '{definition.name}' is given twice.")
        named[definition.name] = pools.create(change, definition, in_graph=True)
    for listener in wanted.listeners:
        listeners.create(change, listener, _default_pool(listener, named))


def _definitions(wanted: LoadBalancerPost) -> list[PoolInGraph]:
    inline = [listener.default_pool for listener in wanted.listeners if listener.default_pool is not None]
    return [*wanted.pools, *(pool for pool in inline if not pool.is_reference())]


def _default_pool(listener: ListenerInGraph, named: dict[str, Pool]) -> Pool | None:
    if listener.default_pool_id is not None:
        raise POOLS.not_found(listener.default_pool_id)  # Nothing has an id before this request.
    if listener.default_pool is None:
        return None
    if listener.default_pool.name not in named:
        raise errors.validation(f"Pool '{listener.default_pool.name}' is not defined in the request.")
    return named[listener.default_pool.name]


def show(session: Session, load_balancer_id: str) -> Document:
    """The full form: objects in place of their ids, without references upwards."""
    document = LOAD_BALANCERS.show(session, load_balancer_id)
    of_listeners = LISTENERS.query().where(Listener.load_balancer_id == load_balancer_id)
    of_pools = POOLS.query().where(Pool.load_balancer_id == load_balancer_id)
    document["listeners"] = LISTENERS.render(session, of_listeners.order_by(Listener.created_at, Listener.id))
    document["pools"] = POOLS.render(session, of_pools.order_by(Pool.created_at, Pool.id))
    for child in (*document["listeners"], *document["pools"]):
        del child["loadbalancers"]
    _fill(session, document["pools"], load_balancer_id)
    return document


def _fill(session: Session, shown: list[Document], load_balancer_id: str) -> None:
    of_members = MEMBERS.query().where(Member.load_balancer_id == load_balancer_id)
    members = {member["id"]: member for member in MEMBERS.render(session, of_members)}
    of_monitors = MONITORS.query().where(HealthMonitor.load_balancer_id == load_balancer_id)
    monitors = {monitor["id"]: monitor for monitor in MONITORS.render(session, of_monitors)}
    for pool in shown:
        pool["members"] = [members[reference["id"]] for reference in pool["members"]]
        if monitor_id := pool.pop("healthmonitor_id", None):
            pool["healthmonitor"] = {name: value for name, value in monitors[monitor_id].items() if name != "pools"}
