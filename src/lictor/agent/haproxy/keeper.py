"""Keeps the amphora's HAProxy as the state wants it: started, changed without a reload where possible, restarted."""

import contextlib
import os
import pathlib
import select
import threading
import time

from lictor import wire
from lictor.agent.command import run
from lictor.agent.errors import AgentError, log
from lictor.agent.haproxy import changes, serverstate, statistics
from lictor.agent.haproxy.carry import Carry
from lictor.agent.haproxy.master import Master
from lictor.agent.haproxy.runtime import RuntimeFailed, Session, pid_of, version_of
from lictor.agent.haproxy.section import global_section
from lictor.agent.store import replace, write

_STEADY = 10.0
"""Seconds that HAProxy must have lived for its next death to be answered at once."""

_SHORTEST_PAUSE = 0.05
_LONGEST_PAUSE = 30.0


class Keeper:
    """One HAProxy. ``lock`` is the agent's: whoever changes anything holds it."""

    def __init__(self, directory: pathlib.Path, namespace: str, lock: threading.RLock) -> None:
        self.master = Master(directory, namespace)
        self._directory = directory
        self._lock = lock
        self._carry = Carry(directory / "counters.json")
        self._counting = threading.Lock()
        self._wanted = False
        self._started = 0.0
        self._woken = os.eventfd(0, os.EFD_NONBLOCK)
        self.version = ""

    @property
    def reloads(self) -> int:
        """How many reloads this amphora has seen."""
        return self._carry.memory.reloads

    def check(self, place: pathlib.Path) -> None:
        """Ask HAProxy about a staged configuration. Raises ``CommandFailed`` with its words."""
        write(place / "check.cfg", global_section(self._directory, place / "certs"))
        run(["haproxy", "-c", "-f", str(place / "check.cfg"), "-f", str(place / "haproxy.cfg")])

    def converge(self, old: wire.HAProxy | None, new: wire.HAProxy | None, force: bool) -> None:
        """See that ``current`` is what runs. ``old`` is what runs now, None if that is not known.

        ``force`` is for a change that the configuration text does not show (files, an unsettled state).
        Raises ``MasterFailed``.
        """
        self._wanted = new is not None
        if new is None:
            self.master.stop()
            self._wake()
            return
        changed = self._write_section()
        if not self.master.running():
            self._start()
        elif force or changed or old is None or not self._at_runtime(old, new):
            self._reload(old, new)
        self._wake()
        self.version = self.version or self._ask_version()

    def want(self) -> None:
        """Have ``watch`` start what ``current`` names, and go on trying."""
        self._wanted = True
        self._wake()

    def sample(self) -> tuple[list[statistics.Row], dict[str, wire.ListenerStatistics]]:
        """What HAProxy shows now, and the carried counters. Raises ``RuntimeFailed``."""
        with self._counting:
            with Session(self.master.socket) as session:
                worker = pid_of(session.ask("show info"))
                rows = statistics.parse(session.ask("show stat"))
            return rows, self._carry.count(worker, statistics.counters(rows))

    def sweep(self, strays: list[tuple[str, str]]) -> None:
        """Ask again for the removal of servers that still had connections. Held back while a change is under way."""
        steps = [step for backend, name in strays for step in changes.remove(backend, name)]
        try:
            changes.carry_out(steps, self.master.socket)
        except RuntimeFailed as error:
            log(f"a server that is gone cannot be removed yet: {error}")

    def watch(self) -> None:
        """Restart HAProxy whenever it dies, for ever: run this in a thread of its own."""
        pause = 0.0
        while True:
            self._sleep_until_death()
            steady = time.monotonic() - self._started > _STEADY
            pause = 0.0 if steady else min(_LONGEST_PAUSE, max(_SHORTEST_PAUSE, 2 * pause))
            select.select([self._woken], [], [], pause)
            with self._lock:
                self._revive()

    def _sleep_until_death(self) -> None:
        while self.master.running() or not self._wanted:
            try:
                watched = [self._woken] + ([self.master.pidfd] if self._wanted else [])
                select.select(watched, [], [])
            except (OSError, ValueError):
                time.sleep(_SHORTEST_PAUSE)  # another thread has just put a new master in the dead one's place
            self._drain()

    def _revive(self) -> None:
        if not self._wanted or self.master.running():
            return
        try:
            log("haproxy is not running, starting it")
            self._start()
        except (AgentError, OSError) as error:
            log(f"haproxy does not start, trying again: {error}")

    def _start(self) -> None:
        self._started = time.monotonic()
        (self._directory / "servers.state").unlink(missing_ok=True)
        self.master.start()

    def _at_runtime(self, old: wire.HAProxy, new: wire.HAProxy) -> bool:
        """Carry the change out by the runtime API. False when it cannot be, or not wholly: then a reload is due."""
        steps = changes.plan(old, new)
        if steps is None:
            return False
        try:
            changes.carry_out(steps, self.master.socket)
        except RuntimeFailed as error:
            log(f"reloading instead: {error}")
            return False
        return True

    def _reload(self, old: wire.HAProxy | None, new: wire.HAProxy) -> None:
        state = self._directory / "servers.state"
        try:
            self.sample()  # the last look at the old worker's counters
            with Session(self.master.socket) as session:
                shown = session.ask("show servers state")
            if known := serverstate.hand_over(shown, old, new):
                write(state, known)
        except (RuntimeFailed, OSError) as error:
            log(f"reloading without what the checks know: {error}")
        try:
            self.master.reload()
        finally:
            state.unlink(missing_ok=True)
        self._carry.reloaded()

    def _write_section(self) -> bool:
        """Write the agent's own section; whether it differs from what was there (an upgraded agent, other limits)."""
        file = self._directory / "global.cfg"
        text = global_section(self._directory, self._directory / "current" / "certs")
        if file.exists() and file.read_text() == text:
            return False
        replace(file, text)
        return True

    def _ask_version(self) -> str:
        """The version of what runs, such as ``2.6.12``; asking the program instead would cost a start-up of it."""
        try:
            with Session(self.master.socket) as session:
                return version_of(session.ask("show info"))
        except RuntimeFailed:
            return ""

    def _wake(self) -> None:
        os.eventfd_write(self._woken, 1)

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._woken)
