"""Telling the health managers, every few seconds and whenever something changes, what this amphora sees."""

import socket
import time
from collections.abc import Collection

from msgspec.structs import replace

from lictor import wire
from lictor.agent.agent import Agent
from lictor.agent.errors import log
from lictor.agent.haproxy import statistics
from lictor.agent.haproxy.lines import server_lines
from lictor.agent.haproxy.runtime import RuntimeFailed
from lictor.agent.moment import moment

_LOOK = 1.0
"""Seconds between looks at HAProxy."""

_EARLY = 0.01
"""Seconds by which a beat may come before its time."""

_ROOM = 64
"""Bytes that a part's numbers may add when they are stamped on it: it is measured without them."""

Item = tuple[str, str, str]
"""What a beat is cut between: ("listener", id, "") or ("pool", name, member id or "")."""


class Pulse:
    """The heartbeats of one agent: ``run`` in a thread of its own. Nothing is sent before a state was applied."""

    def __init__(self, agent: Agent, amphora_id: str) -> None:
        self._agent = agent
        self._amphora_id = amphora_id
        self._sequence = 0
        self._turn = 0
        self._sent = 0.0
        self._told: wire.Heartbeat | None = None

    def run(self) -> None:
        """Look and tell, for ever. No failure ends it: silence would have the amphora replaced."""
        while True:
            pause = _LOOK
            try:
                # Its number comes first: what is delivered while we look must not seem older than what we saw.
                number = moment()
                if state := self._agent.state:
                    # Looked at even if nobody is told: servers that are gone have to be swept.
                    beat = self._look(state, number)
                    if state.heartbeat:
                        self._tell_if_due(beat, state.heartbeat)
                        # Whatever woke us meanwhile, the next beat is no later for it.
                        pause = min(_LOOK, max(_EARLY, self._sent + state.heartbeat.interval - time.monotonic()))
            except Exception as error:
                log(f"heartbeat: {type(error).__name__}: {error}")
            if self._agent.applied.wait(pause):
                self._agent.applied.clear()

    def _tell_if_due(self, beat: wire.Heartbeat, target: wire.HeartbeatTarget) -> None:
        due = time.monotonic() - self._sent >= target.interval - _EARLY
        if due or _statuses(beat) != self._told:
            self._tell(beat, target)
            self._told = _statuses(beat)
            self._sent = time.monotonic()

    def _look(self, state: wire.DesiredState, number: int) -> wire.Heartbeat:
        known = server_lines(state.haproxy.config if state.haproxy else "")
        listeners: dict[str, wire.ListenerReport] = {}
        pools: dict[str, wire.PoolReport] = {}
        datagrams, datagram_pools = self._agent.udp.report()
        running = self._agent.haproxy.master.running()
        if running:
            try:
                rows, carried = self._agent.haproxy.sample()
                listeners = statistics.listeners(rows, carried)
                pools = statistics.pools(rows, known, self._agent.haproxy.health.pinger.states())
                self._tidy(rows, known)
            except RuntimeFailed as error:
                log(f"heartbeat without figures: {error}")
                running = False
        return wire.Heartbeat(
            amphora_id=self._amphora_id,
            boot_id=self._agent.boot_id,
            sequence=number,
            beat=number,
            generation=state.generation,
            digest=state.digest(),
            haproxy_running=running,
            haproxy_failures=self._agent.haproxy.failures(),
            standby=self._agent.keepalived.presence.standby(),
            listeners=listeners | datagrams,
            pools=pools | datagram_pools,
        )

    def _tidy(self, rows: list[statistics.Row], known: Collection[tuple[str, str]]) -> None:
        self._agent.haproxy.master.trim_log()
        if strays := statistics.strays(rows, known):
            self._agent.sweep(strays)

    def _tell(self, beat: wire.Heartbeat, target: wire.HeartbeatTarget) -> None:
        """Send the beat to one health manager, each in its turn; to the next one when sending fails."""
        datagrams = self._seal(beat, bytes.fromhex(target.key))
        for _ in target.addresses:
            address = target.addresses[self._turn % len(target.addresses)]
            self._turn += 1
            try:
                _send(datagrams, address)
            except OSError as error:
                log(f"heartbeat to {address}: {error}")
            else:
                return

    def _seal(self, beat: wire.Heartbeat, key: bytes) -> list[bytes]:
        parts = split(beat, key)
        first = max(self._sequence + 1, beat.sequence)
        self._sequence = first + len(parts) - 1
        return [
            wire.seal(stamp(part, first, first + index, index, len(parts)), key) for index, part in enumerate(parts)
        ]


def split(beat: wire.Heartbeat, key: bytes) -> list[wire.Heartbeat]:
    """Cut a beat in halves until each part fits ``wire.MAX_DATAGRAM`` once sealed. A large pool comes in several."""
    return [_pick(beat, items) for items in _fitting(beat, _items(beat), key)]


def stamp(part: wire.Heartbeat, beat: int, sequence: int, index: int, parts: int) -> wire.Heartbeat:
    """A part with its numbers."""
    return replace(part, beat=beat, sequence=sequence, part=index, parts=parts)


def _items(beat: wire.Heartbeat) -> list[Item]:
    items: list[Item] = [("listener", name, "") for name in beat.listeners]
    for name, pool in beat.pools.items():
        items += [("pool", name, member) for member in pool.members] or [("pool", name, "")]
    return items


def _fitting(beat: wire.Heartbeat, items: list[Item], key: bytes) -> list[list[Item]]:
    if len(items) <= 1 or len(wire.seal(_pick(beat, items), key)) + _ROOM <= wire.MAX_DATAGRAM:
        return [items]
    middle = len(items) // 2
    return _fitting(beat, items[:middle], key) + _fitting(beat, items[middle:], key)


def _pick(beat: wire.Heartbeat, items: list[Item]) -> wire.Heartbeat:
    listeners: dict[str, wire.ListenerReport] = {}
    pools: dict[str, wire.PoolReport] = {}
    for kind, name, member in items:
        if kind == "listener":
            listeners[name] = beat.listeners[name]
            continue
        pool = beat.pools[name]
        mine = pools.setdefault(name, wire.PoolReport(status=pool.status, members={}))
        if member:
            mine.members[member] = pool.members[member]
    return replace(beat, listeners=listeners, pools=pools)


def _statuses(beat: wire.Heartbeat) -> wire.Heartbeat:
    """The beat without its numbers and figures: what is worth telling at once."""
    bare = {name: wire.ListenerReport(status=report.status) for name, report in beat.listeners.items()}
    return replace(beat, sequence=0, beat=0, listeners=bare)


def _send(datagrams: list[bytes], address: str) -> None:
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        for datagram in datagrams:
            sender.sendto(datagram, (host.strip("[]"), int(port)))
