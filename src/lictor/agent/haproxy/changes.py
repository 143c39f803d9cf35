"""From one table of servers to another through the runtime API: which commands, and what HAProxy should answer."""

import dataclasses
import pathlib

from lictor import wire
from lictor.agent.haproxy.runtime import RuntimeFailed, Session


@dataclasses.dataclass(frozen=True)
class Step:
    """A command, and the beginnings of the answers that mean it was carried out (empty: no answer)."""

    command: str
    answers: tuple[str, ...] = ("",)

    def done(self, answer: str) -> bool:
        """Whether this answer is one of the right ones."""
        return any(answer == right or (right and answer.startswith(right)) for right in self.answers)


def plan(old: wire.HAProxy, new: wire.HAProxy) -> list[Step] | None:
    """The steps from ``old`` to ``new``; None when the runtime API cannot do it and a reload must.

    Servers are added before others go, so that no backend is empty in between.
    """
    if old.skeleton() != new.skeleton():
        return None
    before = {(server.backend, server.name): server for server in old.servers}
    after = {(server.backend, server.name): server for server in new.servers}
    steps: list[Step] = []
    for key, server in after.items():
        if key not in before:
            steps += _add(server)
        elif _fixed(before[key]) != _fixed(server):
            return None
        else:
            steps += _change(before[key], server)
    for key, server in before.items():
        if key not in after:
            steps += remove(server.backend, server.name)
    return steps


def carry_out(steps: list[Step], path: pathlib.Path) -> None:
    """Raises ``RuntimeFailed`` at the first step that HAProxy refuses: what runs is then half of the change."""
    if not steps:
        return
    with Session(path) as session:
        session.ask("experimental-mode on")
        for step in steps:
            answer = session.ask(step.command)
            if not step.done(answer):
                raise RuntimeFailed(f"haproxy answered {step.command!r} with {answer!r}")


def remove(backend: str, name: str) -> list[Step]:
    """Out of rotation at once; deleted with its last connection, idle ones too (``Keeper.sweep`` asks again)."""
    return [
        Step(f"set server {backend}/{name} state maint"),
        Step(f"del server {backend}/{name}", ("Server deleted.", "Server still has connections", "This server cannot")),
    ]


def _add(server: wire.Server) -> list[Step]:
    name = f"{server.backend}/{server.name}"
    steps = [Step(f"add server {name} {server.parameters()}", ("New server registered.",))]
    if "check" in server.options.split():
        steps.append(Step(f"enable health {name}"))
    if server.state is wire.ServerState.READY:
        steps.append(Step(f"enable server {name}"))
    return steps


def _change(old: wire.Server, new: wire.Server) -> list[Step]:
    name = f"{new.backend}/{new.name}"
    steps = []
    if old.weight != new.weight:
        steps.append(Step(f"set server {name} weight {new.weight}"))
    if old.state is not new.state:
        steps.append(Step(f"set server {name} state {new.state.value}"))
    return steps


def _fixed(server: wire.Server) -> tuple[str, int, str]:
    """What the runtime API is not asked to change on a server that is there."""
    return server.address, server.port, server.options
