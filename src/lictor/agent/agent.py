"""The agent's one job: check a state, apply it, remember it, or leave everything as it was."""

import contextlib
import pathlib
import threading
from typing import TypeVar

import msgspec

from lictor import wire
from lictor.agent import announce, interfaces, namespace, nft
from lictor.agent.errors import AgentError, Broken, CommandFailed, Fenced, Refused, log
from lictor.agent.haproxy import sticks
from lictor.agent.haproxy.keeper import Keeper
from lictor.agent.haproxy.lines import server_lines
from lictor.agent.keepalived.keeper import Keeper as Keepalived
from lictor.agent.logs.keeper import Logs
from lictor.agent.moment import moment
from lictor.agent.settings import Settings
from lictor.agent.store import Store
from lictor.agent.udp import ruleset
from lictor.agent.udp.keeper import Udp
from lictor.agent.validate import validate

Message = TypeVar("Message", bound=msgspec.Struct)


class Agent:
    """Holds the last good state and makes the amphora like it. One change at a time; reports never wait for one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.RLock()
        self._store = Store(settings.home)
        self.boot_id = self._store.boot_id()
        self.state = self._store.load()
        self.applied = threading.Event()
        self.keepalived = Keepalived(settings.home, settings.namespace, self._lock, self.applied.set)
        self.haproxy = Keeper(
            settings.home, settings.namespace, self._lock, self.applied.set, serving=self.keepalived.tell
        )
        self.logs = Logs(settings.home, settings.amphora_id)
        self.udp = Udp(settings.home, settings.namespace, self.applied.set)

    def report(self) -> wire.Report:
        """What is applied and what runs."""
        state = self.state
        return wire.Report(
            amphora_id=self._settings.amphora_id,
            boot_id=self.boot_id,
            sequence=moment(),
            generation=state.generation if state else 0,
            epoch=state.epoch if state else 0,
            digest=state.digest() if state else "",
            haproxy_running=self.haproxy.master.running(),
            haproxy_version=self.haproxy.version,
            reloads=self.haproxy.reloads,
            standby=self.keepalived.presence.standby(),
        )

    def deliver(self, state: wire.DesiredState) -> wire.Report:
        """Make the amphora like ``state``. Raises ``Refused``, ``Fenced`` or ``Broken``; then it is as before."""
        validate(state, self._settings.amphora_id)
        with self._lock:
            self._fence(state)
            state = complete(state, self.state)
            try:
                if stands := self._stands(state):
                    self._store.remember(state)
                else:
                    self._change(state)
            except OSError as error:
                raise Broken(f"this amphora cannot hold the state: {error}") from None
            self.state = state
            what = f"load balancer {state.loadbalancer_id}: generation {state.generation} of epoch {state.epoch}"
            log(f"{what} {'stood already' if stands else 'is applied'}")
        self.applied.set()
        return self.report()

    def sticks(self) -> wire.Sticks:
        """What HAProxy's stick tables hold. Raises ``RuntimeFailed``."""
        tables = sticks.taken(self.haproxy.master.socket) if self.haproxy.master.running() else {}
        return wire.Sticks(amphora_id=self._settings.amphora_id, tables=tables)

    def stick(self, given: wire.Sticks) -> wire.Report:
        """Enter what another amphora's stick tables hold. Raises ``Refused``, ``Fenced`` or ``RuntimeFailed``."""
        if given.version != wire.VERSION or given.amphora_id != self._settings.amphora_id:
            raise Refused(f"sticks for amphora {given.amphora_id}, version {given.version}, are not for this one")
        with self._lock:
            if self.state and given.epoch < self.state.epoch:
                raise Fenced(f"sticks of epoch {given.epoch} are older than what is applied: {self.state.epoch}")
            log(f"{sticks.give(given, self.haproxy.master.socket)} clients stay with their servers")
        return self.report()

    def resume(self) -> None:
        """Go on from the last good state after a restart of the agent, without the control plane. Never raises."""
        with self._lock:
            try:
                namespace.ensure(self._settings.namespace)
                if self.state:
                    log(f"going on from generation {self.state.generation}")
                    self._apply(self.state, self.state, force=self._store.unsettled())
                    self._store.settle()
            except (AgentError, OSError) as error:
                log(f"the last good state could not be brought back in full: {error}")
                self._go_on_with_what_there_is()
            self.applied.set()

    def sweep(self, strays: list[tuple[str, str]]) -> None:
        """Remove servers that the state no longer names, unless a change is under way (it may be adding them)."""
        if self._lock.acquire(blocking=False):
            try:
                kept = server_lines(self.state.haproxy.config if self.state and self.state.haproxy else "")
                self.haproxy.sweep([stray for stray in strays if stray not in kept])
            finally:
                self._lock.release()

    def close(self, seconds: float) -> None:
        """Wait for a change under way to end, at most so long; further ones will wait for ever."""
        self._lock.acquire(timeout=seconds)

    def _go_on_with_what_there_is(self) -> None:
        """HAProxy with half of its network is better than none; the next delivery must look at everything."""
        if self.state and self.state.haproxy:
            self.haproxy.want(self.state.haproxy)
        if self.state and self.state.keepalived:
            self.keepalived.want(self.state.interfaces)
        with contextlib.suppress(OSError):
            self._store.begin()

    def _fence(self, state: wire.DesiredState) -> None:
        mine = self.state
        if mine and (state.epoch, state.generation) < (mine.epoch, mine.generation):
            raise Fenced(
                f"epoch {state.epoch} generation {state.generation} is older than what is applied: "
                f"epoch {mine.epoch} generation {mine.generation}"
            )

    def _stands(self, state: wire.DesiredState) -> bool:
        """Whether all of this state is applied and running, so that only the fence has to be raised."""
        if self.state is None or self.state.digest() != state.digest() or self._store.unsettled():
            return False
        if self.haproxy.master.running() != (state.haproxy is not None):
            return False
        if self.keepalived.daemon.running() != bool(state.keepalived):
            return False
        return not interfaces.differ(state.interfaces, self._settings.namespace)

    def _change(self, state: wire.DesiredState) -> None:
        before = self._store.place()
        try:
            place = self._store.stage(state)
            self._check(state, place)
            unsettled = self._store.unsettled()
            self._store.begin()
        except BaseException:
            self._store.sweep()
            raise
        try:
            self._store.switch(place)
            self._apply(state, self.state, force=unsettled or self.state is None)
        except (AgentError, OSError) as error:
            self._restore(before)
            raise error if isinstance(error, AgentError) else Broken(str(error)) from None
        self._store.settle()
        self._store.sweep()

    def _check(self, state: wire.DesiredState, place: pathlib.Path) -> None:
        """Ask everyone who will have to work with the state. Raises ``Refused`` with the checker's own words."""
        settings = self._settings
        namespace.ensure(settings.namespace)
        try:
            if state.haproxy and not self._runs(state, "haproxy", "files", "logs"):
                self.haproxy.check(state, place)
            if state.nftables and not self._runs(state, "nftables"):
                nft.check(state.nftables, settings.namespace)
            self.udp.check(state.udp)
            if state.keepalived:
                self.keepalived.check(place)
        except CommandFailed as error:
            raise Refused(str(error).replace(f"{place}/", "")) from None
        interfaces.await_nics(state.interfaces, settings.namespace, settings.bind_address)

    def _runs(self, state: wire.DesiredState, *parts: str) -> bool:
        """Whether these parts are as they were applied: the VIP, which may come with them, need not wait for checks."""
        same = self.state is not None and all(getattr(state, part) == getattr(self.state, part) for part in parts)
        return same and not self._store.unsettled() and self.haproxy.master.running()

    def _apply(self, state: wire.DesiredState, old: wire.DesiredState | None, force: bool) -> None:
        """Make everything like ``state``, which is the current one on disk. Idempotent."""
        if not state.keepalived:
            self.keepalived.retire()  # first: the VIPs are its own to take away
        new = interfaces.converge(state.interfaces, self._settings.namespace)
        if force or old is None or old is state or old.nftables != state.nftables:
            nft.replace(state.nftables, self._settings.namespace, ruleset.TABLE.__ne__)
        self.udp.converge(state.udp, force)
        self.logs.converge(state.logs)  # before HAProxy writes to it
        self.haproxy.converge(old, state, force)
        if state.keepalived:
            self.keepalived.converge(old, state, force)
        # Last: until then, the amphora that had these addresses may still be serving.
        announce.send(new, self._settings.namespace)

    def _restore(self, before: pathlib.Path | None) -> None:
        """After a change that failed half way: the last good state again, in full."""
        try:
            self._store.switch(before)
            if self.state:
                self._apply(self.state, None, force=True)
            elif before is None:
                self.keepalived.retire()
                self.haproxy.converge(None, None, force=True)
            # Else the state on disk could not be read: what runs of it is left alone.
            self._store.settle()
            self._store.sweep()
        except (AgentError, OSError) as error:
            log(f"the last good state could not be brought back in full, the next delivery tries again: {error}")


def complete(state: wire.DesiredState, old: wire.DesiredState | None) -> wire.DesiredState:
    """The state with the files that are to be kept. Raises ``Refused`` if one is not there."""
    here = {file.name: file for file in (old.files if old else [])}
    if missing := [file.name for file in state.files if file.kept and file.name not in here]:
        raise Refused(f"files {missing} are to be kept, and are not here")
    files = [here[file.name] if file.kept else file for file in state.files]
    return msgspec.structs.replace(state, files=files)


def decode(body: bytes, kind: type[Message]) -> Message:
    """Raises ``Refused`` with the field and what is right."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(f"{kind.__name__} cannot be read: {error}") from None
