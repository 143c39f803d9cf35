"""From the table that the kernel has to the one that it should have, so that no packet meets half of a change."""

from collections.abc import Iterable

from lictor.agent import nft
from lictor.agent.command import inside, run
from lictor.agent.udp.chains import Named
from lictor.agent.udp.ruleset import TABLE, Table, declare


class Rules:
    """The table of one namespace. Not for use by several threads at once."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._there: Table | None = None
        self._stale: set[Named] = set()

    @property
    def known(self) -> bool:
        """Whether what the kernel has is what was made last, as far as one can know."""
        return self._there is not None

    def make(self, wanted: Table, force: bool = False) -> None:
        """Make the table like this. ``force`` is for a kernel that may have another one than the last that was made.

        Raises ``AgentError``; then the next one is made from nothing.
        """
        there, self._there = self._there, None
        if force or there is None or there.hooks.keys() != wanted.hooks.keys():
            nft.replace(wanted.text(), self._namespace, TABLE.__eq__)
            self._stale.clear()
        elif there != wanted:
            self._change(there, wanted)
        self._there = wanted

    def tidy(self) -> None:
        """Remove what nothing points to any more. By now no packet is on its way through it."""
        stale, self._stale = self._stale, set()
        self._run(_delete(stale))

    def _change(self, there: Table, wanted: Table) -> None:
        new = {name: body for name, body in wanted.named.items() if name not in there.named.keys() | self._stale}
        if new:
            self._run(declare(new))
        self._stale -= wanted.named.keys()
        self._run(_turn(there, wanted))
        self._stale |= there.named.keys() - wanted.named.keys()

    def _run(self, text: str) -> None:
        if text:
            run(inside(self._namespace, ["nft", "-f", "-"]), text)


def _turn(there: Table, wanted: Table) -> str:
    """One transaction from what is pointed to now to what shall be."""
    lines = []
    for title, body in wanted.hooks.items():
        if there.hooks[title] != body:
            lines.append(f"flush chain inet {TABLE} {title}\n{declare({('chain', title): body})}")
    for (where, key), to in there.places.items():
        if wanted.places.get((where, key)) != to:
            lines.append(f"delete element inet {TABLE} {where} {{ {key} }}\n")
    for (where, key), to in wanted.places.items():
        if there.places.get((where, key)) != to:
            lines.append(f"add element inet {TABLE} {where} {{ {key} : {to} }}\n")
    return "".join(lines)


def _delete(names: Iterable[Named]) -> str:
    """Chains first, as they name the others; and all of them emptied before, as they name each other."""
    chains = sorted(title for kind, title in names if kind == "chain")
    others = sorted(each for each in names if each[0] != "chain")
    lines = [f"{verb} chain inet {TABLE} {title}\n" for verb in ("flush", "delete") for title in chains]
    return "".join([*lines, *(f"delete {kind} inet {TABLE} {title}\n" for kind, title in others)])
