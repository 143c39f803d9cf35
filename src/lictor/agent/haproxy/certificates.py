"""Certificates, authorities, revocation lists and crt-lists of a HAProxy that goes on running.

HAProxy keeps what it read from these files in memory under their paths, and takes new contents through the runtime API
(management guide, 9.3, "set ssl cert" and its like): new connections see them at once, and none is broken.
"""

import dataclasses
import itertools
import pathlib
from collections.abc import Collection, Mapping

from lictor import wire
from lictor.agent.haproxy.changes import Step
from lictor.agent.haproxy.lines import server_lines
from lictor.agent.haproxy.runtime import Session

STORES = (wire.CERTIFICATE, wire.AUTHORITY, wire.REVOCATIONS)
"""Kinds of files that HAProxy can take while it runs. Of a crt-list it takes single lines."""

_KNOWN = (*STORES, wire.CRT_LIST)
_SET = ("Transaction created", "Transaction updated", "transaction created", "transaction updated")
_DONE = ("Success!",)


@dataclasses.dataclass(frozen=True)
class Change:
    """What is to be done before servers change, and after."""

    before: list[Step]
    after: list[Step]


def plan(
    old: list[wire.File],
    new: list[wire.File],
    loaded: Mapping[str, set[str]],
    place: pathlib.Path,
    fixed: Collection[str] = (),
) -> Change | None:
    """The steps from ``old`` to ``new``; None when HAProxy cannot do it without a reload.

    ``loaded`` are the paths that HAProxy knows, by kind; ``place`` is the directory that its configuration names;
    ``fixed`` are the names of files that are only read at the start.
    What no line of the configuration uses yet (the client certificate of a pool without members) is loaded as well:
    a server can only be added with files that are.
    """
    before, after = {file.name: file for file in old}, {file.name: file for file in new}
    changed = [file for name, file in after.items() if before.get(name) != file]
    if any(file.kind not in _KNOWN or (file.name in fixed and file.name in before) for file in changed):
        return None
    first: list[Step] = []
    for file in new:
        path = f"{place}/{file.name}"
        if file.kind in STORES and not (path in loaded[file.kind] and before.get(file.name) == file):
            first += _fill(file, path, path in loaded[file.kind])
    come, gone = _lines(before, after, place), _lines(after, before, place)
    first += [Step(f"add ssl crt-list {name} {path}", _DONE) for name, path in come]
    last = [Step(f"del ssl crt-list {name} {path}", ("Entry",)) for name, path in gone]
    left = [file for file in old if file.kind in STORES and file.name not in after]
    return Change(first, last + [_drop(file, place) for file in left if f"{place}/{file.name}" in loaded[file.kind]])


def fixed(config: str) -> set[str]:
    """The files of which a server that is there takes no new content.

    Those are what a server without a certificate of its own checks members against: HAProxy 2.6.12 answers "Success!",
    but such a server goes on with what it had (tried).
    """
    lines = [line.split() for line in server_lines(config).values()]
    words = ("ca-file", "crl-file")
    return {name for line in lines if "crt" not in line for word, name in itertools.pairwise(line) if word in words}


def loaded(session: Session, files: list[wire.File]) -> dict[str, set[str]]:
    """The paths of what HAProxy holds in memory, by kind. Raises ``RuntimeFailed``."""
    if not any(file.kind in STORES for file in files):
        return {kind: set() for kind in STORES}
    return {kind: _paths(session.ask(f"show ssl {kind}")) for kind in STORES}


def _paths(shown: str) -> set[str]:
    # "/path/name.ca - 2 certificate(s)"; what a transaction has not committed yet begins with "*".
    return {line.split(" - ")[0] for line in shown.split("\n") if line.startswith("/")}


def _fill(file: wire.File, path: str, known: bool) -> list[Step]:
    steps = [] if known else [Step(f"new ssl {file.kind} {path}", ("New ",))]
    # An empty line would end what is sent.
    content = "\n".join(line for line in file.content.splitlines() if line.strip())
    steps.append(Step(f"set ssl {file.kind} {path}", _SET, content))
    return [*steps, Step(f"commit ssl {file.kind} {path}", _DONE)]


def _drop(file: wire.File, place: pathlib.Path) -> Step:
    # One that is still used stays, and is gone with the next reload.
    return Step(f"del ssl {file.kind} {place}/{file.name}", ("", "C"))


def _lines(old: Mapping[str, wire.File], new: Mapping[str, wire.File], place: pathlib.Path) -> list[tuple[str, str]]:
    """(crt-list, path) of the lines that are only in the new ones; a list that is all new comes by a reload."""
    lists = [file for name, file in new.items() if file.kind == wire.CRT_LIST and name in old]
    return [
        (file.name, f"{place}/{line}")
        for file in lists
        for line in file.content.splitlines()
        if line not in old[file.name].content.splitlines()
    ]
