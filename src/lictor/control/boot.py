"""Amphorae that boot: what is a slow boot and what a failed one, and who notices when an agent begins to answer.

A machine takes seconds or minutes until its agent answers. No worker waits for that: the pass ends, without having
failed, and the load balancer is looked at again from time to time (``StillBooting.pause``). Meanwhile ``Doorbell``, one
thread for all of them, tries to connect to each agent, and has the loop come at once when one of them answers. If its
process dies, the next look finds the same.

A boot has failed when the compute service says so (``provision.instances``), or when it has taken longer than
``[haproxy_amphora] connection_timeout``.
"""

import dataclasses
import ipaddress
import logging
import select as multiplexing
import socket
import threading
import time
from collections.abc import Callable, Iterable

from oslo_config import cfg
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from lictor.amphora.client import AgentAbsent
from lictor.control import pulse
from lictor.control.task import Task
from lictor.model import Amphora, LoadBalancer
from lictor.model.clock import clock_ms
from lictor.model.statuses import AmphoraStatus
from lictor.model.store import Store, rows_changed

LOG = logging.getLogger(__name__)

AT_ONCE = 1.0
"""Seconds that a worker waits for an agent after its instance was made: in namespaces, that is enough for most."""

LATER = 0.2
"""Seconds for a connection to an agent at further looks."""

FIRST_LOOK = 1.0
"""Seconds until the first further look; then it is a quarter of the time that the boot has taken."""

PACE = 0.2
"""Seconds between two attempts of ``Doorbell`` to connect to an agent."""


class StillBooting(AgentAbsent):
    """An agent does not answer yet, and need not: nothing failed. The message is for users.

    ``addresses`` are where it is to answer, ``pause`` the seconds after which it is worth looking again, ``slow``
    whether users are to be told, because it takes long.
    """

    def __init__(self, message: str, addresses: tuple[str, ...], pause: float, slow: bool) -> None:
        super().__init__(message)
        self.addresses, self.pause, self.slow = addresses, pause, slow

    @classmethod
    def together(cls, errors: "Iterable[StillBooting]") -> "StillBooting":
        """One for all of them."""
        found = list(errors)
        addresses = tuple(address for each in found for address in each.addresses)
        pause, slow = min(each.pause for each in found), any(each.slow for each in found)
        return cls(" ".join(str(each) for each in found), addresses, pause, slow)


class NeverAnswered(AgentAbsent):
    """An agent has not answered since its instance was made, and was given all the time there is."""


def seconds(task: Task, amphora: Amphora) -> float | None:
    """For how long this amphora has been booting, by the database's clock; None if that is not known."""
    if amphora.booted_ms is None:
        return None
    with task.tools.store.read() as session:
        return max(0.0, ((session.scalar(select(clock_ms())) or 0) - amphora.booted_ms) / 1000)


def judged(task: Task, amphora: Amphora, age: float, error: AgentAbsent) -> AgentAbsent:
    """What it means that nobody answered at this amphora, which has been booting for ``age`` seconds."""
    options, limit = task.tools.conf.controller_worker, task.tools.conf.haproxy_amphora.connection_timeout
    said = task.said.get(amphora.id, "")
    if age >= limit:
        return NeverAnswered(f"Amphora {amphora.id} has not answered within {limit:.0f} s of its start. {said}{error}")
    return StillBooting(
        f"Amphora {amphora.id} still boots, for {age:.0f} s now. {said}This is no failure yet.",
        addresses=(str(amphora.lb_network_ip),),
        pause=min(max(FIRST_LOOK, age / 4), options.amp_active_wait_sec, max(0.1, limit - age)),
        slow=age >= options.amp_active_wait_sec,
    )


