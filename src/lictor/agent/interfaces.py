"""From the NICs that are there to those that should be: observe, compare, do what differs."""

import dataclasses
import time

from lictor import wire
from lictor.agent.errors import Broken, Refused
from lictor.agent.links import KernelRoute, Link, batch, links, routes
from lictor.agent.validate import packed

_PATIENCE = 5.0
"""Seconds to wait for a NIC: the control plane attaches it, and may be faster than the machine."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """``ip`` commands for the agent's own namespace, then for the inner one; then addresses to tell the neighbours."""

    outer: list[str] = dataclasses.field(default_factory=list)
    inner: list[str] = dataclasses.field(default_factory=list)
    announce: list[tuple[str, str]] = dataclasses.field(default_factory=list)


def converge(wanted: list[wire.Interface], namespace: str) -> list[tuple[str, str]]:
    """See that the inner namespace has just these interfaces, addresses and routes. Raises ``AgentError``.

    Returns the (interface, address) pairs that are new, to be announced when whoever serves them does.
    """
    inner = links(namespace)
    outer = links() if _missing(wanted, inner) else []
    todo = plan(wanted, inner, outer, routes(namespace))
    batch([command.format(namespace=namespace) for command in todo.outer])
    batch(todo.inner, namespace)
    return todo.announce


def differ(wanted: list[wire.Interface], namespace: str) -> bool:
    """Whether ``converge`` would find anything to do."""
    inner = links(namespace)
    todo = plan(wanted, inner, [], routes(namespace))
    return bool(todo.inner or _missing(wanted, inner))


def withdraw(wanted: list[wire.Interface], namespace: str) -> None:
    """Take all floating addresses away that are there. Raises ``CommandFailed``."""
    floating = {packed(address) for interface in wanted for address in interface.floating}
    found = [(link.ifname, each) for link in links(namespace) for each in _addresses(link) if packed(each) in floating]
    batch([f"address del {address} dev {name}" for name, address in found], namespace)


def await_nics(wanted: list[wire.Interface], namespace: str, management: str) -> None:
    """Wait until each interface has its NIC, here or in the inner namespace.

    Raises ``Broken`` when one does not come, ``Refused`` when one is the NIC that the agent itself is reached by.
    """
    deadline = time.monotonic() + _PATIENCE
    while missing := _missing(wanted, links(namespace)):
        outer = links()
        _refuse_management(missing, outer, management)
        absent = _missing(missing, outer)
        if not absent:
            return
        if time.monotonic() > deadline:
            names = ", ".join(f"{interface.name} ({interface.mac})" for interface in absent)
            raise Broken(f"no NIC came for {names} within {_PATIENCE:g} s")
        time.sleep(0.02)


def plan(
    wanted: list[wire.Interface], inner: list[Link], outer: list[Link], present: list[tuple[int, KernelRoute]]
) -> Plan:
    """What differs, as commands. NICs found in neither namespace are passed over: ``await_nics`` reports them."""
    result = Plan()
    here = {link.address.lower(): link for link in inner}
    named = {interface.mac.lower(): interface for interface in wanted}
    for mac, link in here.items():
        result.inner.extend(_retire(link) if mac not in named else _clear_name(link, named[mac].name))
    for link in outer:
        if link.address.lower() in named and link.address.lower() not in here:
            # Its final name may still be another's, in either namespace: it travels under one of its own.
            transit = Link(ifname=f"new{link.ifindex}", address=link.address, max_mtu=link.max_mtu)
            result.outer.append(f"link set dev {link.ifname} netns {{namespace}} name {transit.ifname}")
            here[link.address.lower()] = transit
    for interface in wanted:
        if nic := here.get(interface.mac.lower()):
            _shape(interface, nic, present, result)
    return result


def _retire(link: Link) -> list[str]:
    """Commands that take a NIC out of use which the state does not name (its port is about to be detached)."""
    if not _addresses(link) and "UP" not in link.flags:
        return _clear_name(link, "")
    down = _clear_name(link, "") or [f"link set dev {link.ifname} down"]
    return [f"address flush dev {link.ifname}", *down]


def _clear_name(link: Link, right: str) -> list[str]:
    """Commands that give up a wrong name, before any NIC takes its right one: two may have to swap."""
    spare = f"was{link.ifindex}"
    if link.ifname in (right, spare):
        return []
    return [f"link set dev {link.ifname} down", f"link set dev {link.ifname} name {spare}"]


