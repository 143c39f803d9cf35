"""Housekeeping: whatever Lictor made outside and no row speaks of any more is removed.

A crash between "made" and "written down" leaves an instance or a port that nothing points at. Both carry the id of
what they were made for, so what is nobody's can be told from what is just being made: by its age here, because a port
is reserved before the load balancer's row is written.

Any number of housekeepers may do all this at the same time: each counts the age of what it finds by itself, and to
remove what is gone already is no error, of the drivers as of the database.
"""

import contextlib
import datetime
import functools
import logging
import time

from oslo_config import cfg
from sqlalchemy import Delete, Update, delete, select, update
from sqlalchemy.orm import Session

from lictor.control.periodic import Periodic
from lictor.drivers.compute.base import Compute, StillLeaving
from lictor.drivers.network.base import Networking, Port, is_ours
from lictor.model import (
    AdditionalVip,
    Amphora,
    AmphoraMemberPort,
    Event,
    ListenerStatistics,
    LoadBalancer,
    history,
    now,
)
from lictor.model.clock import clock_ms
from lictor.model.store import Store

LOG = logging.getLogger(__name__)

DEAD_MS = 3_600_000
"""Milliseconds after which the owner of a lease that ran out is not worth remembering."""


class Housekeeper(Periodic):
    """Looks every ``[house_keeping] cleanup_interval`` seconds."""

    trouble = "Housekeeping failed"

    def __init__(self, conf: cfg.ConfigOpts, store: Store, compute: Compute, networking: Networking) -> None:
        super().__init__("housekeeping", conf.house_keeping.cleanup_interval)
        self._store = store
        self._compute = compute
        self._networking = networking
        self._grace = conf.house_keeping.orphan_expiry_age
        self._expiry_age = conf.house_keeping.load_balancer_expiry_age
        self._first_seen: dict[str, float] = {}

    def turn(self) -> None:
        """Remove what is nobody's, and what is too old."""
        self.collect()
        self.forget()

    def collect(self) -> None:
        """Remove what has been nobody's for longer than the grace."""
        instances = {instance.amphora_id for instance in self._compute.instances()}
        ports = {port.id: port for port in self._networking.ports()}
        # Rows are read after the outside: what was made meanwhile is not in our lists, so it cannot look orphaned.
        amphorae, used = self._owned()
        # A port that is made but not yet written down says by its device whose it is.
        ownerless = {
            port.id
            for port in ports.values()
            if is_ours(port) and port.id not in used and port.device_id not in amphorae
        }
        orphans = (instances - amphorae) | ownerless
        for orphan in self._aged(orphans):
            self._remove(orphan, ports)

    def forget(self) -> None:
        """Remove rows that are of no use to anybody any more.

        They are the events of load balancers that have been gone for longer than ``load_balancer_expiry_age``; what a
        heartbeat brought of a load balancer that was just being deleted; and the names of workers that are dead.
        """
        before = now() - datetime.timedelta(seconds=self._expiry_age)
        gone = ListenerStatistics.load_balancer_id.not_in(select(LoadBalancer.id))
        dead = LoadBalancer.lease_owner.is_not(None) & (LoadBalancer.lease_expires_ms < clock_ms() - DEAD_MS)
        for statement in (
            delete(Event).where(history.expired(before)),
            delete(ListenerStatistics).where(gone),
            update(LoadBalancer).where(dead).values(lease_owner=None, updated_at=LoadBalancer.updated_at),
        ):
            self._store.write(functools.partial(_execute, statement=statement))

    def _owned(self) -> tuple[set[str], set[str]]:
        with self._store.read() as session:
            amphorae = set(session.scalars(select(Amphora.id)))
            columns = (
                LoadBalancer.vip_port_id, Amphora.vrrp_port_id, AdditionalVip.port_id, AmphoraMemberPort.port_id
            )  # fmt: skip
            used = {port_id for column in columns for port_id in session.scalars(select(column)) if port_id}
        return amphorae, used

    def _aged(self, orphans: set[str]) -> list[str]:
        clock = time.monotonic()
        self._first_seen = {orphan: self._first_seen.get(orphan, clock) for orphan in orphans}
        return [orphan for orphan, seen in self._first_seen.items() if clock - seen >= self._grace]

    def _remove(self, orphan: str, ports: dict[str, Port]) -> None:
        if orphan in ports:
            LOG.warning("Port %s (%s) belongs to nothing: removed.", orphan, ports[orphan].name)
            self._networking.delete_port(orphan)
        else:
            LOG.warning("Amphora %s belongs to nothing: removed.", orphan)
            with contextlib.suppress(StillLeaving):  # the next turn sees whether it has gone
                self._compute.delete(orphan)


def _execute(session: Session, statement: Delete | Update) -> None:
    session.execute(statement, execution_options={"synchronize_session": False})
