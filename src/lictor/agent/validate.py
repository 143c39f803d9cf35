"""Rules that a state must keep before any checker is asked: nothing in it may become a path or a command of its own.

The control plane is trusted, but it is another program, and may be of another version.
"""

import socket

from lictor import wire
from lictor.agent.errors import Refused

_LONGEST_NAME = 15
"""Characters of an interface's name: IFNAMSIZ less the closing zero (netdevice(7))."""

_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-")

_KEEPALIVED = frozenset(
    (
        "vrrp_instance",
        "state",
        "nopreempt",
        "interface",
        "virtual_router_id",
        "priority",
        "advert_int",
        "accept",
        "garp_master_refresh",
        "garp_master_refresh_repeat",
        "unicast_src_ip",
        "unicast_peer",
        "virtual_ipaddress",
        "virtual_ipaddress_excluded",
        "track_file",
        "haproxy",
        "}",
    )
)
"""What lines of keepalived's configuration may begin with, besides addresses."""


def validate(state: wire.DesiredState, amphora_id: str) -> None:
    """Raises ``Refused`` with a sentence that names the field, its value and what is right."""
    if state.version != wire.VERSION:
        raise Refused(f"version {state.version} of the state is not known here, this agent speaks {wire.VERSION}")
    if state.amphora_id != amphora_id:
        raise Refused(f"the state is of amphora {state.amphora_id}, this is {amphora_id}")
    for interface in state.interfaces:
        _interface(interface)
    for file in state.files:
        _file(file)
    _unique("interfaces.name", [interface.name for interface in state.interfaces])
    _unique("interfaces.mac", [interface.mac.lower() for interface in state.interfaces])
    _unique("files.name", [file.name for file in state.files])
    if state.haproxy:
        _servers(state.haproxy)
    _keepalived(state.keepalived)
    _datagrams(state.udp)
    if state.heartbeat:
        _heartbeat(state.heartbeat)
    _logs(state.logs)


def _interface(interface: wire.Interface) -> None:
    name = interface.name
    _need(_is_word(name) and len(name) <= _LONGEST_NAME and name != "lo", "interfaces.name", name, "up to 15 letters")
    octets = interface.mac.split(":")
    good = len(octets) == 6 and all(len(o) == 2 and _is_hexadecimal(o) for o in octets)
    _need(good, "interfaces.mac", interface.mac, "six octets like fa:16:3e:00:00:01")
    for address in [*interface.addresses, *interface.floating]:
        _need(packed(address) is not None, "interfaces.addresses", address, "an address like 192.0.2.1/24")
    for route in interface.routes:
        _need(
            packed(route.destination) is not None, "routes.destination", route.destination, "a network like 10.0.0.0/8"
        )
        gateway = not route.gateway or ("/" not in route.gateway and packed(route.gateway) is not None)
        _need(gateway, "routes.gateway", route.gateway, "an address, or empty")


def _keepalived(text: str) -> None:
    """Nothing in it may run a program, or name a file."""
    for line in text.splitlines():
        first = line.split()[0] if line.split() else "}"
        good = first in _KEEPALIVED or packed(first) is not None
        _need(good and set(line) <= _WORD | set(" /{}"), "keepalived", line, "a line of a vrrp_instance")


def _file(file: wire.File) -> None:
    names = [file.name, *(file.content.splitlines() if file.kind == wire.CRT_LIST else [])]
    for name in names:
        _need(_is_word(name) and not name.startswith("."), "files.name", name, "a bare file name")


