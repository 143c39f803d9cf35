"""The worker threads: claim → read → converge → settle, over and over.

A worker holds nothing but its lease between passes, so it may die on any line: its lease runs out, and another worker
starts the pass anew.
"""

import dataclasses
import itertools
import logging
import os
import secrets
import socket
import threading
import time

from oslo_config import cfg
from sqlalchemy.exc import SQLAlchemyError

from lictor.amphora.client import AgentClient, AgentError, AgentFenced
from lictor.amphora.emitter import Unsafe
from lictor.amphora.pki import Authority
from lictor.amphora.tree import Unsupported
from lictor.control import lease, metrics, pulse, settle
from lictor.control.boot import Doorbell, StillBooting
from lictor.control.converge import converge
from lictor.control.fence import newest_epoch
from lictor.control.lease import Claim, LeaseLostError
from lictor.control.memo import Memo
from lictor.control.notifications.notices import Notices
from lictor.control.replacement import WaitsForBudget
from lictor.control.task import Task, Tools, read_tree
from lictor.control.vault import Vault
from lictor.drivers.compute.base import Compute, ComputeError, StillLeaving
from lictor.drivers.network.base import NetworkError, Networking
from lictor.drivers.secrets.base import SecretError
from lictor.failpoints import reach
from lictor.model import trail
from lictor.model.store import Store

EXPECTED = (ComputeError, NetworkError, AgentError, SecretError, Unsupported, Unsafe)
"""What the outside may do to us: its message is a sentence for users. Anything else is for the log."""

AWAY = 1.0
"""Seconds before the database is tried again when it does not work."""

LEAVING = 1.0
"""Seconds until the next look at an instance that had been told to go, and had not gone."""

LOG = logging.getLogger(__name__)


