"""Handing what the checks know over a reload, and nothing else.

HAProxy's own state file would also bring back weights and maintenance from before the reload, over the new
configuration (tried with 2.6.12). So only servers whose line stays as it was, and which take traffic, are handed over,
each with the weight that the new configuration gives it.
"""

from lictor import wire
from lictor.agent.haproxy.lines import server_lines

_COLUMNS = ("be_name", "srv_name", "srv_admin_state", "srv_uweight", "srv_iweight")


def hand_over(shown: str, old: wire.HAProxy | None, new: wire.HAProxy) -> str:
    """The state file for the next worker, from an answer to ``show servers state``; empty when nothing can be kept."""
    lines = shown.split("\n")
    header = next((line for line in lines if line.startswith("# ")), "")
    columns = {name: index for index, name in enumerate(header[2:].split())}
    if old is None or any(name not in columns for name in _COLUMNS):
        return ""
    weights = _kept(old.config, new.config)
    kept = [_line(line.split(" "), columns, weights) for line in lines if line[:1].isdigit() and " " in line]
    return "\n".join(["1", header, *filter(None, kept), ""])


def _kept(old: str, new: str) -> dict[tuple[str, str], str]:
    """The servers whose lines differ in their weight at most, with the new weight."""
    before = {key: _without_weight(line)[0] for key, line in server_lines(old).items()}
    kept = {}
    for key, line in server_lines(new).items():
        rest, weight = _without_weight(line)
        if before.get(key) == rest and "disabled" not in rest:
            kept[key] = weight
    return kept


def _without_weight(line: str) -> tuple[list[str], str]:
    words = line.split()
    if "weight" not in words[:-1]:
        return words, "1"
    place = words.index("weight")
    return words[:place] + words[place + 2 :], words[place + 1]


def _line(fields: list[str], columns: dict[str, int], weights: dict[tuple[str, str], str]) -> str:
    if len(fields) < len(columns):
        return ""
    weight = weights.get((fields[columns["be_name"]], fields[columns["srv_name"]]))
    if weight is None or fields[columns["srv_admin_state"]] != "0":
        return ""
    fields[columns["srv_uweight"]] = fields[columns["srv_iweight"]] = weight
    return " ".join(fields)
