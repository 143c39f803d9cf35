"""Housekeeping: whatever Lictor made outside and no row speaks of any more is removed.

A crash between "made" and "written down" leaves an instance or a port that nothing points at. Both carry the id of
what they were made for, so what is nobody's can be told from what is just being made: by its age here, because a port
is reserved before the load balancer's row is written.
"""

import datetime
import logging
import threading
import time

from oslo_config import cfg
from sqlalchemy import delete, select

from lictor.drivers.compute.base import Compute
from lictor.drivers.network.base import Networking, Port
from lictor.model import AdditionalVip, Amphora, Event, LoadBalancer, history, now
from lictor.model.store import Store

LOG = logging.getLogger(__name__)


class Housekeeper:
    """One thread that looks every ``[house_keeping] cleanup_interval`` seconds."""

    def __init__(self, conf: cfg.ConfigOpts, store: Store, compute: Compute, networking: Networking) -> None:
        self._store = store
        self._compute = compute
        self._networking = networking
        self._interval = conf.house_keeping.cleanup_interval
        self._grace = conf.house_keeping.orphan_expiry_age
        self._expiry_age = conf.house_keeping.load_balancer_expiry_age
        self._first_seen: dict[str, float] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is under way."""
        self._stopping.set()
        self._thread.join(10.0)

    def _run(self) -> None:
        while not self._stopping.wait(self._interval):
            try:
                self.collect()
                self.forget()
            except Exception:
                LOG.exception("Housekeeping failed; it is tried again in %.0f s.", self._interval)

    def collect(self) -> None:
        """Remove what has been nobody's for longer than the grace."""
        instances = {instance.amphora_id for instance in self._compute.instances()}
        ports = {port.id: port for port in self._networking.ports()}
        # Rows are read after the outside: what was made meanwhile is not in our lists, so it cannot look orphaned.
        amphorae, used = self._owned()
        # A port that is made but not yet written down says by its device whose it is.
        ownerless = {port.id for port in ports.values() if port.id not in used and port.device_id not in amphorae}
        orphans = (instances - amphorae) | ownerless
        for orphan in self._aged(orphans):
            self._remove(orphan, ports)

    def forget(self) -> None:
        """Remove the events of load balancers that have been gone for longer than ``load_balancer_expiry_age``."""
        before = now() - datetime.timedelta(seconds=self._expiry_age)
        self._store.write(lambda session: session.execute(delete(Event).where(history.expired(before))))

    def _owned(self) -> tuple[set[str], set[str]]:
        with self._store.read() as session:
            amphorae = set(session.scalars(select(Amphora.id)))
            columns = (LoadBalancer.vip_port_id, Amphora.vrrp_port_id, AdditionalVip.port_id)
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
            self._compute.delete(orphan)