class Workers:
    """``[controller_worker] workers`` threads that share one process, and one that renews their leases."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        store: Store,
        compute: Compute,
        networking: Networking,
        authority: Authority,
        secret: bytes,
        vault: Vault,
        notices: Notices | None = None,
    ) -> None:
        """Without ``notices`` nobody is told what became of load balancers."""
        options = conf.haproxy_amphora
        agents = AgentClient(
            authority, options.bind_port, options.rest_request_conn_timeout, options.rest_request_read_timeout
        )
        news = notices or Notices()
        self._tools = Tools(conf, store, compute, networking, authority, agents, secret, vault, news)
        self._options = conf.controller_worker
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._work = threading.Condition()
        self._woken = 0
        self._turns = itertools.count()
        self._watched = False
        self._stopping = threading.Event()
        self._held: dict[str, Claim] = {}
        count = self._options.workers
        self._threads = [threading.Thread(target=self._run, name=f"worker-{n}", daemon=True) for n in range(count)]
        self._threads.append(threading.Thread(target=self._renew, name="leases", daemon=True))
        self._doorbell = Doorbell(store, options.bind_port, self.wake)

    def start(self) -> None:
        """Start all threads."""
        for thread in self._threads:
            thread.start()
        self._doorbell.start()

    def wake(self) -> None:
        """There may be work: do not wait for the next poll. From any thread; a hint that may be lost without harm."""
        with self._work:
            self._woken += 1
            # One is enough, as who finds work wakes the next: all at once would only fight over the database.
            self._work.notify()

    def stop(self, seconds: float = 10.0) -> None:
        """Finish the passes that are under way, for so long; what is not finished is handed back undone."""
        self._stopping.set()
        self._doorbell.stop()
        with self._work:
            self._work.notify_all()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        for held in list(self._held.values()):
            self._hand_back(held)

    def _hand_back(self, held: Claim) -> None:
        held.lost = True
        try:
            lease.release(self._tools.store, held)
        except Exception as error:
            LOG.warning("The lease on load balancer %s runs out by itself: %s", held.load_balancer_id, error)

    def _run(self) -> None:
        with pulse.lasting():
            self._work_until_stopped()

    def _work_until_stopped(self) -> None:
        while not self._stopping.is_set():
            woken = self._woken
            try:
                with pulse.busy():
                    worked = self._pass()
            except Exception:
                # The database is away or full. Nothing was acknowledged that is not in it, so there is nothing to save.
                LOG.exception("The pass ended early; the lease will run out and the load balancer be claimed again.")
                worked = False
                self._stopping.wait(AWAY)
            if not worked:
                self._wait(woken)

    def _wait(self, woken: int) -> None:
        """Until woken. One of those who wait looks every ``poll_interval``; if it finds work, it wakes the next."""
        with self._work:
            if self._woken != woken or self._stopping.is_set():
                return
            on_watch, self._watched = not self._watched, True
            self._work.wait(self._options.poll_interval if on_watch else None)
            if on_watch:
                self._watched = False

    def _pass(self) -> bool:
        asked_first = next(self._turns) % 2 == 0
        held = lease.claim(self._tools.store, self._owner, self._options.lease_duration, asked_first)
        if held is None:
            return False
        self.wake()
        LOG.debug("Load balancer %s is ours with epoch %d.", held.load_balancer_id, held.epoch)
        reach("claimed")
        self._held[held.load_balancer_id] = held
        try:
            self._work_on(held)
        except LeaseLostError as error:
            metrics.PASSES.labels("lost").inc()
            LOG.warning("%s; whoever has it now goes on.", error)
        finally:
            self._held.pop(held.load_balancer_id, None)
        return True

    def _work_on(self, held: Claim) -> None:
        with self._tools.store.read() as session:
            load_balancer = read_tree(session, held.load_balancer_id)
        if load_balancer is None:
            return
        # What was read may be newer than what was claimed; it is the read that counts.
        held.generation = load_balancer.generation
        with trail.following(load_balancer.requests, load_balancer.id), metrics.PASS_SECONDS.time():
            self._take(Task(self._for_one_pass(), held, load_balancer))

    def _for_one_pass(self) -> Tools:
        return dataclasses.replace(self._tools, networking=Memo(self._tools.networking))

    def _take(self, task: Task) -> None:
        try:
            converge(task)
            self._succeeded(task)
        except LeaseLostError:
            raise
        except StillBooting as booting:
            metrics.PASSES.labels("booting").inc()
            LOG.info("Load balancer %s: %s Next look in %.1f s.", task.load_balancer.id, booting, booting.pause)
            settle.booting(task, booting)
            self._doorbell.expect(task.load_balancer.id, booting)
        except StillLeaving as leaving:
            metrics.PASSES.labels("leaving").inc()
            LOG.info("Load balancer %s: %s Next look in %.1f s.", task.load_balancer.id, leaving, LEAVING)
            settle.leaving(task, LEAVING)
        except WaitsForBudget as waiting:
            metrics.PASSES.labels("waiting").inc()
            LOG.info("Load balancer %s: %s", task.load_balancer.id, waiting)
            settle.waiting(task, waiting.seconds)
        except Exception as error:
            self._failed(task, error)

    def _succeeded(self, task: Task) -> None:
        reach("before settle")
        if task.deleting:
            settle.deleted(task)
        else:
            settle.success(task)
        reach("after settle")
        done = "deleted" if task.deleting else "applied"
        metrics.PASSES.labels(done).inc()
        LOG.info("Load balancer %s: generation %d %s.", task.load_balancer.id, task.claim.generation, done)

    def _failed(self, task: Task, error: Exception) -> None:
        expected = isinstance(error, EXPECTED)
        reason = str(error) if expected else self._unexpected(error)
        epoch = newest_epoch(task) if isinstance(error, AgentFenced) else 0
        pause = settle.failure(task, error, reason, epoch)
        metrics.PASSES.labels("failed").inc()
        metrics.FAILURES.labels(type(error).__name__).inc()
        LOG.log(
            logging.WARNING if expected else logging.ERROR,
            "Load balancer %s, which is tried again in %.1f s: %s",
            task.load_balancer.id,
            pause,
            reason,
            exc_info=None if expected else error,
        )

    def _unexpected(self, error: Exception) -> str:
        """A sentence for users. What the database or Python say of it is for whoever reads the log."""
        what = "The database failed" if isinstance(error, SQLAlchemyError) else "Something unexpected happened"
        host, pid, _ = self._owner.rsplit(":", 2)
        return f"{what} ({type(error).__name__}); the log of worker {pid} on {host} has the cause."

    def _renew(self) -> None:
        with pulse.lasting():
            while not self._stopping.wait(min(self._options.lease_duration, lease.HASTE) / 6):
                for held in [each for each in list(self._held.values()) if each.is_due()]:
                    self._renew_one(held)

    def _renew_one(self, held: Claim) -> None:
        try:
            with pulse.busy():
                lease.renew(self._tools.store, held)
        except Exception:
            # The claim's own deadline ends it if this goes on.
            LOG.exception("Could not renew the lease on load balancer %s.", held.load_balancer_id)
