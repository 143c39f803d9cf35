"""Rules that a state must keep before any checker is asked: nothing in it may become a path or a command of its own.

The control plane is trusted, but it is another program, and may be of another version.
"""

import socket

from lictor import wire
from lictor.agent.errors import Refused

_LONGEST_NAME = 15
"""Characters of an interface's name: IFNAMSIZ less the closing zero (netdevice(7))."""

_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-")


def validate(state: wire.DesiredState, amphora_id: str) -> None:
    """Raises ``Refused`` with a sentence that names the field, its value and what is right."""
    if state.version != wire.VERSION:
        raise Refused(f"version {state.version} of the state is not known here, this agent speaks {wire.VERSION}")
    if state.amphora_id != amphora_id:
        raise Refused(f"the state is of amphora {state.amphora_id}, this is {amphora_id}")
    for interface in state.interfaces:
        _interface(interface)
    for name in [file.name for file in state.files]:
        _need(_is_word(name) and not name.startswith("."), "files.name", name, "a bare file name")
    _unique("interfaces.name", [interface.name for interface in state.interfaces])
    _unique("interfaces.mac", [interface.mac.lower() for interface in state.interfaces])
    _unique("files.name", [file.name for file in state.files])
    if state.haproxy:
        _servers(state.haproxy)
    if state.heartbeat:
        _heartbeat(state.heartbeat)


def _interface(interface: wire.Interface) -> None:
    name = interface.name
    _need(_is_word(name) and len(name) <= _LONGEST_NAME and name != "lo", "interfaces.name", name, "up to 15 letters")
    octets = interface.mac.split(":")
    good = len(octets) == 6 and all(len(o) == 2 and _is_hexadecimal(o) for o in octets)
    _need(good, "interfaces.mac", interface.mac, "six octets like fa:16:3e:00:00:01")
    for address in interface.addresses:
        _need(packed(address) is not None, "interfaces.addresses", address, "an address like 192.0.2.1/24")
    for route in interface.routes:
        _need(
            packed(route.destination) is not None, "routes.destination", route.destination, "a network like 10.0.0.0/8"
        )
        gateway = not route.gateway or ("/" not in route.gateway and packed(route.gateway) is not None)
        _need(gateway, "routes.gateway", route.gateway, "an address, or empty")


def _servers(haproxy: wire.HAProxy) -> None:
    lines = set(haproxy.config.split("\n"))
    for server in haproxy.servers:
        for field, value in (("backend", server.backend), ("name", server.name), ("address", server.address)):
            _need(_is_word(value), f"servers.{field}", value, "one word")
        harmless = not any(c in ";<\\" or not c.isprintable() for c in server.options)
        _need(harmless, "servers.options", server.options, "printable, without ';', '<' and '\\'")
        if f"    {server.line()}" not in lines:
            raise Refused(f"servers: {server.line()!r} has no line in the configuration")
    _unique("servers", [f"{server.backend}/{server.name}" for server in haproxy.servers])


def _heartbeat(target: wire.HeartbeatTarget) -> None:
    _need(_is_hexadecimal(target.key), "heartbeat.key", "(secret)", "hexadecimal")
    _need(target.interval > 0, "heartbeat.interval", str(target.interval), "more than 0 seconds")
    for address in target.addresses:
        host, _, port = address.rpartition(":")
        _need(packed(host.strip("[]")) is not None and port.isdecimal(), "heartbeat.addresses", address, "ip:port")


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
