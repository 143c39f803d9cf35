"""Keeps the amphora's HAProxy as the state wants it: started, changed without a reload where possible, restarted."""

import collections
import pathlib
import threading
import time
from collections.abc import Callable

from lictor import wire
from lictor.agent.command import run
from lictor.agent.errors import log
from lictor.agent.haproxy import certificates, changes, serverstate, statistics
from lictor.agent.haproxy.carry import Carry
from lictor.agent.haproxy.health import Health, fresh
from lictor.agent.haproxy.master import Master, MasterHangs
from lictor.agent.haproxy.parting import Parting
from lictor.agent.haproxy.runtime import RuntimeFailed, Session, pid_of, version_of
from lictor.agent.haproxy.section import sections
from lictor.agent.haproxy.vigil import Vigil
from lictor.agent.reviver import Reviver
from lictor.agent.store import replace, write

_REMEMBERED = 60.0
"""Seconds for which a death of HAProxy, or a start that failed, is told."""


class Keeper:
    """One HAProxy. ``lock`` is the agent's: whoever changes anything holds it.

    ``changed`` is called when the health of servers changed, ``serving`` with whether HAProxy does what it should.
    """

    def __init__(
        self,
        directory: pathlib.Path,
        namespace: str,
        lock: threading.RLock,
        changed: Callable[[], None],
        serving: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self.master = Master(directory, namespace)
        self.health = Health(self.master.socket, namespace, changed)
        self._directory = directory
        self._serving = serving
        self._carry = Carry(directory / "counters.json")
        self._leaving: list[Parting] = []
        self._counting = threading.Lock()
        self._wanted: wire.HAProxy | None = None
        self._failed: collections.deque[float] = collections.deque(maxlen=100)
        self.version = ""
        self.reviver = Reviver(
            "haproxy", self.master, lock, lambda: self._wanted is not None, self._start_again, self._tell
        )
        self.vigil = Vigil(self.master, self.master.socket, self._tell)

    @property
    def reloads(self) -> int:
        """How many reloads this amphora has seen."""
        return self._carry.memory.reloads

    def failures(self) -> int:
        """How often HAProxy died, or did not start, within the last minute."""
        return sum(time.monotonic() - moment < _REMEMBERED for moment in list(self._failed))

    def check(self, state: wire.DesiredState, place: pathlib.Path) -> None:
        """Ask HAProxy about a staged configuration. Raises ``CommandFailed`` with its words."""
        write(place / "check.cfg", sections(self._directory, place / "certs", state.logs, state.amphora_id))
        run(["haproxy", "-c", "-f", str(place / "check.cfg"), "-f", str(place / "haproxy.cfg")])

    def converge(self, old: wire.DesiredState | None, new: wire.DesiredState | None, force: bool) -> None:
        """See that ``current`` is what runs. ``old`` is what runs now, None if that is not known.

        ``force`` is for a change that the states do not show (one that was not settled). Raises ``MasterFailed``.
        """
        self._wanted = new.haproxy if new else None
        if new is None or new.haproxy is None:
            self.health.follow(None, set())
            self.master.stop()
            self._tell()
            self.reviver.wake()
            return
        changed = self._write_section(new)
        if not self.master.running():
            self._start(new.haproxy)
        elif force or changed or old is None or not self._at_runtime(old, new):
            self._renew(old.haproxy if old else None, new.haproxy)
        self._tell()
        self.reviver.wake()
        self.version = self.version or self._ask_version()

    def want(self, wanted: wire.HAProxy) -> None:
        """Have the reviver start what ``current`` names, and go on trying."""
        self._wanted = wanted
        self.reviver.wake()

    def sample(self) -> tuple[list[statistics.Row], dict[str, wire.ListenerStatistics]]:
        """What HAProxy shows now, and the carried counters. Raises ``RuntimeFailed``."""
        with self._counting:
            with Session(self.master.socket) as session:
                worker = pid_of(session.ask("show info"))
                rows = statistics.parse(session.ask("show stat"))
            self._look_at_leaving()
            return rows, self._carry.count(worker, statistics.counters(rows))

    def _look_at_leaving(self) -> None:
        for parting in list(self._leaving):
            look = parting.look()
            if look:
                self._carry.leaves(parting.worker, look.figures)
            if look is None or look.final:
                self._carry.gone(parting.worker)
                self._leaving.remove(parting)

    def sweep(self, strays: list[tuple[str, str]]) -> None:
        """Ask again for the removal of servers that still had connections. Held back while a change is under way."""
        steps = [step for backend, name in strays for step in changes.remove(backend, name)]
        try:
            changes.carry_out(steps, self.master.socket)
        except RuntimeFailed as error:
            log(f"a server that is gone cannot be removed yet: {error}")

    def _start_again(self) -> None:
        self._failed.append(time.monotonic())
        if self._wanted:
            self._start(self._wanted)
        self._tell()

    def _start(self, new: wire.HAProxy) -> None:
        self.reviver.starting()
        state = self._directory / "servers.state"
        write(state, serverstate.newborn(new))
        try:
            self.master.start()
        finally:
            state.unlink(missing_ok=True)
        self.health.follow(new, fresh(None, new))

    def _at_runtime(self, old: wire.DesiredState, new: wire.DesiredState) -> bool:
        """Carry the change out by the runtime API. False when it cannot be, or not wholly: then a reload is due."""
        steps = changes.plan(old.haproxy, new.haproxy) if old.haproxy and new.haproxy else None
        if steps is None or old.haproxy is None or new.haproxy is None:
            return False
        try:
            files = self._files(old, new)
            if files is None:
                return False
            changes.carry_out([*files.before, *steps], self.master.socket)
            # What goes, goes when it is known that what is in its place serves.
            self.health.follow(new.haproxy, fresh(old.haproxy, new.haproxy))
            changes.carry_out([*changes.removals(old.haproxy, new.haproxy), *files.after], self.master.socket)
        except RuntimeFailed as error:
            log(f"reloading instead: {error}")
            return False
        return True

    def _files(self, old: wire.DesiredState, new: wire.DesiredState) -> certificates.Change | None:
        if not old.files and not new.files:
            return certificates.Change([], [])
        place, fixed = (
            self._directory / "current" / "certs",
            certificates.fixed(old.haproxy.config if old.haproxy else ""),
        )
        with Session(self.master.socket) as session:
            loaded = certificates.loaded(session, old.files + new.files)
        return certificates.plan(old.files, new.files, loaded, place, fixed)

    def _renew(self, old: wire.HAProxy | None, new: wire.HAProxy) -> None:
        try:
            self._reload(old, new)
        except MasterHangs as error:
            log(f"starting anew instead: {error}")
            self._failed.append(time.monotonic())
            self.master.kill()
            self._start(new)

    def _reload(self, old: wire.HAProxy | None, new: wire.HAProxy) -> None:
        # Nobody counts meanwhile: the new worker's figures must not come before the old one's are put by.
        with self._counting:
            parting = self._hand_over(old, new)
            try:
                self.master.reload()
            except BaseException:
                if parting:
                    parting.close()
                raise
            finally:
                (self._directory / "servers.state").unlink(missing_ok=True)
            self._leaving += [parting] if parting else []
            self._look_at_leaving()
            self._carry.reloaded()
        self.health.follow(new, fresh(old, new) if old else set())

    def _hand_over(self, old: wire.HAProxy | None, new: wire.HAProxy) -> Parting | None:
        """Write down what the checks know; returns the worker that is to be replaced, which still has to be counted."""
        parting = None
        try:
            session = Session(self.master.socket).__enter__()
            parting = Parting(pid_of(session.ask("show info")), session)
            if known := serverstate.hand_over(session.ask("show servers state"), old, new):
                write(self._directory / "servers.state", known)
        except (RuntimeFailed, OSError) as error:
            log(f"reloading without what the checks know: {error}")
        return parting

    def _write_section(self, new: wire.DesiredState) -> bool:
        """Write the agent's own sections; whether they differ from what was there (other logs, an upgraded agent)."""
        file = self._directory / "global.cfg"
        text = sections(self._directory, self._directory / "current" / "certs", new.logs, new.amphora_id)
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

    def _tell(self) -> None:
        self._serving(self._wanted is None or (self.master.running() and not self.vigil.hangs))