def had_its_time(conf: cfg.ConfigOpts) -> ColumnElement[bool]:
    """The condition that an amphora does not boot, or has been booting for too long."""
    limit_ms = int(conf.haproxy_amphora.connection_timeout * 1000)
    known = Amphora.booted_ms.is_(None) | (Amphora.booted_ms <= clock_ms() - limit_ms)
    return (Amphora.status != AmphoraStatus.BOOTING) | known


@dataclasses.dataclass
class _Caller:
    load_balancer_id: str
    until: float


class Doorbell:
    """Tries to connect to agents that are awaited, and has the loop look at their load balancers when one answers."""

    def __init__(self, store: Store, port: int, wake: Callable[[], None]) -> None:
        """``port`` is that of the agents; ``wake`` is called when there is work for a worker of this process."""
        self._store, self._port, self._wake = store, port, wake
        self._awaited: dict[str, _Caller] = {}
        self._change = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="doorbell", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Have it end."""
        with self._change:
            self._stopping = True
            self._change.notify()

    def expect(self, load_balancer_id: str, booting: StillBooting) -> None:
        """From now on until some time after the next look at this load balancer. From any thread."""
        until = time.monotonic() + 2 * booting.pause + 1
        with self._change:
            for address in booting.addresses:
                self._awaited[address] = _Caller(load_balancer_id, until)
            self._change.notify()

    def _run(self) -> None:
        with pulse.lasting():
            while self._someone():
                began = time.monotonic()
                try:
                    with pulse.busy():
                        self._turn()
                except Exception as error:  # The database is away, or this process has no file descriptor left.
                    LOG.warning("Agents that begin to answer are not noticed at once: %s", error)
                time.sleep(max(0.0, began + PACE - time.monotonic()))

    def _someone(self) -> bool:
        """Wait until there is somebody to wait for. False at the end."""
        with self._change:
            while not self._awaited and not self._stopping:
                self._change.wait()
            return not self._stopping

    def _turn(self) -> None:
        with self._change:
            clock = time.monotonic()
            self._awaited = {at: caller for at, caller in self._awaited.items() if caller.until > clock}
            awaited = dict(self._awaited)
        for address in answering(awaited, self._port, PACE):
            self._ring(awaited[address].load_balancer_id)
            with self._change:
                self._awaited.pop(address, None)

    def _ring(self, load_balancer_id: str) -> None:
        waits = (LoadBalancer.retry_at_ms > 0) & LoadBalancer.lease_owner.is_(None)
        statement = update(LoadBalancer).where(LoadBalancer.id == load_balancer_id, waits)

        def transaction(session: Session) -> int:
            return rows_changed(session, statement.values(retry_at_ms=0, updated_at=LoadBalancer.updated_at))

        if self._store.write(transaction):
            self._wake()


def answering(addresses: Iterable[str], port: int, seconds: float) -> list[str]:
    """Those of the addresses at which somebody accepts a connection to this TCP port within so many seconds."""
    poll, opened = multiplexing.poll(), {}
    try:
        for address in addresses:
            connection = _begun(address, port)
            opened[connection.fileno()] = (address, connection)
            poll.register(connection, multiplexing.POLLOUT)
        return _connected(poll, opened, time.monotonic() + seconds)
    finally:
        for _, connection in opened.values():
            connection.close()


def _begun(address: str, port: int) -> socket.socket:
    """A connection that is being made."""
    family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    connection.setblocking(False)
    connection.connect_ex((address, port))
    return connection


def _connected(poll: multiplexing.poll, opened: dict[int, tuple[str, socket.socket]], deadline: float) -> list[str]:
    found, left = [], set(opened)
    while left and (wait := deadline - time.monotonic()) > 0:
        for number, _ in poll.poll(wait * 1000):
            address, connection = opened[number]
            if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0 and _has_peer(connection):
                found.append(address)
            poll.unregister(number)
            left.discard(number)
    return found


def _has_peer(connection: socket.socket) -> bool:
    """An error of the attempt may have been told already, by ``connect`` itself."""
    try:
        connection.getpeername()
    except OSError:
        return False
    return True
