"""What stick tables hold, taken from one HAProxy and given to another: which client stays with which server.

Keys are addresses and cookies, so what clients say. A cookie with other letters than those of session ids is left out:
no byte of it may be read as a command (management guide, 9.3: ";", "\\" and spaces mean something).
"""

import pathlib
import re

from lictor import wire
from lictor.agent.haproxy.runtime import RuntimeFailed, Session

MOST = 10_000
"""Entries that are taken at most, those used last first: one table holds as many."""

_TABLE = re.compile(r"^# table: (\S+),", re.MULTILINE)
_ENTRY = re.compile(r"key=(\S+) use=\d+ exp=(\d+) server_id=([1-9]\d*) ")
_KEY = re.compile(r"[A-Za-z0-9+/=_.:~-]+")


def taken(haproxy: pathlib.Path) -> dict[str, dict[str, int]]:
    """The server's number for each key, by table. Raises ``RuntimeFailed``."""
    with Session(haproxy) as session:
        tables = {name: session.ask(f"show table {name}") for name in _names(session)}
    found = [
        (int(left), name, key.replace("\\=", "="), int(server))
        for name, text in tables.items()
        for key, left, server in _ENTRY.findall(text)
    ]
    sticks: dict[str, dict[str, int]] = {}
    for _, name, key, server in sorted(found, reverse=True)[:MOST]:
        if _KEY.fullmatch(key):
            sticks.setdefault(name, {})[key] = server
    return sticks


def give(sticks: wire.Sticks, haproxy: pathlib.Path) -> int:
    """Enter them into tables that are there; returns how many. Raises ``RuntimeFailed``."""
    with Session(haproxy) as session:
        here = set(_names(session))
        entries = [
            (name, key, server)
            for name, entries in sticks.tables.items()
            for key, server in entries.items()
            if name in here and _KEY.fullmatch(key)
        ]
        for name, key, server in entries:
            if complaint := session.ask(f"set table {name} key {key} data.server_id {server}"):
                raise RuntimeFailed(f"an entry of table {name} is not taken: {complaint}")
    return len(entries)


def _names(session: Session) -> list[str]:
    return _TABLE.findall(session.ask("show table"))
