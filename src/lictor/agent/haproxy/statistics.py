"""HAProxy's ``show stat`` read into the words of a heartbeat."""

import csv
import dataclasses
from collections.abc import Collection, Mapping

from lictor import wire

_FRONTEND, _BACKEND = "FRONTEND", "BACKEND"


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of ``show stat``, as far as it matters here (HAProxy management guide, section 9.1)."""

    proxy: str
    server: str
    status: str
    weight: int
    figures: wire.ListenerStatistics
    limit: int
    check: str = ""

    @property
    def checked(self) -> bool:
        """Whether a check has ended (``INI`` is before the first one, ``* ``: one is under way)."""
        return self.check not in ("", "INI", "UNK", "* INI", "* UNK")

    @property
    def serves(self) -> bool:
        """Whether the server takes traffic."""
        return not self.status.startswith(("DOWN", "MAINT"))

    @property
    def judged(self) -> bool:
        """Whether a first check has ended and its result holds: after a good one, the agent still has to raise it."""
        return self.checked and not (self.passed and self.status.startswith("DOWN"))

    @property
    def passed(self) -> bool:
        """Whether the last check was good: ``L4OK``, ``L6OK``, ``L7OK`` or ``L7OKC``."""
        return "OK" in self.check


def parse(text: str) -> list[Row]:
    """An answer to ``show stat`` (CSV) without the agent's own proxies. Columns go by name, whatever their order."""
    lines = csv.DictReader(text.removeprefix("# ").splitlines(keepends=True))
    return [_row(line) for line in lines if line.get("svname") and not line["pxname"].startswith(wire.INTERNAL)]


def _row(line: dict[str, str]) -> Row:
    def number(name: str) -> int:
        value = line.get(name) or "0"
        return int(value) if value.isdecimal() else 0

    figures = wire.ListenerStatistics(
        bytes_in=number("bin"),
        bytes_out=number("bout"),
        active_connections=number("scur"),
        total_connections=number("stot"),
        request_errors=number("ereq"),
    )
    status, check = line["status"] or "", line.get("check_status") or ""
    return Row(line["pxname"], line["svname"], status, number("weight"), figures, number("slim"), check)


def counters(rows: list[Row]) -> dict[str, wire.ListenerStatistics]:
    """The figures of each frontend, as this worker counts them."""
    return {row.proxy: row.figures for row in rows if row.server == _FRONTEND}


def listeners(rows: list[Row], carried: dict[str, wire.ListenerStatistics]) -> dict[str, wire.ListenerReport]:
    """Each frontend that is open, with its carried figures.

    FULL is for the limit to be reached; HAProxy itself has said so only up to 2.2.
    """
    result = {}
    for row in rows:
        if row.server == _FRONTEND and row.status in ("OPEN", "FULL"):
            full = row.status == "FULL" or 0 < row.limit <= row.figures.active_connections
            status = "FULL" if full else "OPEN"
            result[row.proxy] = wire.ListenerReport(status=status, statistics=carried.get(row.proxy, row.figures))
    return result


def pools(
    rows: list[Row], known: Collection[tuple[str, str]], pinged: Mapping[tuple[str, str], bool | None]
) -> dict[str, wire.PoolReport]:
    """Each backend with its members: the known ones only, not those that wait for their last connection.

    A backend without members is UP, as HAProxy has it; one whose members are all in maintenance or have weight 0 is
    DOWN, as HAProxy has it too (and Octavia shows ERROR). While first checks are awaited nobody is said to be down.
    ``pinged`` are the servers that the agent checks.
    """
    members: dict[str, dict[str, str]] = {}
    for row in rows:
        if (key := (row.proxy, row.server)) in known:
            awaited = pinged[key] is None if key in pinged else not row.checked
            status = "RESTARTING" if awaited and row.status.startswith("DOWN") else row.status
            status = "UP" if key in pinged and status == "no check" else status
            members.setdefault(row.proxy, {})[row.server] = member_status(status, row.weight)
    result = {}
    for row in rows:
        if row.server == _BACKEND:
            mine = members.get(row.proxy, {})
            up = not mine or row.status.startswith("UP") or "RESTARTING" in mine.values()
            status = "UP" if up else "DOWN"
            result[row.proxy] = wire.PoolReport(status=status, members=mine)
    return result


def member_status(status: str, weight: int) -> str:
    """One of the words of ``wire.PoolReport``. ``UP 1/3`` is still up, ``DOWN 1/2`` still down, ``NOLB`` is draining.

    HAProxy 2.6 shows a server of weight 0 without its drain: Octavia's agent corrects that for UP, and so do we.
    """
    word = status.split(" ")[0]
    if status == "no check":
        return status
    if word in ("DRAIN", "NOLB") or (word == "UP" and weight == 0):
        return "DRAIN"
    return word if word in ("UP", "DOWN", "MAINT") else "RESTARTING"


def strays(rows: list[Row], known: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
    """(backend, server) pairs that HAProxy has and the state has not."""
    ends = (_FRONTEND, _BACKEND)
    return [(r.proxy, r.server) for r in rows if r.server not in ends and (r.proxy, r.server) not in known]
