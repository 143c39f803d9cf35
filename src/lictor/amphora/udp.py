"""UDP and SCTP listeners as the agent is told of them: the kernel's NAT hands their datagrams on, not HAProxy.

The agent makes the nftables rules itself, as they follow from what its checks and the kernel's table of connections
say; here is only what follows from the tree.
"""

import ipaddress
from collections.abc import Iterable

import msgspec

from lictor.amphora import numbering, tree
from lictor.amphora.emitter import address, codes, host_name, identifier, number, request_target, timeout
from lictor.model import HealthMonitor, Listener, LoadBalancer, Member, Pool
from lictor.model.rules import LAYER4
from lictor.wire import MARKED, UdpListener, UdpMember, UdpMonitor

PERSISTENCE_TIMEOUT = 360
"""Seconds that a client stays with its member if the pool does not say (reference, 4.7)."""

_LONGEST = 10**8
"""Seconds: three years, for who asks for more than the kernel's set timeouts can count."""


def render(load_balancer: LoadBalancer, default_limit: int) -> list[UdpListener]:
    """All UDP and SCTP listeners. Equal trees give equal results. Raises ``tree.Unsupported``."""
    listeners = [each for each in tree.listeners(load_balancer) if LAYER4[each.protocol] != "TCP"]
    marks = _marks(listeners)
    return [_listener(load_balancer, each, default_limit, marks) for each in listeners]


def _listener(
    load_balancer: LoadBalancer, listener: Listener, default_limit: int, marks: dict[tuple[str, str], int]
) -> UdpListener:
    bare = UdpListener(
        id=listener.id,
        protocol=listener.protocol.lower(),
        port=listener.protocol_port,
        vips=[str(vip) for vip in tree.vips(load_balancer)],
        limit=tree.connection_limit(listener, default_limit),
        idle=-(-int(timeout(listener.timeout_client_data)) // 1000),
    )
    pool = tree.default_pool(listener)
    if pool is None:
        return bare
    persistence, prefixes = _persistence(pool)
    return msgspec.structs.replace(
        bare,
        pool=pool.id,
        algorithm=pool.lb_algorithm,
        persistence=persistence,
        prefix4=prefixes.get(4, 32),
        prefix6=prefixes.get(6, 128),
        members=[_member(each, marks[(listener.id, each.id)]) for each in tree.members(pool)],
        monitor=_monitor(load_balancer, tree.health_monitor(pool)),
    )


def _persistence(pool: Pool) -> tuple[int, dict[int, int]]:
    """Seconds, and the length of the client's network by IP version; a netmask says nothing of the other version."""
    wanted = pool.session_persistence
    if not wanted:
        return 0, {}
    asked = wanted.get("persistence_timeout")
    seconds = PERSISTENCE_TIMEOUT if asked is None else min(max(int(asked), 1), _LONGEST)
    mask = wanted.get("persistence_granularity")
    return seconds, {} if mask is None else prefix(str(mask))


def prefix(netmask: str) -> dict[int, int]:
    """The number of leading ones of a netmask, by its IP version. Raises ``tree.Unsupported`` if others follow."""
    address = ipaddress.ip_address(netmask)
    ones = f"{int(address):0{address.max_prefixlen}b}".rstrip("0")
    if "0" in ones:
        raise tree.Unsupported(f"persistence_granularity {netmask} is not a netmask.")
    return {address.version: len(ones)}


def _member(member: Member, mark: int) -> UdpMember:
    return UdpMember(
        id=member.id,
        address=str(ipaddress.ip_address(member.address)),
        port=int(number(member.protocol_port, 1, 65535)),
        mark=mark,
        weight=int(number(member.weight, 0, 256)),
        backup=bool(member.backup),
        disabled=not member.admin_state_up,
        check_address=str(ipaddress.ip_address(member.monitor_address or member.address)),
        check_port=member.monitor_port or member.protocol_port,
    )


def _monitor(load_balancer: LoadBalancer, wanted: HealthMonitor | None) -> UdpMonitor | None:
    if wanted is None:
        return None
    plain = UdpMonitor(
        type=wanted.type,
        delay=max(wanted.delay, 1),
        timeout=max(wanted.timeout, 1),
        rise=wanted.max_retries,
        fall=wanted.max_retries_down,
    )
    if wanted.type != "HTTP":
        return plain
    return msgspec.structs.replace(
        plain,
        request=_request(wanted, str(load_balancer.vip_address)),
        codes=[_range(each) for each in codes(wanted.expected_codes or "200").split(",")],
    )


def _request(wanted: HealthMonitor, vip: str) -> str:
    """What an HTTP check sends; without ``http_version`` it is HTTP/1.0, as HAProxy's."""
    method, target = wanted.http_method or "GET", wanted.url_path or "/"
    request_target(target), identifier(method)
    if wanted.http_version is None or wanted.http_version < 1.1:
        return f"{method} {target} HTTP/1.0\r\n\r\n"
    host = host_name(wanted.domain_name) if wanted.domain_name else address(vip)
    return f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"


def _range(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    return int(low), int(high or low)


def _marks(listeners: Iterable[Listener]) -> dict[tuple[str, str], int]:
    """A mark for each member of each listener, which follows from their ids: it stays when others come and go.

    A younger one gives way to an older one that happens to have the same.
    """
    pairs = [(each.id, member.id) for each in listeners for member in _members(each)]
    placed = numbering.distinct(((pair, numbering.of(*pair)) for pair in pairs), MARKED)
    return {pair: MARKED | place for pair, place in placed.items()}


def _members(listener: Listener) -> list[Member]:
    pool = tree.default_pool(listener)
    return tree.members(pool) if pool else []
