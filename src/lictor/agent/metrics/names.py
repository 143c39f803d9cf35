"""Octavia's names for what HAProxy's Prometheus exporter tells (reference, 4.8: "Prometheus listener").

HAProxy knows more than is named here: what Octavia does not publish, Lictor does not either. Values, types and the
label ``state`` are HAProxy's; the other labels become ``listener``, ``pool`` (``<pool id>:<listener id>``, the
backend's name) and ``member``.
"""

from collections.abc import Iterator

_CONNECTIONS = (
    "current_sessions max_sessions limit_sessions sessions_total max_session_rate bytes_in_total bytes_out_total"
)
_REFUSALS = "responses_denied_total failed_header_rewriting_total"
_TRAFFIC = (
    "http_requests_total http_responses_total http_cache_lookups_total http_cache_hits_total http_comp_bytes_in_total "
    "http_comp_bytes_out_total http_comp_bytes_bypassed_total http_comp_responses_total requests_denied_total"
)
_TIMES = (
    "queue_time_average_seconds connect_time_average_seconds response_time_average_seconds total_time_average_seconds "
    "max_queue_time_seconds max_connect_time_seconds max_response_time_seconds max_total_time_seconds"
)
_ATTEMPTS = (
    "status last_session_seconds current_queue max_queue connection_attempts_total connection_reuses_total "
    "connection_errors_total response_errors_total retry_warnings_total redispatch_warnings_total client_aborts_total "
    "server_aborts_total check_up_down_total check_last_change_seconds downtime_seconds_total loadbalanced_total"
)

_KINDS: tuple[tuple[str, str, str], ...] = (
    ("process_pool", "memory_pool", "allocated_bytes used_bytes failures_total"),
    (
        "process",
        "loadbalancer",
        "max_connections current_connections connections_total requests_total max_ssl_connections "
        "current_ssl_connections ssl_connections_total current_connection_rate limit_connection_rate "
        "max_connection_rate current_session_rate limit_session_rate max_session_rate current_ssl_rate limit_ssl_rate "
        "max_ssl_rate current_frontend_ssl_key_rate max_frontend_ssl_key_rate frontend_ssl_reuse "
        "current_backend_ssl_key_rate max_backend_ssl_key_rate ssl_cache_lookups_total ssl_cache_misses_total "
        "http_comp_bytes_in_total http_comp_bytes_out_total limit_http_comp listeners dropped_logs_total",
    ),
    (
        "frontend",
        "listener",
        f"status {_CONNECTIONS} {_REFUSALS} {_TRAFFIC} limit_session_rate connections_rate_max connections_total "
        "request_errors_total denied_connections_total denied_sessions_total http_requests_rate_max "
        "intercepted_requests_total",
    ),
    ("backend", "pool", f"{_CONNECTIONS} {_REFUSALS} {_TRAFFIC} {_TIMES} {_ATTEMPTS} active_servers backup_servers"),
    (
        "server",
        "member",
        f"{_CONNECTIONS} {_REFUSALS} {_TIMES} {_ATTEMPTS} queue_limit weight check_failures_total current_throttle "
        "http_responses_total idle_connections_current idle_connections_limit",
    ),
)

_OF_A_POOL = {
    "server_aborts_total": "member_aborts_total",
    "active_servers": "active_members",
    "backup_servers": "backup_members",
}
"""A pool's servers are called members in names too; a member's own metrics keep the word."""

_LABELS = {
    b"frontend": ((b'{proxy="', b'{listener="'),),
    b"backend": ((b'{proxy="', b'{pool="'),),
    b"server": ((b'{proxy="', b'{pool="'), (b',server="', b',member="')),
}
_WORDS = ((b"frontend", b"listener"), (b"backend", b"pool"), (b"server", b"member"))


def _pairs() -> Iterator[tuple[bytes, bytes]]:
    for theirs, ours, names in _KINDS:
        for name in names.split():
            called = _OF_A_POOL.get(name, name) if ours == "pool" else name
            yield f"haproxy_{theirs}_{name}".encode(), f"octavia_{ours}_{called}".encode()


NAMES = dict(_pairs())
"""HAProxy's name of a metric → Octavia's."""


def renamed(block: bytes) -> tuple[bytes, bytes]:
    """Octavia's name of a metric and what is said of it, from HAProxy's block of lines; empty for what is left out.

    A block begins with ``# HELP``. Nothing in it is a user's: labels hold ids only.
    """
    name = block.split(b" ", 3)[2]
    called = NAMES.get(name)
    if called is None:
        return b"", b""
    head, _, samples = block.partition(b"\n")
    for theirs, ours in _LABELS.get(name.split(b"_", 2)[1], ()):
        samples = samples.replace(theirs, ours)
    for theirs, ours in _WORDS:
        head = head.replace(b" " + theirs, b" " + ours)
    return called, (head + b"\n" + samples).replace(name, called)
