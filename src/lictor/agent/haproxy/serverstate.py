"""Handing what the checks know over a reload, and nothing else; and that new servers are down until they are checked.

HAProxy's own state file would also bring back weights and maintenance from before the reload, over the new
configuration (tried with 2.6.12). So only servers whose line stays as it was, and which take traffic, are handed over,
each with the weight that the new configuration gives it.
"""

from lictor import wire
from lictor.agent.haproxy.health import fresh, key_of
from lictor.agent.haproxy.lines import server_lines

_COLUMNS = ("be_name", "srv_name", "srv_admin_state", "srv_uweight", "srv_iweight")
_HEADER = (
    "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight "
    "srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state "
    "bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr "
    "srv_agent_addr srv_agent_port"
)


def hand_over(shown: str, old: wire.HAProxy | None, new: wire.HAProxy) -> str:
    """The state file for the next worker, from an answer to ``show servers state``; empty when nothing can be kept."""
    lines = shown.split("\n")
    header = next((line for line in lines if line.startswith("# ")), "")
    columns = {name: index for index, name in enumerate(header[2:].split())}
    if old is None or any(name not in columns for name in _COLUMNS):
        return ""
    weights = _kept(old, new)
    kept = [_line(line.split(" "), columns, weights) for line in lines if line[:1].isdigit() and " " in line]
    return "\n".join(["1", header, *filter(None, kept), *(_down(old, new) if header == _HEADER else []), ""])


def newborn(new: wire.HAProxy) -> str:
    """The state file for a HAProxy that starts."""
    return "\n".join(["1", _HEADER, *_down(None, new), ""])


def _down(old: wire.HAProxy | None, new: wire.HAProxy) -> list[str]:
    """A line for each server that is down until its first check: state 0, result of the check unknown."""
    names = fresh(old, new)
    servers = [server for server in new.servers if key_of(server) in names]
    return [
        # Whether it speaks TLS is said here as well, and counts more than what its line says.
        f"0 {each.backend} 0 {each.name} {each.address} 0 0 {each.weight} {each.weight} 0 1 0 0 6 0 0 0 - {each.port} "
        f"- {int('ssl' in each.options.split())} 0 - - 0"
        for each in servers
    ]


def _kept(old: wire.HAProxy, new: wire.HAProxy) -> dict[tuple[str, str], str]:
    """The servers whose lines differ in their weight at most, with the new weight."""
    before = {key: _without_weight(line)[0] for key, line in server_lines(old.config).items()}
    # What pings said of a server counts only as long as it is pinged.
    released = {key_of(server) for server in old.servers if server.ping}
    released -= {key_of(server) for server in new.servers if server.ping}
    kept = {}
    for key, line in server_lines(new.config).items():
        rest, weight = _without_weight(line)
        if before.get(key) == rest and "disabled" not in rest and key not in released:
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
