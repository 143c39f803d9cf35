"""What an amphora reports → operating statuses (reference, 3.4). Pure: values in, values out."""

from dataclasses import dataclass, field

from lictor.model.statuses import Operating, Provisioning
from lictor.wire import ListenerReport, PoolReport

_MEMBER = {
    "UP": Operating.ONLINE,
    "DOWN": Operating.ERROR,
    "DRAIN": Operating.DRAINING,
    "MAINT": Operating.OFFLINE,
    "no check": Operating.NO_MONITOR,
}
_SEVERITY = (Operating.ONLINE, Operating.DRAINING, Operating.NO_MONITOR, Operating.DEGRADED, Operating.ERROR)


@dataclass
class Standing:
    """What an operating status follows from besides heartbeats: a load balancer, or something below it.

    A load balancer has ``listeners`` and ``pools``, a pool has ``members``.
    """

    id: str
    operating_status: str
    admin_state_up: bool = True
    provisioning_status: str = Provisioning.ACTIVE
    listeners: list["Standing"] = field(default_factory=list)
    pools: list["Standing"] = field(default_factory=list)
    members: list["Standing"] = field(default_factory=list)


@dataclass(frozen=True)
class Observed:
    """One whole beat, its parts put together. One of a ``standby`` is not of the traffic: users go elsewhere."""

    listeners: dict[str, ListenerReport] = field(default_factory=dict)
    pools: dict[str, PoolReport] = field(default_factory=dict)
    standby: bool = False


def statuses(load_balancer: Standing, observed: Observed) -> dict[str, str]:
    """The operating status of the load balancer and of all listeners, pools and members below it, by id."""
    result: dict[str, str] = {}
    worst = Operating.ONLINE
    for listener in load_balancer.listeners:
        result[listener.id] = _listener(load_balancer, listener, observed.listeners.get(listener.id))
        if result[listener.id] == Operating.DEGRADED:
            worst = _worse(worst, Operating.DEGRADED)
    reports = _by_pool(observed.pools)
    for pool in load_balancer.pools:
        result.update(_pool(pool, reports.get(pool.id, [])))
        if result[pool.id] in (Operating.DEGRADED, Operating.ERROR):
            worst = _worse(worst, result[pool.id])
    result[load_balancer.id] = worst if load_balancer.admin_state_up else Operating.OFFLINE
    return result


def _listener(load_balancer: Standing, listener: Standing, report: ListenerReport | None) -> str:
    if report is not None:
        return Operating.DEGRADED if report.status == "FULL" else Operating.ONLINE
    enabled = load_balancer.admin_state_up and listener.admin_state_up
    # One that is on its way to the amphora is not missed yet.
    settled = listener.provisioning_status == Provisioning.ACTIVE
    return Operating.ERROR if enabled and settled else Operating.OFFLINE


def _by_pool(reports: dict[str, PoolReport]) -> dict[str, list[PoolReport]]:
    """A pool has one backend per listener, named ``<pool id>:<listener id>``."""
    result: dict[str, list[PoolReport]] = {}
    for backend, report in reports.items():
        result.setdefault(backend.partition(":")[0], []).append(report)
    return result


def _pool(pool: Standing, reports: list[PoolReport]) -> dict[str, str]:
    result = {member.id: _member(member.id, member.operating_status, reports) for member in pool.members}
    if not reports:
        status = Operating.OFFLINE
    elif any(report.status == "DOWN" for report in reports):
        status = Operating.ERROR
    else:
        status = Operating.DEGRADED if Operating.ERROR in result.values() else Operating.ONLINE
    return {**result, pool.id: status}


def _member(member_id: str, before: str, reports: list[PoolReport]) -> str:
    words = [report.members[member_id] for report in reports if member_id in report.members]
    if not words:
        return before if before == Operating.NO_MONITOR else Operating.OFFLINE
    # A member that one listener's checks see down is down: the checks differ by nothing but their timing.
    return max((_MEMBER.get(word, before) for word in words), key=_rank)


def _worse(one: str, other: str) -> str:
    return max(one, other, key=_rank)


def _rank(status: str) -> int:
    return _SEVERITY.index(status) if status in _SEVERITY else -1
