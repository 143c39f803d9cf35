"""UDP and SCTP listeners in HAProxy's form: what the agent counts itself for heartbeats. Pure."""

from collections.abc import Iterator, Mapping

from lictor import wire
from lictor.agent.metrics.page import Samples

_PROXY_STATES = ("DOWN", "UP")
_MEMBER_STATES = ("DOWN", "UP", "MAINT", "DRAIN", "NOLB")
_UP = ("UP", "no check")


def samples(listeners: Mapping[str, wire.ListenerReport], pools: Mapping[str, wire.PoolReport]) -> Samples:
    """The lines that a heartbeat's reports come to, by their metrics' names."""
    found: Samples = {}
    for name, labels, value in (*_listeners(listeners), *_pools(pools)):
        said = ",".join(f'{label}="{text}"' for label, text in labels.items())
        found.setdefault(name.encode(), []).append(f"{name}{{{said}}} {value}\n".encode())
    return found


Sample = tuple[str, dict[str, str], int]


def _listeners(listeners: Mapping[str, wire.ListenerReport]) -> Iterator[Sample]:
    for listener, report in listeners.items():
        labels, figures = {"listener": listener}, report.statistics
        yield from _states("listener", labels, _PROXY_STATES, "UP")
        yield "octavia_listener_current_sessions", labels, figures.active_connections
        yield "octavia_listener_sessions_total", labels, figures.total_connections
        yield "octavia_listener_connections_total", labels, figures.total_connections
        yield "octavia_listener_bytes_in_total", labels, figures.bytes_in
        yield "octavia_listener_bytes_out_total", labels, figures.bytes_out
        yield "octavia_listener_request_errors_total", labels, figures.request_errors


def _pools(pools: Mapping[str, wire.PoolReport]) -> Iterator[Sample]:
    for pool, report in pools.items():
        yield from _states("pool", {"pool": pool}, _PROXY_STATES, report.status)
        yield "octavia_pool_active_members", {"pool": pool}, sum(word in _UP for word in report.members.values())
        for member, word in report.members.items():
            state = "UP" if word in _UP else word
            yield from _states("member", {"pool": pool, "member": member}, _MEMBER_STATES, state)


def _states(kind: str, labels: dict[str, str], states: tuple[str, ...], now: str) -> Iterator[Sample]:
    for state in states:
        yield f"octavia_{kind}_status", {**labels, "state": state}, int(state == now)
