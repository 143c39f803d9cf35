"""Keeps UDP and SCTP listeners as the state wants them, and members in turn as checks and live connections have it.

One thread, which lives in the inner namespace, checks, counts and adjusts. Everything it does follows from what it
sees at that moment, so it may miss a beat: rules are compared with those that are there, and connections of members
that may have none are ended whenever there are any.
"""

import collections
import contextlib
import os
import pathlib
import select
import threading
import time
from collections.abc import Callable

from lictor import wire
from lictor.agent import namespace as inner
from lictor.agent import nft
from lictor.agent.command import path
from lictor.agent.errors import Refused, log
from lictor.agent.udp import chains, reports, ruleset, shares
from lictor.agent.udp.checks import Checks
from lictor.agent.udp.memory import Memory
from lictor.agent.udp.netlink import Netlink
from lictor.agent.udp.probes import sctp_missing
from lictor.agent.udp.rules import Rules

_LOOK = 1.0
"""Seconds between looks at connections and counters."""

_LOOK_OFTEN = 0.5
"""The same where members get connections by how few they have."""

_SHARE = 4
"""Looking at very many connections may take time: the pause is then so many times as long."""


class Udp:
    """All UDP and SCTP listeners of an amphora. ``told`` is called when a status has changed."""

    def __init__(self, directory: pathlib.Path, namespace: str, told: Callable[[], None]) -> None:
        self._namespace = namespace
        self._told = told
        self._lock = threading.RLock()
        self._memory = Memory(directory / "udp.json")
        self._checks = Checks(self._memory.known())
        self._listeners: list[wire.UdpListener] = []
        self._generation = 0
        self._fresh = False
        self._forwards: set[int] = set()
        self._rules = Rules(namespace)
        self._live: collections.Counter[int] = collections.Counter()
        self._figures: dict[str, wire.ListenerStatistics] = {}
        self._arrived: dict[str, int] = {}
        self._lost: dict[str, int] = {}
        self._woken = os.eventfd(0, os.EFD_NONBLOCK)

    def check(self, listeners: list[wire.UdpListener]) -> None:
        """Raises ``Refused`` for what this machine cannot do, ``CommandFailed`` with nft's words."""
        if any(map(_needs_sctp, listeners)) and sctp_missing():
            raise Refused("SCTP: the kernel of this amphora has no SCTP")
        if listeners and listeners != self._listeners:
            nft.check(ruleset.render(listeners, self._slots(listeners)).text(), self._namespace)

    def converge(self, listeners: list[wire.UdpListener], force: bool) -> None:
        """Serve just these. ``force`` is for rules that may not be those that were last made. Raises ``AgentError``."""
        with self._lock:
            if not listeners and not self._listeners and not (force and self._memory.used):
                return
            self._memory.begin()
            self._generation += 1
            self._fresh = self._fresh or force or _places(listeners) != _places(self._listeners)
            self._listeners = listeners
            self._checks.converge(listeners)
            self._apply(force)
            families = chains.families(listeners)
            if force or families != self._forwards:
                inner.forward(self._namespace, families)
                self._forwards = families
        os.eventfd_write(self._woken, 1)

    def report(self) -> tuple[dict[str, wire.ListenerReport], dict[str, wire.PoolReport]]:
        """What a heartbeat says, by the names that HAProxy's frontends and backends would have."""
        with self._lock:
            verdicts = self._checks.verdicts()
            listeners = {each.id: reports.listener_report(each, self._figure(each)) for each in self._listeners}
            pools = {
                f"{each.pool}:{each.id}": reports.pool_report(each, verdicts) for each in self._listeners if each.pool
            }
            return listeners, pools

    def run(self) -> None:
        """Check, count and adjust, for ever: in a thread of its own, which it moves into the inner namespace."""
        while True:
            try:
                self._wait_for_listeners()
                inner.enter(self._namespace)
                self._stay(self._inode())
            except Exception as error:
                log(f"udp: {type(error).__name__}: {error}")
                time.sleep(_LOOK)

    def _inode(self) -> int:
        return pathlib.Path(path(self._namespace)).stat().st_ino

    def _wait_for_listeners(self) -> None:
        while not self._listeners:
            select.select([self._woken], [], [])
            self._drain()

    def _stay(self, namespace: int) -> None:
        """Until there is nothing to do, or the namespace is another one."""
        with contextlib.closing(Netlink()) as kernel:
            due = 0.0
            while self._inode() == namespace:
                if time.monotonic() >= due:
                    due = self._observe(kernel)
                if not self._listeners:
                    return
                if self._listen(due):
                    due = 0.0

    def _listen(self, due: float) -> bool:
        """Wait until a check is answered or something is due; then look at all checks. Whether anything changed."""
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        with self._lock:
            generation = self._generation
            for check in self._checks.waiting():
                poll.register(check.probe.fileno(), check.probe.events)
            pause = min(due, self._checks.next_time()) - time.monotonic()
        answered = {descriptor for descriptor, _ in poll.poll(max(0, int(pause * 1000) + 1))}
        self._drain()
        with self._lock:
            if self._generation != generation:
                return True  # Descriptors may be others' by now.
            turned = self._checks.look(time.monotonic(), answered)
            if turned:
                self._memory.learn(self._checks.verdicts())
                self._apply()
                self._told()
            return turned

    def _observe(self, kernel: Netlink) -> float:
        """Look at connections and counters, and do what follows. Returns when to look again."""
        begun = time.monotonic()
        live, counters = kernel.connections(wire.MARKED), kernel.counters(ruleset.TABLE)
        with self._lock:
            often = any(listener.algorithm == "LEAST_CONNECTIONS" for listener in self._listeners)
            moved = often and live != self._live
            self._live = live
            self._figures = self._memory.count(self._statistics(counters))
            self._end_strays(kernel)
            self._hear_of_losses(counters)
            gone = any(chains.name("new", listener) not in counters for listener in self._listeners)
            self._rules.tidy()
            if moved or gone or not self._rules.known:
                self._apply(force=gone)
            if gone:
                inner.forward(self._namespace, self._forwards)
            self._arrived = {listener: figures.total_connections for listener, figures in self._figures.items()}
        took = time.monotonic() - begun
        return time.monotonic() + max(_LOOK_OFTEN if often else _LOOK, _SHARE * took)

    def _figure(self, listener: wire.UdpListener) -> wire.ListenerStatistics:
        # What was never counted by this process is what the one before it counted: figures must not fall.
        return self._figures.get(listener.id) or self._memory.figures(listener.id)

    def _statistics(self, counters: dict[str, tuple[int, int]]) -> dict[str, wire.ListenerStatistics]:
        def counted(kind: str, listener: wire.UdpListener) -> tuple[int, int]:
            return counters.get(chains.name(kind, listener), (0, 0))

        return {
            listener.id: wire.ListenerStatistics(
                bytes_in=counted("in", listener)[1],
                bytes_out=counted("out", listener)[1],
                active_connections=sum(self._live[member.mark] for member in listener.members),
                total_connections=counted("new", listener)[0],
            )
            for listener in self._listeners
        }

    def _end_strays(self, kernel: Netlink) -> None:
        """A member that is gone, down or switched off takes its connections with it; one that drains does not."""
        verdicts = self._checks.verdicts()
        allowed = {
            member.mark
            for each in self._listeners
            for member in each.members
            if not member.disabled and (each.monitor is None or verdicts.get((each.pool, member.id)) is not False)
        }
        for mark in self._live.keys() - allowed:
            kernel.forget(mark)
        if self._fresh:
            # Who spoke to the place before it was a listener's is known to the kernel as speaking to this host, and
            # would be for as long as he goes on. Nothing else depends on what it knows of connections without a mark.
            kernel.forget(0)
            self._fresh = False

    def _hear_of_losses(self, counters: dict[str, tuple[int, int]]) -> None:
        lost = {name: packets for name, (packets, _) in counters.items() if name.startswith("lost_")}
        for listener in self._listeners:
            for member in listener.members:
                now = lost.get(ruleset.lost(member), 0)
                if now > self._lost.get(ruleset.lost(member), now):
                    self._checks.miss(listener.pool, member)
        self._lost = lost

    def _apply(self, force: bool = False) -> None:
        self._rules.make(ruleset.render(self._listeners, self._slots(self._listeners)), force)

    def _slots(self, listeners: list[wire.UdpListener]) -> dict[tuple[str, int], list[int]]:
        verdicts = self._checks.verdicts()
        result = {}
        for listener in listeners:
            up = reports.up(listener, verdicts)
            for family in chains.versions(listener):
                mine = [member for member in listener.members if chains.version(member.address) == family]
                result[(listener.id, family)] = self._row(listener, shares.candidates(mine, up))
        return result

    def _row(self, listener: wire.UdpListener, members: list[wire.UdpMember]) -> list[int]:
        if listener.algorithm in shares.HASHED:
            return shares.by_hash(members)
        if listener.algorithm != "LEAST_CONNECTIONS":
            return shares.in_turn(members)
        total = self._figures[listener.id].total_connections if listener.id in self._figures else 0
        return shares.least_connected(members, self._live, total - self._arrived.get(listener.id, total))

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._woken)


def _places(listeners: list[wire.UdpListener]) -> set[tuple[str, str, int]]:
    return {(vip, listener.protocol, listener.port) for listener in listeners for vip in listener.vips}


def _needs_sctp(listener: wire.UdpListener) -> bool:
    return listener.protocol == "sctp" or (listener.monitor is not None and listener.monitor.type == "SCTP")
