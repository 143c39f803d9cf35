"""The health manager: hears heartbeats, keeps operating statuses and statistics, and notices who fell silent.

It only ever writes what it heard and asks the loop to look; what is to be done is the loop's to decide. So any number
of health managers may run, and one that dies costs nothing but the heartbeats of that moment.
"""

import dataclasses
import functools
import logging
import math
import threading
import time
from collections.abc import Callable, Collection

from oslo_config import cfg
from sqlalchemy.exc import DataError, DBAPIError

from lictor.control import asking, pulse
from lictor.control.health import beats, failing
from lictor.control.health.receiver import PortTakenError, Receiver
from lictor.control.health.watch import Watch, boottime
from lictor.model import changes
from lictor.model.store import Store

__all__ = ["Figures", "HealthManager", "PortTakenError"]

LOG = logging.getLogger(__name__)

BATCH = 1000
"""Datagrams written in one transaction, at most."""

ASK_INTERVAL = 5.0
"""Seconds before the loop is asked again to look at the same load balancer."""


@dataclasses.dataclass
class Figures:
    """What a health manager did since it was made, and how far behind it is."""

    written: int = 0
    """Datagrams whose heartbeats were written."""
    lost: int = 0
    """Those that could not be: what they counted came with the next."""
    lag: float = 0.0
    """Seconds from taking the last batch of datagrams to its COMMIT."""


class HealthManager:
    """A thread that hears and writes, and one that looks for silence."""

    def __init__(self, conf: cfg.ConfigOpts, store: Store, secret: bytes, wake: Callable[[], None]) -> None:
        """Binds the socket. Raises ``PortTakenError`` if it cannot."""
        options = conf.health_manager
        self._store = store
        self._wake = wake
        self.receiver = Receiver(options.bind_ip, options.bind_port, options.sock_rlimit, secret)
        self.watch = Watch(options, store, self._ask)
        self.figures = Figures()
        self._failures = options.haproxy_failures or math.inf
        self._parts = beats.Assembly()
        self._asking = threading.Lock()
        self._asked: dict[str, float] = {}
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._hear, name="heartbeats", daemon=True),
            threading.Thread(target=self.watch.run, args=[self._stopping], name="silence", daemon=True),
        ]

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
        self.receiver.close()

    def _hear(self) -> None:
        # One thread for both: two would only pass Python's lock to and fro, and the kernel keeps what comes meanwhile.
        with pulse.lasting():
            while not self._stopping.is_set():
                self._turn(0.2)
            self._turn(0.0)

    def _turn(self, seconds: float) -> None:
        try:
            if batch := self.receiver.take(BATCH, seconds):
                began, self.watch.heard = time.monotonic(), boottime()
                with pulse.busy():
                    self._write([beats.heard(beat, self._parts) for beat in batch])
                self.figures.lag = time.monotonic() - began
        except Exception:
            LOG.exception("Heartbeats could not be heard; it is tried again in a second.")
            self._stopping.wait(1.0)

    def _write(self, batch: list[beats.Heard]) -> None:
        try:
            doubtful = self._store.write(functools.partial(beats.write, batch=batch))
        except Exception as error:
            # What was counted comes again with the next beat: the counters are monotonic.
            self._not_written(batch, error)
        else:
            self.figures.written += len(batch)
            self._condemn_failing(batch)
            self._ask(doubtful)

    def _condemn_failing(self, batch: list[beats.Heard]) -> None:
        """A HAProxy that dies again and again is not cured by one more start of it."""
        found = [each.beat for each in batch if each.beat.haproxy_failures >= self._failures]
        if found and (condemned := self._store.write(functools.partial(failing.condemn, beats=found))):
            LOG.warning("HAProxy fails again and again in amphorae of load balancers %s.", sorted(condemned))
            self._wake()

    def _not_written(self, batch: list[beats.Heard], error: Exception) -> None:
        ours = isinstance(error, DBAPIError) and not isinstance(error, DataError)
        if not ours and len(batch) > 1:
            # One that the database cannot take must not silence all others.
            middle = len(batch) // 2
            self._write(batch[:middle])
            self._write(batch[middle:])
            return
        self.figures.lost += len(batch)
        if ours:
            self.watch.distrust()
        LOG.error("%d heartbeats could not be written: %s", len(batch), error)

    def _ask(self, load_balancer_ids: Collection[str]) -> None:
        """Have the loop look at these, unless it was asked a moment ago or is at it."""
        if not (due := self._due(load_balancer_ids)):
            return
        some = f"{', '.join(due[:10])}{' and others' if len(due) > 10 else ''}"
        LOG.info("Something is not as it should be with load balancers (%d): %s. The loop looks.", len(due), some)
        asking.ask(self._store, due, changes.ask_idle)
        self._wake()

    def _due(self, load_balancer_ids: Collection[str]) -> list[str]:
        moment = time.monotonic()
        with self._asking:
            self._asked = {one: then for one, then in self._asked.items() if moment - then <= ASK_INTERVAL}
            due = sorted(set(load_balancer_ids) - self._asked.keys())
            self._asked.update(dict.fromkeys(due, moment))
        return due
