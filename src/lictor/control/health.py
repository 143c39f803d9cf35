"""The health manager: hears heartbeats, keeps operating statuses and statistics, and notices who fell silent.

It only ever writes what it heard and asks the loop to look; what is to be done is the loop's to decide. So any number
of health managers may run, and one that dies costs nothing but the heartbeats of that moment.
"""

import contextlib
import functools
import logging
import queue
import socket
import threading
import time
from collections.abc import Callable

from oslo_config import cfg
from sqlalchemy import select
from sqlalchemy.orm import Session

from lictor.amphora.keys import heartbeat_key
from lictor.control import beats
from lictor.model import Amphora, AmphoraHealth, LoadBalancer, changes
from lictor.model.clock import clock_ms
from lictor.model.statuses import AmphoraStatus
from lictor.model.store import Store
from lictor.wire import BadSeal, Heartbeat, sender, unseal

LOG = logging.getLogger(__name__)

BATCH = 200
"""Datagrams written in one transaction, at most."""

BACKLOG = 20_000
"""Datagrams that may wait for the database; what comes above that is dropped, as the network might have done."""

ASK_INTERVAL = 5.0
"""Seconds before the loop is asked again to look at the same load balancer."""


class PortTakenError(Exception):
    """Another process listens on the heartbeat port."""


class HealthManager:
    """One UDP socket, a thread that checks seals, one that writes, and one that looks for silence."""

    def __init__(self, conf: cfg.ConfigOpts, store: Store, secret: bytes, wake: Callable[[], None]) -> None:
        """Binds the socket. Raises ``PortTakenError`` if it cannot."""
        self._options = conf.health_manager
        self._store = store
        self._wake = wake
        self._key = functools.lru_cache(maxsize=None)(functools.partial(heartbeat_key, secret))
        self._socket = _bind(self._options.bind_ip, self._options.bind_port)
        self._queue: queue.Queue[Heartbeat] = queue.Queue(BACKLOG)
        self._asked: dict[str, float] = {}
        self._stopping = threading.Event()
        targets = {"heartbeats": self._receive, "beats": self._write, "silence": self._watch}
        self._threads = [threading.Thread(target=run, name=name, daemon=True) for name, run in targets.items()]

    def start(self) -> None:
        """Start all threads."""
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float = 5.0) -> None:
        """Write what was heard, then end."""
        self._stopping.set()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._socket.close()

    def _receive(self) -> None:
        while not self._stopping.is_set():
            try:
                datagram = self._socket.recv(65536)
                self._queue.put_nowait(unseal(datagram, self._key(sender(datagram))))
            except TimeoutError:
                continue
            except BadSeal as error:
                LOG.warning("A datagram on the heartbeat port was dropped: %s.", error)
            except queue.Full:
                LOG.warning("The database is too slow for the heartbeats: one was dropped.")

    def _write(self) -> None:
        parts = beats.Assembly()
        while not self._stopping.is_set() or not self._queue.empty():
            batch = self._batch()
            if not batch:
                continue
            whole = [(beat, parts.add(beat)) for beat in batch]
            try:
                self._ask(self._store.write(functools.partial(beats.write, batch=whole)))
            except Exception:
                # What was counted comes again with the next beat: the counters are monotonic.
                LOG.exception("%d heartbeats could not be written.", len(batch))

    def _batch(self) -> list[Heartbeat]:
        batch: list[Heartbeat] = []
        with contextlib.suppress(queue.Empty):
            batch.append(self._queue.get(timeout=0.2))
            while len(batch) < BATCH:
                batch.append(self._queue.get_nowait())
        return batch

    def _watch(self) -> None:
        # Whoever was silent while we were away cannot be blamed yet.
        self._stopping.wait(self._options.heartbeat_timeout)
        while not self._stopping.wait(self._options.health_check_interval):
            try:
                self._ask(self._silent())
            except Exception:
                LOG.exception("Could not look for silent amphorae.")

    def _silent(self) -> set[str]:
        """Load balancers with an amphora that was not heard for ``heartbeat_timeout``."""
        oldest = clock_ms() - int(self._options.heartbeat_timeout * 1000)
        query = select(Amphora.load_balancer_id).join(AmphoraHealth, AmphoraHealth.amphora_id == Amphora.id)
        stale = query.where(Amphora.status == AmphoraStatus.ALLOCATED, AmphoraHealth.last_update_ms < oldest)
        with self._store.read() as session:
            return {load_balancer_id for load_balancer_id in session.scalars(stale) if load_balancer_id}

    def _ask(self, load_balancer_ids: set[str]) -> None:
        """Have the loop look at these, unless it was asked a moment ago or is at it."""
        due = {one for one in load_balancer_ids if time.monotonic() - self._asked.get(one, -1e9) > ASK_INTERVAL}
        if not due:
            return
        self._asked.update(dict.fromkeys(due, time.monotonic()))
        LOG.info("Something is not as it should be with load balancers %s: asking the loop to look.", sorted(due))
        self._store.write(functools.partial(_ask_idle, load_balancer_ids=due))
        self._wake()


def _ask_idle(session: Session, load_balancer_ids: set[str]) -> None:
    idle = select(LoadBalancer.id).where(
        LoadBalancer.id.in_(load_balancer_ids), LoadBalancer.lease_expires_ms <= clock_ms()
    )
    for load_balancer_id in session.scalars(idle).all():
        changes.ask_again(session, load_balancer_id)


def _bind(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    result = socket.socket(family, socket.SOCK_DGRAM)
    result.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 2**20)
    result.settimeout(0.2)
    try:
        result.bind((address, port))
    except OSError as error:
        result.close()
        raise PortTakenError(f"UDP {address}:{port} cannot be used for heartbeats: {error.strerror}") from error
    return result