def _servers(haproxy: wire.HAProxy) -> None:
    lines = set(haproxy.config.split("\n"))
    for server in haproxy.servers:
        for field, value in (("backend", server.backend), ("name", server.name), ("address", server.address)):
            _need(_is_word(value), f"servers.{field}", value, "one word")
        harmless = not any(c in ";<\\" or not c.isprintable() for c in server.options)
        _need(harmless, "servers.options", server.options, "printable, without ';', '<' and '\\'")
        if f"    {server.line()}" not in lines:
            raise Refused(f"servers: {server.line()!r} has no line in the configuration")
    for pattern in haproxy.patterns:
        _need(pattern.number > 0, "patterns.number", str(pattern.number), "more than 0")
        if f"    {pattern.line()}" not in lines:
            raise Refused(f"patterns: {pattern.line()!r} has no line in the configuration")
    for limit in haproxy.limits:
        _need(_is_word(limit.frontend), "limits.frontend", limit.frontend, "one word")
        if f"    {limit.line()}" not in lines:
            raise Refused(f"limits: {limit.line()!r} has no line in the configuration")
    _unique("limits", [limit.frontend for limit in haproxy.limits])
    _unique("patterns", [str(pattern.number) for pattern in haproxy.patterns])
    _unique("servers", [f"{server.backend}/{server.name}" for server in haproxy.servers])


def _datagrams(listeners: list[wire.UdpListener]) -> None:
    """All that stands in rules is a word or a number; a mark is one connection's member."""
    for listener in listeners:
        _need(_is_word(listener.id), "udp.id", listener.id, "one word")
        _need(listener.protocol in ("udp", "sctp"), "udp.protocol", listener.protocol, "udp or sctp")
        for address in [*listener.vips, *(member.address for member in listener.members)]:
            _need("/" not in address and packed(address) is not None, "udp.address", address, "an address")
    members = [member for listener in listeners for member in listener.members]
    for member in members:
        _need(1 << 31 <= member.mark < 1 << 32, "udp.members.mark", str(member.mark), "from 2^31 to 2^32 - 1")
    _unique("udp.id", [listener.id for listener in listeners])
    _unique("udp.members.mark", [str(member.mark) for member in members])


def _heartbeat(target: wire.HeartbeatTarget) -> None:
    _need(_is_hexadecimal(target.key), "heartbeat.key", "(secret)", "hexadecimal")
    _need(target.interval > 0, "heartbeat.interval", str(target.interval), "more than 0 seconds")
    for address in target.addresses:
        host, _, port = address.rpartition(":")
        _need(packed(host.strip("[]")) is not None and port.isdecimal(), "heartbeat.addresses", address, "ip:port")


def _logs(logs: wire.Logs) -> None:
    for target in filter(None, (logs.flow, logs.administrative)):
        for address in target.addresses:
            _need(_is_place(address), "logs.addresses", address, "ip:port")
        _need(bool(target.addresses), "logs.addresses", "", "at least one ip:port")
        _need(target.protocol in ("UDP", "TCP"), "logs.protocol", target.protocol, "UDP or TCP")
        _need(0 <= target.facility <= 7, "logs.facility", str(target.facility), "from 0 to 7")


def _is_place(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return packed(host.strip("[]")) is not None and "/" not in host and port.isdecimal()


def packed(address: str) -> tuple[bytes, int] | None:
    """An address with or without a prefix as (bytes, prefix length), so that equals are equal; None for nonsense."""
    host, slash, prefix = address.partition("/")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        raw = socket.inet_pton(family, host)
    except (OSError, ValueError):
        return None
    if not slash:
        return raw, 8 * len(raw)
    good = prefix.isascii() and prefix.isdecimal() and int(prefix) <= 8 * len(raw)
    return (raw, int(prefix)) if good else None


def _is_word(text: str) -> bool:
    return bool(text) and set(text) <= _WORD


def _is_hexadecimal(text: str) -> bool:
    return len(text) % 2 == 0 and set(text.lower()) <= set("0123456789abcdef")


def _unique(field: str, values: list[str]) -> None:
    if len(set(values)) != len(values):
        twice = next(value for value in values if values.count(value) > 1)
        raise Refused(f"{field} {twice!r} is named twice")


def _need(good: bool, field: str, value: str, right: str) -> None:
    if not good:
        raise Refused(f"{field} {value!r} must be {right}")
