"""The kernel's links, addresses and routes, as ``ip -json`` shows them."""

import msgspec

from lictor.agent.command import run


class Address(msgspec.Struct, frozen=True):
    """One address of a link."""

    local: str = ""
    prefixlen: int = 0
    scope: str = ""


class Link(msgspec.Struct, frozen=True):
    """One NIC; ``address`` is its MAC, ``max_mtu`` 0 if it sets no limit."""

    ifname: str
    ifindex: int = 0
    address: str = ""
    mtu: int = 0
    max_mtu: int = 0
    flags: list[str] = []
    addr_info: list[Address] = []
    link_type: str = ""


class KernelRoute(msgspec.Struct, frozen=True):
    """One route of the main table; ``dst`` is ``default`` or a network."""

    dst: str
    dev: str = ""
    gateway: str = ""
    protocol: str = ""
    type: str = "unicast"


def links(namespace: str = "") -> list[Link]:
    """All Ethernet links of the inner namespace, or (by default) of the agent's own.

    Not the loopback, nor the tunnels that some kernels put into each namespace.
    """
    found = msgspec.json.decode(_ip(namespace, "-json", "-details", "address", "show") or "[]", type=list[Link])
    return [link for link in found if link.link_type == "ether"]


def routes(namespace: str) -> list[tuple[int, KernelRoute]]:
    """The routes of both families that somebody set (not those that the kernel makes for an address)."""
    found = []
    for family in (4, 6):
        text = _ip(namespace, f"-{family}", "-json", "route", "show")
        decoded = msgspec.json.decode(text or "[]", type=list[KernelRoute])
        found += [(family, route) for route in decoded if route.protocol not in ("kernel", "ra")]
    return found


def batch(commands: list[str], namespace: str = "") -> None:
    """Carry out ``ip`` commands in one process; ends at the first that fails. Raises ``CommandFailed``."""
    if commands:
        _ip(namespace, "-batch", "-", text="\n".join(commands) + "\n")


def _ip(namespace: str, *words: str, text: str = "") -> str:
    prefix = ["-netns", namespace] if namespace else []
    return run(["ip", *prefix, *words], text)