def _shape(interface: wire.Interface, link: Link, present: list[tuple[int, KernelRoute]], result: Plan) -> None:
    """Add the commands that give one NIC its name, MTU, addresses and routes."""
    name = interface.name
    if link.ifname != name:
        now = f"was{link.ifindex}" if link.ifindex else link.ifname  # cleared just now, or in transit
        result.inner.append(f"link set dev {now} name {name}")
    down = link.ifname != name or "UP" not in link.flags
    # A network's may have become greater since its hypervisor made this NIC, and what cannot be had must stop nothing.
    mtu = min(interface.mtu, link.max_mtu or interface.mtu)
    if down or link.mtu != mtu:
        result.inner.append(f"link set dev {name} mtu {mtu} up")
    # The kernel drops routes when the link goes down.
    kept = [] if down else [(family, route) for family, route in present if route.dev == name]
    result.inner.extend(_stale(interface, kept))
    have = {packed(address): address for address in _addresses(link)}
    want = {packed(address): address for address in interface.addresses}
    added = [address for key, address in want.items() if key not in have]
    floating = {packed(address) for address in interface.floating}
    gone = [address for key, address in have.items() if key not in want and key not in floating]
    result.inner.extend(f"address del {address} dev {name}" for address in gone)
    # An address takes those of its subnet with it that came after it: then all are set anew, each where it is missing.
    missing = list(want.values()) if gone else added
    result.inner.extend(f"address replace {address} dev {name}{_manner(address)}" for address in missing)
    result.announce.extend((name, address) for address in added if _is_host(address))
    # It may drop them with an address, too: then all are set anew.
    result.inner.extend(_absent(interface, [] if gone else kept))


def _stale(interface: wire.Interface, kept: list[tuple[int, KernelRoute]]) -> list[str]:
    """Commands that remove routes which should not be; before any address goes, as some would go with it."""
    want = {_wish(route) for route in interface.routes}
    # Spelled out: a batch line takes no -6, and "default" alone would mean IPv4's.
    return [
        f"route del {_destination(family, route)}{_via(route.gateway)} dev {interface.name}"
        for family, route in kept
        if _key(family, route) not in want
    ]


def _absent(interface: wire.Interface, kept: list[tuple[int, KernelRoute]]) -> list[str]:
    """Commands that set routes which are not there."""
    have = {_key(family, route) for family, route in kept}
    return [
        f"route replace {wish.destination}{_via(wish.gateway)} dev {interface.name} proto static"
        for wish in interface.routes
        if _wish(wish) not in have
    ]


def _wish(route: wire.Route) -> tuple[tuple[bytes, int] | None, tuple[bytes, int] | None]:
    return packed(route.destination), packed(route.gateway) if route.gateway else None


def _key(family: int, route: KernelRoute) -> tuple[tuple[bytes, int] | None, tuple[bytes, int] | None]:
    return packed(_destination(family, route)), packed(route.gateway) if route.gateway else None


def _destination(family: int, route: KernelRoute) -> str:
    everywhere = "0.0.0.0/0" if family == 4 else "::/0"
    return everywhere if route.dst == "default" else route.dst


def _via(gateway: str) -> str:
    return f" via {gateway}" if gateway else ""


def _addresses(link: Link) -> list[str]:
    """The addresses somebody gave it; link-local ones are the kernel's own."""
    return [f"{a.local}/{a.prefixlen}" for a in link.addr_info if a.scope != "link"]


def _is_host(address: str) -> bool:
    parsed = packed(address)
    return parsed is not None and parsed[1] == 8 * len(parsed[0])


def _manner(address: str) -> str:
    """How an IPv6 address is set: to serve at once; a VIP so that nothing is sent from it by itself.

    Without the latter it may be preferred to our own address on the subnet (RFC 6724, section 5, rules 3 and 8).
    """
    if ":" not in address:
        return ""
    return " nodad preferred_lft 0" if _is_host(address) else " nodad"


def _missing(wanted: list[wire.Interface], present: list[Link]) -> list[wire.Interface]:
    there = {link.address.lower() for link in present}
    return [interface for interface in wanted if interface.mac.lower() not in there]


def _refuse_management(wanted: list[wire.Interface], outer: list[Link], management: str) -> None:
    """Moving the NIC that holds the agent's own address would cut it off for good."""
    for link in outer:
        ours = any(packed(a.local) == packed(management) for a in link.addr_info)
        if ours and link.address.lower() in {interface.mac.lower() for interface in wanted}:
            raise Refused(f"interfaces.mac {link.address!r} is the management NIC {link.ifname}, it must stay")
