"""The worker threads: claim → read → converge → settle, over and over.

A worker holds nothing but its lease between passes, so it may die on any line: its lease runs out, and another worker
starts the pass anew.
"""

import logging
import os
import secrets
import socket
import threading
import time

from oslo_config import cfg

from lictor.amphora.client import AgentClient, AgentError
from lictor.amphora.emitter import Unsafe
from lictor.amphora.pki import Authority
from lictor.amphora.tree import Unsupported
from lictor.control import lease, settle
from lictor.control.converge import converge
from lictor.control.lease import Claim, LeaseLostError
from lictor.control.task import Task, Tools, read_tree
from lictor.drivers.compute.base import Compute, ComputeError
from lictor.drivers.network.base import NetworkError, Networking
from lictor.failpoints import reach
from lictor.model.store import Store

EXPECTED = (ComputeError, NetworkError, AgentError, Unsupported, Unsafe)
"""What the outside may do to us: its message is a sentence for users. Anything else is a bug of ours."""

AWAY = 1.0
"""Seconds before the database is tried again when it does not work."""

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
    ) -> None:
        options = conf.haproxy_amphora
        agents = AgentClient(
            authority, options.bind_port, options.rest_request_conn_timeout, options.rest_request_read_timeout
        )
        self._tools = Tools(conf, store, compute, networking, authority, agents, secret)
        self._options = conf.controller_worker
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._work = threading.Condition()
        self._woken = 0
        self._watched = False
        self._stopping = threading.Event()
        self._held: dict[str, Claim] = {}
        count = self._options.workers
        self._threads = [threading.Thread(target=self._run, name=f"worker-{n}", daemon=True) for n in range(count)]
        self._threads.append(threading.Thread(target=self._renew, name="leases", daemon=True))

    def start(self) -> None:
        """Start all threads."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """There may be work: do not wait for the next poll. From any thread; a hint that may be lost without harm."""
        with self._work:
            self._woken += 1
            # One is enough, as who finds work wakes the next: all at once would only fight over the database.
            self._work.notify()

    def stop(self, seconds: float = 10.0) -> None:
        """Finish the passes that are under way, for so long; what is not finished is handed back undone."""
        self._stopping.set()
        with self._work:
            self._work.notify_all()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        for held in list(self._held.values()):
            held.lost = True
            lease.release(self._tools.store, held)

    def _run(self) -> None:
        while not self._stopping.is_set():
            woken = self._woken
            try:
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
        held = lease.claim(self._tools.store, self._owner, self._options.lease_duration)
        if held is None:
            return False
        self.wake()
        reach("claimed")
        self._held[held.load_balancer_id] = held
        try:
            self._work_on(held)
        except LeaseLostError as error:
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
        task = Task(self._tools, held, load_balancer)
        try:
            converge(task)
        except LeaseLostError:
            raise
        except Exception as error:
            self._failed(task, error)
        else:
            self._succeeded(task)

    def _succeeded(self, task: Task) -> None:
        reach("before settle")
        if task.deleting:
            settle.deleted(task)
        else:
            settle.success(task)
        reach("after settle")
        done = "deleted" if task.deleting else "applied"
        LOG.info("Load balancer %s: generation %d %s.", task.load_balancer.id, task.claim.generation, done)

    def _failed(self, task: Task, error: Exception) -> None:
        expected = isinstance(error, EXPECTED)
        reason = str(error) if expected else f"Unexpected {type(error).__name__}: {error}"
        pause = settle.failure(task, error, reason)
        LOG.log(
            logging.WARNING if expected else logging.ERROR,
            "Load balancer %s: %s Next try in %.1f s.",
            task.load_balancer.id,
            reason,
            pause,
            exc_info=None if expected else error,
        )

    def _renew(self) -> None:
        while not self._stopping.wait(self._options.lease_duration / 3):
            for held in list(self._held.values()):
                try:
                    lease.renew(self._tools.store, held, self._options.lease_duration)
                except Exception:
                    # The claim's own deadline ends it if this goes on.
                    LOG.exception("Could not renew the lease on load balancer %s.", held.load_balancer_id)
