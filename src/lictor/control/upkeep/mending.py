"""What stands still in a state that no write of ours leaves: the loop is asked to look at it.

A crash leaves a load balancer in need of work, or done. But a database may be restored from a copy, its server's clock
may have been wrong, and somebody may have typed SQL: nothing of that is to need SQL to be left again.
"""

import logging
from collections.abc import Callable, Collection
from typing import Any

from oslo_config import cfg
from sqlalchemy import ColumnElement, CompoundSelect, Select, case, false, func, select, union_all, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from lictor.control import asking
from lictor.control.periodic import Periodic
from lictor.drivers.network.base import Networking
from lictor.model import CHILDREN, AdditionalVip, Amphora, LoadBalancer, changes
from lictor.model.clock import clock_ms
from lictor.model.statuses import ROLES, AmphoraStatus, Provisioning
from lictor.model.store import Store

LOG = logging.getLogger(__name__)

FAR = 10
"""How many times the longest lease or pause that we give lies too far in the future to be one of ours."""

BATCH = 50
"""Load balancers that are asked for in one transaction: each takes many statements."""


class Mender(Periodic):
    """Looks every ``[house_keeping] cleanup_interval`` seconds. Any number of these may run."""

    trouble = "Could not look for what stands still"

    def __init__(self, conf: cfg.ConfigOpts, store: Store, networking: Networking, wake: Callable[[], None]) -> None:
        super().__init__("mending", conf.house_keeping.cleanup_interval)
        options = conf.controller_worker
        self._lease = options.lease_duration * FAR
        self._pause = max(options.retry_max, options.replacement_pause_max, 60.0) * FAR
        self._store = store
        self._networking = networking
        self._wake = wake

    def turn(self) -> None:
        """Look at all load balancers, with a few statements."""
        mended = self._bring_back(LoadBalancer.lease_expires_ms, self._lease)
        mended |= self._bring_back(LoadBalancer.retry_at_ms, self._pause)
        with self._store.read() as session:
            standing = stuck(session)
            named = {str(port_id): str(owner) for owner, port_id in session.execute(_ports())}
        standing |= {named[port_id] for port_id in self._gone(named)}
        if standing:
            LOG.warning(
                "Load balancers %s are not as they should be, and stand still: asking the loop to look.", standing
            )
            asking.ask(self._store, standing, _ask, BATCH)
        if standing or mended:
            self._wake()

    def _gone(self, named: Collection[str]) -> list[str]:
        # Ports are read after the rows that name them: one that is made meanwhile is not missed.
        there = {port.id for port in self._networking.ports()} if named else set()
        return [each for each in named if each not in there and self._networking.port(each) is None]

    def _bring_back(self, column: InstrumentedAttribute[int], seconds: float) -> bool:
        """End what would last longer than we ever let it."""
        far = column > clock_ms() + int(seconds * 1000)
        with self._store.read() as session:
            ids = list(session.scalars(select(LoadBalancer.id).where(far)))
        if ids:
            LOG.warning("Load balancers %s have a %s far in the future: it is over now.", ids, column.key)
            values = {column.key: 0, "updated_at": LoadBalancer.updated_at}
            statement = update(LoadBalancer).where(LoadBalancer.id.in_(ids), far).values(**values)
            self._store.write(lambda session: session.execute(statement, execution_options=_BARE))
        return bool(ids)


_BARE = {"synchronize_session": False}


def stuck(session: Session) -> set[str]:
    """The load balancers that count as applied, though something in their rows says that they are not."""
    queries: list[Select[Any]] = [
        select(LoadBalancer.id).where(_at_rest(), _unsettled()),
        select(Amphora.load_balancer_id).join(LoadBalancer).where(_at_rest(), Amphora.condemned),
        _wrong_amphorae(),
    ]
    for table in CHILDREN:
        unsettled = table.provisioning_status != Provisioning.ACTIVE
        mine = LoadBalancer.id == table.load_balancer_id
        queries.append(select(table.load_balancer_id).join(LoadBalancer, mine).where(_at_rest(), unsettled))
    return {str(load_balancer_id) for query in queries for load_balancer_id in session.scalars(query.distinct())}


def _at_rest() -> ColumnElement[bool]:
    return (LoadBalancer.unsettled == false()) & (LoadBalancer.lease_expires_ms <= clock_ms())


def _unsettled() -> ColumnElement[bool]:
    accounts = LoadBalancer.fault.is_not(None) | LoadBalancer.lease_owner.is_not(None)
    return (LoadBalancer.provisioning_status != Provisioning.ACTIVE) | accounts


def _good() -> ColumnElement[bool]:
    return (
        (Amphora.status == AmphoraStatus.ALLOCATED)
        & Amphora.condemned.is_(False)
        & Amphora.compute_id.is_not(None)
        & Amphora.vrrp_port_id.is_not(None)
    )


def _wrong_amphorae() -> Select[Any]:
    """Where there are not as many good amphorae as the topology asks for, or others beside them."""
    wanted = case({topology: len(roles) for topology, roles in ROLES.items()}, value=LoadBalancer.topology, else_=0)
    good = func.count(case((_good(), Amphora.role)).distinct())
    query = select(LoadBalancer.id).outerjoin(Amphora, Amphora.load_balancer_id == LoadBalancer.id).where(_at_rest())
    query = query.group_by(LoadBalancer.id, LoadBalancer.topology)
    return query.having((good != wanted) | (func.count(Amphora.id) != wanted))


def _ports() -> CompoundSelect[Any]:
    """Load balancers, with the ports that Lictor made for them and that they cannot do without."""
    vips = select(LoadBalancer.id, LoadBalancer.vip_port_id).where(LoadBalancer.vip_port_owned)
    further = select(LoadBalancer.id, AdditionalVip.port_id).join(AdditionalVip).where(AdditionalVip.port_owned)
    amphorae = select(LoadBalancer.id, Amphora.vrrp_port_id).join(Amphora, Amphora.load_balancer_id == LoadBalancer.id)
    return union_all(
        vips.where(_at_rest(), LoadBalancer.vip_port_id.is_not(None)),
        further.where(_at_rest()),
        amphorae.where(_at_rest(), Amphora.vrrp_port_id.is_not(None)),
    )


def _ask(session: Session, load_balancer_ids: list[str]) -> None:
    """Have the loop look; a load balancer with a row of a younger generation than its own takes that one."""
    for load_balancer_id in load_balancer_ids:
        changes.ask_again(session, load_balancer_id)
        for table in CHILDREN:
            query = select(func.max(table.generation)).where(table.load_balancer_id == load_balancer_id)
            newest = session.scalar(query) or 0
            ahead = update(LoadBalancer).where(LoadBalancer.id == load_balancer_id, LoadBalancer.generation < newest)
            values = {"generation": newest, "updated_at": LoadBalancer.updated_at}
            session.execute(ahead.values(**values), execution_options=_BARE)
