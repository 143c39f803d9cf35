"""A pool in HAProxy's words: one backend for each listener that uses it, one server line for each member."""

import dataclasses
from collections.abc import Iterator

from lictor.amphora import monitor, numbering, persistence, tls, tree
from lictor.amphora.emitter import (
    MAX_MILLISECONDS,
    Word,
    address,
    header,
    identifier,
    joined,
    keywords,
    line,
    milliseconds,
    number,
    timeout,
)
from lictor.model import Listener, LoadBalancer, Member, Pool
from lictor.wire import Server, ServerState

# All of them are dynamic (manual, 4.2 "balance"): servers can be added to them while HAProxy runs.
_BALANCE = {
    "ROUND_ROBIN": ["balance roundrobin"],
    "LEAST_CONNECTIONS": ["balance leastconn"],
    "SOURCE_IP": ["balance source", "hash-type consistent"],
    # Octavia's amphorae cannot do this one (reference, 1.8): a hash of the client's address and port.
    "SOURCE_IP_PORT": [
        "tcp-request content set-var-fmt(txn.client) %[src]:%[src_port]",
        "balance hash var(txn.client)",
        "hash-type consistent",
    ],
}

# What members of a pool are spoken to with; the mode of the others is the pool's own.
_SEND_PROXY = {"PROXY": keywords("send-proxy"), "PROXYV2": keywords("send-proxy-v2")}
_POOL_MODES = {"HTTP": "http", "TCP": "tcp", "HTTPS": "tcp"}

TUNNEL_TIMEOUT = 3_600_000
"""Milliseconds that a WebSocket, or what else a connection was upgraded to, may be idle: longer than clients' own
heartbeats, and far longer than requests may be (Octavia ends it after ``timeout_client_data``, 50 seconds)."""


@dataclasses.dataclass(frozen=True)
class Backend:
    """The lines of one backend; ``servers`` are those that may be changed while HAProxy runs."""

    lines: list[str]
    servers: list[Server]


def name(pool: Pool, listener: Listener) -> Word:
    """The backend's name."""
    return identifier(f"{pool.id}:{listener.id}")


def render(load_balancer: LoadBalancer, listener: Listener, pool: Pool, frontend_mode: str) -> Backend:
    """The backend of a pool for one listener. Raises ``tree.Unsupported``."""
    mode = frontend_mode if pool.protocol in _SEND_PROXY else _mode(pool)
    servers = list(_servers(pool, name(pool, listener), mode))
    lines = [
        header(*keywords("backend"), name(pool, listener)),
        line(keywords(f"mode {mode}")),
        *_balance(pool),
        # What is done to requests stands before who gets them, in the order in which HAProxy goes.
        *tls.backend_lines(pool, mode),
        *persistence.lines(pool, mode),
        *monitor.lines(pool, str(load_balancer.vip_address)),
        # Several backup members share the load, as all other members do.
        line(keywords("option allbackups")),
        line(keywords("timeout connect"), timeout(listener.timeout_member_connect)),
        line(keywords("timeout server"), timeout(listener.timeout_member_data)),
        *_tunnel(listener, mode),
        *(f"    {server.line()}" for server in servers),
    ]
    return Backend(lines, servers)


def _tunnel(listener: Listener, mode: str) -> list[str]:
    """In mode tcp everything would be a tunnel, and the listener's own timeouts be overruled."""
    longest = max(TUNNEL_TIMEOUT, *map(_effective, (listener.timeout_client_data, listener.timeout_member_data)))
    return [line(keywords("timeout tunnel"), milliseconds(longest))] if mode == "http" else []


def _effective(limit: int) -> int:
    return limit or MAX_MILLISECONDS  # 0 is none


def _mode(pool: Pool) -> str:
    if pool.protocol not in _POOL_MODES:
        raise tree.Unsupported(f"Pool {pool.id}: protocol {pool.protocol} is not supported.")
    return _POOL_MODES[pool.protocol]


def _balance(pool: Pool) -> list[str]:
    if pool.lb_algorithm not in _BALANCE:
        raise tree.Unsupported(f"Pool {pool.id}: lb_algorithm {pool.lb_algorithm} is not supported.")
    return [line(keywords(words)) for words in _BALANCE[pool.lb_algorithm]]


def _servers(pool: Pool, backend: Word, mode: str) -> Iterator[Server]:
    secured = tls.server_options(pool, mode)
    members = tree.members(pool)
    numbers = _numbers(members) if _needs_numbers(pool) else {}
    for member in members:
        options = joined(
            _SEND_PROXY.get(pool.protocol, []),
            keywords("backup") if member.backup else [],
            [*keywords("id"), number(numbers[member.id])] if numbers else [],
            monitor.server_options(pool, member),
            secured,
        )
        yield Server(
            backend=str(backend),
            name=str(identifier(member.id)),
            address=address(member.address).strip("[]"),
            port=int(number(member.protocol_port, 1, 65535)),
            weight=int(number(member.weight, 0, 256)),
            state=ServerState.READY if member.admin_state_up else ServerState.MAINT,
            options=options,
            ping=monitor.ping(pool, member),
        )


def _needs_numbers(pool: Pool) -> bool:
    # Stick tables name servers to each other, and to the HAProxy after a reload, by their ids (manual, 3.5 "peers").
    return pool.lb_algorithm.startswith("SOURCE_IP") or bool(pool.session_persistence)


_NUMBERS = 2**20 - 1
"""Consistent hashing places a server by the low 20 bits of its numeric id (it multiplies it by 4096, in 32 bits)."""


def _numbers(members: list[Member]) -> dict[str, int]:
    """A numeric id for each member, by which consistent hashing places it.

    HAProxy would count them by their place in the file, so that one member's going would move all others' clients.
    A younger member gives way to an older one that happens to have the same number.
    """
    placed = numbering.distinct(((member.id, numbering.of(member.id)) for member in members), _NUMBERS)
    return {member_id: place + 1 for member_id, place in placed.items()}
