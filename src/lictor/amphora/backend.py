"""A pool in HAProxy's words: one backend for each listener that uses it, one server line for each member."""

import dataclasses
import uuid
from collections.abc import Iterator

from lictor.amphora import monitor, persistence, tree
from lictor.amphora.emitter import Word, address, header, identifier, joined, keywords, line, number, timeout
from lictor.model import Listener, LoadBalancer, Member, Pool
from lictor.wire import Server, ServerState

# All of them are dynamic (manual, 4.2 "balance"): servers can be added to them while HAProxy runs.
_BALANCE = {
    "ROUND_ROBIN": ["balance roundrobin"],
    "LEAST_CONNECTIONS": ["balance leastconn"],
    "SOURCE_IP": ["balance source", "hash-type consistent"],
}

# What members of a pool are spoken to with; the mode of the others is the pool's own.
_SEND_PROXY = {"PROXY": keywords("send-proxy"), "PROXYV2": keywords("send-proxy-v2")}
_POOL_MODES = {"HTTP": "http", "TCP": "tcp", "HTTPS": "tcp"}

FORKING = [header(*keywords("global")), line(keywords("external-check")), line(keywords("insecure-fork-wanted"))]
"""What HAProxy needs before it runs a program for a check (manual, 3.1 "external-check")."""


@dataclasses.dataclass(frozen=True)
class Backend:
    """The lines of one backend; ``servers`` are those that may be changed while HAProxy runs."""

    lines: list[str]
    servers: list[Server]
    forks: bool


def name(pool: Pool, listener: Listener) -> Word:
    """The backend's name."""
    return identifier(f"{pool.id}:{listener.id}")


def render(load_balancer: LoadBalancer, listener: Listener, pool: Pool, frontend_mode: str) -> Backend:
    """The backend of a pool for one listener. Raises ``tree.Unsupported``."""
    mode = frontend_mode if pool.protocol in _SEND_PROXY else _mode(pool)
    servers = list(_servers(pool, name(pool, listener)))
    lines = [
        header(*keywords("backend"), name(pool, listener)),
        line(keywords(f"mode {mode}")),
        *_balance(pool),
        *persistence.lines(pool, mode),
        *monitor.lines(pool, str(load_balancer.vip_address)),
        # Several backup members share the load, as all other members do.
        line(keywords("option allbackups")),
        line(keywords("timeout connect"), timeout(listener.timeout_member_connect)),
        line(keywords("timeout server"), timeout(listener.timeout_member_data)),
        *(f"    {server.line()}" for server in servers),
    ]
    # HAProxy 2.6 dies of "add server" where checks fork: they are bound to the first thread, the command is not. A
    # server that is not in the table is part of the skeleton, so that the agent reloads for it.
    forks = monitor.forks(pool)
    return Backend(lines, [] if forks else servers, forks)


def _mode(pool: Pool) -> str:
    if pool.protocol not in _POOL_MODES:
        raise tree.Unsupported(f"Pool {pool.id}: protocol {pool.protocol} is not supported.")
    return _POOL_MODES[pool.protocol]


def _balance(pool: Pool) -> list[str]:
    if pool.lb_algorithm not in _BALANCE:
        raise tree.Unsupported(f"Pool {pool.id}: lb_algorithm {pool.lb_algorithm} is not supported.")
    return [line(keywords(words)) for words in _BALANCE[pool.lb_algorithm]]


def _servers(pool: Pool, backend: Word) -> Iterator[Server]:
    members = tree.members(pool)
    numbers = _numbers(members) if pool.lb_algorithm == "SOURCE_IP" else {}
    for member in members:
        options = joined(
            _SEND_PROXY.get(pool.protocol, []),
            keywords("backup") if member.backup else [],
            [*keywords("id"), number(numbers[member.id])] if numbers else [],
            monitor.server_options(pool, member),
        )
        yield Server(
            backend=str(backend),
            name=str(identifier(member.id)),
            address=address(member.address).strip("[]"),
            port=int(number(member.protocol_port, 1, 65535)),
            weight=int(number(member.weight, 0, 256)),
            state=ServerState.READY if member.admin_state_up else ServerState.MAINT,
            options=options,
        )


_NUMBERS = 2**20 - 1
"""Consistent hashing places a server by the low 20 bits of its numeric id (it multiplies it by 4096, in 32 bits)."""


def _numbers(members: list[Member]) -> dict[str, int]:
    """A numeric id for each member, by which consistent hashing places it.

    HAProxy would count them by their place in the file, so that one member's going would move all others' clients.
    A younger member gives way to an older one that happens to have the same number.
    """
    numbers: dict[str, int] = {}
    for member in members:
        wanted = uuid.UUID(member.id).int % _NUMBERS
        while wanted + 1 in numbers.values():
            wanted = (wanted + 1) % _NUMBERS
        numbers[member.id] = wanted + 1
    return numbers
