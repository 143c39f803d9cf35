"""When each member is asked, and what the answers make of it: up or down, by rise and fall."""

import time
from collections.abc import Iterable

from lictor import wire
from lictor.agent.standing import Standing
from lictor.agent.udp.probes import Connect, Verdict, probe

_FIRST_SILENCE = 1.0
"""Seconds of silence that make a member up that was never asked before: its clients wait."""

Key = tuple[str, str]
"""Pool and member: a pool is checked once, however many listeners use it."""


class Check(Standing):
    """One member under one monitor."""

    def __init__(self, monitor: wire.UdpMonitor, member: wire.UdpMember, up: Verdict, now: float) -> None:
        super().__init__(up)
        self.target = (monitor, member.check_address, member.check_port)
        self._monitor = monitor
        self._begun = self._due = now
        self._deadline = 0.0
        self._asking = False
        self._missed = False
        self.probe: Connect = probe(monitor, member.check_address, member.check_port)

    @property
    def asking(self) -> bool:
        """Whether an answer is waited for."""
        return self._asking

    def next_time(self) -> float:
        """When to look at it again (time.monotonic)."""
        return self._deadline if self._asking else self._due

    def miss(self) -> None:
        """Clients' datagrams came back from the member's host: as good as an answer to ours.

        A host sends few such messages, so where clients ask often, ours might get none.
        """
        self._missed = self.probe.silence

    def look(self, now: float, answered: bool) -> bool:
        """Do what is due: ask, take the answer, stop waiting. Returns whether the member turned."""
        if not self._asking:
            return now >= self._due and self._ask(now)
        verdict = self.probe.ready() if answered else None
        if verdict is None and self._missed:
            verdict = False
        if verdict is None and now >= self._deadline:
            verdict = self.probe.silence
        return verdict is not None and self._take(verdict, now)

    def close(self) -> None:
        """Ask no more."""
        self.probe.close()

    def _ask(self, now: float) -> bool:
        timeout = float(self._monitor.timeout)
        if self.up is None and self.probe.silence:
            timeout = min(timeout, _FIRST_SILENCE)
        timeout = max(timeout, self.probe.patience)
        self._begun, self._deadline, self._asking = now, now + timeout, True
        verdict = self.probe.start()
        return verdict is not None and self._take(verdict, now)

    def _take(self, verdict: bool, now: float) -> bool:
        self.probe.finish()
        self._asking = self._missed = False
        self._due = max(self._begun + self._monitor.delay, now)
        return self.take(verdict, self._monitor.rise, self._monitor.fall)


class Checks:
    """All checks of an amphora. Not for use by several threads at once."""

    def __init__(self, known: dict[Key, bool]) -> None:
        self._known = known
        self._checks: dict[Key, Check] = {}
        self._served: set[Key] = set()

    def converge(self, listeners: Iterable[wire.UdpListener]) -> None:
        """Check these members from now on. What was known of a member stays known if its monitor changes.

        One that served unchecked goes on until its checks say otherwise; one that is new has first to be good once.
        """
        now = time.monotonic()
        wanted: dict[Key, Check] = {}
        served: set[Key] = set()
        for listener in listeners:
            for member in listener.members:
                key = (listener.pool, member.id)
                if listener.monitor is None:
                    served.add(key)
                elif not member.disabled and key not in wanted:
                    wanted[key] = self._check(key, listener.monitor, member, now)
        for key, check in self._checks.items():
            if wanted.get(key) is not check:
                check.close()
        self._checks, self._served = wanted, served
        self._known = {}

    def _check(self, key: Key, monitor: wire.UdpMonitor, member: wire.UdpMember, now: float) -> Check:
        old = self._checks.get(key)
        if old and old.target == (monitor, member.check_address, member.check_port):
            return old
        up = old.up if old else True if key in self._served else self._known.get(key)
        return Check(monitor, member, up, now)

    def verdicts(self) -> dict[Key, Verdict]:
        """What is known of each member that is checked."""
        return {key: check.up for key, check in self._checks.items()}

    def miss(self, pool: str, member: wire.UdpMember) -> None:
        """Datagrams to a member came back; that is news if they went where its monitor asks."""
        check = self._checks.get((pool, member.id))
        if check and (member.address, member.port) == (member.check_address, member.check_port):
            check.miss()

    def waiting(self) -> list[Check]:
        """Those that wait for an answer."""
        return [check for check in self._checks.values() if check.asking]

    def next_time(self) -> float:
        """When the next one is due."""
        return min((check.next_time() for check in self._checks.values()), default=float("inf"))

    def look(self, now: float, answered: set[int]) -> bool:
        """Look at all; ``answered`` are the descriptors at which something came. Whether any member turned."""
        turned = [check.look(now, check.probe.fileno() in answered) for check in self._checks.values()]
        return any(turned)
