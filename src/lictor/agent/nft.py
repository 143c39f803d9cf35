"""nftables of the inner namespace: tables are made like their text in one transaction, and counters go on counting.

A text is complete: what it does not declare goes. What it does declare and is there already stays as it is, so
counters, sets and maps keep what packets put into them; rules are all new. Between the old rules and the new ones no
packet meets neither.
"""

import itertools
from collections.abc import Callable

import msgspec

from lictor.agent.command import inside, run
from lictor.agent.errors import CommandFailed

_NAMED = ("chain", "map", "set", "ct timeout", "counter")
"""What may go once no rule names it any more, in an order in which it may go."""


class _Named(msgspec.Struct, frozen=True):
    family: str
    name: str
    table: str = ""
    map: str | list[str] = ""


class _Ruleset(msgspec.Struct, frozen=True):
    nftables: list[dict[str, msgspec.Raw]]


def check(text: str, namespace: str) -> None:
    """Ask nft about a text, for itself. Raises ``CommandFailed`` with its words."""
    run(inside(namespace, ["nft", "-c", "-f", "-"]), f"flush ruleset\n{text}")


def replace(text: str, namespace: str, concerns: Callable[[str], bool]) -> None:
    """Make all tables that this ``concerns`` (it is asked by name) like ``text``.

    Raises ``CommandFailed``; then all is as it was.
    """
    present = [(kind, each) for kind, each in _present(namespace) if concerns(each.table or each.name)]
    if not present and not text:
        return
    command = inside(namespace, ["nft", "-f", "-"])
    try:
        run(command, transaction(present, text))
    except CommandFailed:
        # What a chain or a set is cannot change while it is there: then all of it goes, in one transaction as well.
        run(command, "".join(_delete(kind, each) for kind, each in present if kind == "table") + text)


def transaction(present: list[tuple[str, _Named]], text: str) -> str:
    """The text with what has to go before it."""
    words = text.replace('"', "").split()
    declared = set(itertools.pairwise(words)) | set(zip(words, words[2:], strict=False))
    lines = []
    for kind, each in present:
        if kind == "table":
            kept = (kind, each.name) in declared
            lines.append(f"flush table {each.family} {each.name}\n" if kept else _delete(kind, each))
        # What packets never put there is the text's to say.
        if each.map == "verdict" and ("table", each.table) in declared:
            lines.append(f"flush map {each.family} {each.table} {each.name}\n")
    for wanted in _NAMED:
        for kind, each in present:
            known = (kind.split()[-1], each.name) in declared
            if kind == wanted and ("table", each.table) in declared and not known:
                lines.append(_delete(kind, each))
    return "".join(lines) + text


def _present(namespace: str) -> list[tuple[str, _Named]]:
    shown = run(inside(namespace, ["nft", "--json", "--terse", "list", "ruleset"]))
    found = msgspec.json.decode(shown, type=_Ruleset).nftables if shown else []
    kinds = ("table", *_NAMED)
    return [(k, msgspec.json.decode(raw, type=_Named)) for each in found for k, raw in each.items() if k in kinds]


def _delete(kind: str, each: _Named) -> str:
    place = f"{each.family} {each.table} {each.name}" if each.table else f"{each.family} {each.name}"
    return f"delete {kind} {place}\n"
