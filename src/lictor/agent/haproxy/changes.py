"""From one table of servers and patterns to another through the runtime API: which commands, and the right answers."""

import dataclasses
import pathlib
import re

from lictor import wire
from lictor.agent.haproxy.health import is_watched, key_of
from lictor.agent.haproxy.pinger import health
from lictor.agent.haproxy.runtime import RuntimeFailed, Session


@dataclasses.dataclass(frozen=True)
class Step:
    """A command, and the beginnings or ends of the answers that mean it was carried out (empty: no answer).

    ``payload`` are the lines that go with it: they may be secret, and are never shown.
    """

    command: str
    answers: tuple[str, ...] = ("",)
    payload: str = dataclasses.field(default="", repr=False)

    def done(self, answer: str) -> bool:
        """Whether this answer is one of the right ones."""
        return any(answer == right or (right and answer.startswith(right)) for right in self.answers) or any(
            right and answer.endswith(right) for right in self.answers
        )


def plan(old: wire.HAProxy, new: wire.HAProxy) -> list[Step] | None:
    """The steps from ``old`` to ``new`` but for ``removals``; None when the runtime API cannot do it and a reload must.

    Servers are added before others go, so that no backend is empty in between.
    """
    if old.skeleton() != new.skeleton():
        return None
    before = {(server.backend, server.name): server for server in old.servers}
    after = {(server.backend, server.name): server for server in new.servers}
    steps = _patterns(old, new)
    limits = _limits(old, new)
    if steps is None or limits is None:
        return None
    steps += limits
    for key, server in after.items():
        if key not in before:
            steps += _add(server)
        elif _fixed(before[key]) != _fixed(server):
            return None
        else:
            steps += _change(before[key], server)
    return steps


def removals(old: wire.HAProxy, new: wire.HAProxy) -> list[Step]:
    """The steps that take away what ``new`` does not have."""
    kept = {key_of(server) for server in new.servers}
    gone = [server for server in old.servers if key_of(server) not in kept]
    return [step for server in gone for step in remove(server.backend, server.name)]


def carry_out(steps: list[Step], path: pathlib.Path) -> None:
    """Raises ``RuntimeFailed`` at the first step that HAProxy refuses: what runs is then half of the change."""
    if not steps:
        return
    with Session(path) as session:
        session.ask("experimental-mode on")
        for step in steps:
            answer = session.ask(step.command, step.payload)
            if not step.done(answer):
                raise RuntimeFailed(f"haproxy answered {step.command!r} with {answer!r}")


def remove(backend: str, name: str) -> list[Step]:
    """Out of rotation at once; deleted with its last connection, idle ones too (``Keeper.sweep`` asks again)."""
    return [
        Step(f"set server {backend}/{name} state maint"),
        Step(f"del server {backend}/{name}", ("Server deleted.", "Server still has connections", "This server cannot")),
    ]


def _limits(old: wire.HAProxy, new: wire.HAProxy) -> list[Step] | None:
    before = {limit.frontend: limit.connections for limit in old.limits}
    after = {limit.frontend: limit.connections for limit in new.limits}
    if before.keys() != after.keys():
        return None
    return [
        Step(f"set maxconn frontend {frontend} {limit}")
        for frontend, limit in after.items()
        if limit != before[frontend]
    ]


def _patterns(old: wire.HAProxy, new: wire.HAProxy) -> list[Step] | None:
    """A new value is there before the old one goes: for a moment both match."""
    before = {pattern.number: pattern for pattern in old.patterns}
    if {each.number: each.test for each in old.patterns} != {each.number: each.test for each in new.patterns}:
        return None
    steps = []
    for pattern in new.patterns:
        gone, come = before[pattern.number].value, pattern.value
        if gone == come:
            continue
        if not (_SPEAKABLE.fullmatch(gone) and _SPEAKABLE.fullmatch(come)):
            return None
        steps += [
            Step(f"{verb} acl #{pattern.number} {_escaped(text)}") for verb, text in (("add", come), ("del", gone))
        ]
    return steps


_SPEAKABLE = re.compile(r"(?!.*<<)[^\x00-\x1f\x7f]+")
"""Values that can stand in a command: ``<<`` would begin a text of several lines (management guide, 9.3)."""


def _escaped(text: str) -> str:
    return re.sub(r"([\\; ])", r"\\\1", text)


def _add(server: wire.Server) -> list[Step]:
    name = f"{server.backend}/{server.name}"
    steps = [Step(f"add server {name} {server.parameters()}", ("New server registered.",))]
    if "check" in server.options.split():
        steps.append(Step(f"enable health {name}"))
    if server.state is wire.ServerState.READY:
        steps.append(Step(f"enable server {name}"))
    return steps + ([Step(health(key_of(server), False))] if is_watched(server) else [])


def _change(old: wire.Server, new: wire.Server) -> list[Step]:
    name = f"{new.backend}/{new.name}"
    steps = []
    if old.weight != new.weight:
        steps.append(Step(f"set server {name} weight {new.weight}"))
    if old.state is not new.state:
        steps.append(Step(f"set server {name} state {new.state.value}"))
        if new.ping and is_watched(new):
            steps.append(Step(health(key_of(new), False)))
    if old.ping and not new.ping:
        steps.append(Step(health(key_of(new), True)))
    return steps


def _fixed(server: wire.Server) -> tuple[str, int, str]:
    """What the runtime API is not asked to change on a server that is there."""
    return server.address, server.port, server.options
