"""The chains and sets of one UDP or SCTP listener, in nftables' words. Pure.

``pick`` chooses a member for a new connection, by its mark, and ``hand`` translates to the member's address. ``keep``
remembers a client of a listener that has persistence.

What is under a name never changes: another content has another name. See ``ruleset`` for why.
"""

import socket
import zlib
from collections.abc import Iterable
from itertools import groupby

from lictor import wire
from lictor.agent.udp.shares import HASHED

FAMILIES = {4: "ip", 6: "ip6"}

Named = tuple[str, str]
"""Chain, set, map, counter or ct timeout, and its name."""

_REMEMBERED = 65535
"""Clients of one listener that are remembered at a time."""

_SEED = "0x4c494354"
"""Of the hashes: the same for ever, or a restart would move all clients."""


def version(address: str) -> int:
    """4 or 6."""
    return 6 if ":" in address else 4


def versions(listener: wire.UdpListener) -> list[int]:
    """The IP versions of its virtual addresses."""
    return sorted({version(vip) for vip in listener.vips})


def families(listeners: list[wire.UdpListener]) -> set[int]:
    """The same of all of them."""
    return {version(vip) for listener in listeners for vip in listener.vips}


def name(kind: str, listener: wire.UdpListener, family: int | str = "") -> str:
    """What something of a listener's is called; names of nftables hold no dashes."""
    return f"{kind}{family}_{listener.id.replace('-', '')}"


def chain(rules: Iterable[str]) -> str:
    """The body of a chain."""
    return _body(rules)


def _body(lines: Iterable[str]) -> str:
    return "".join(["{\n", *(f"        {line}\n" for line in lines), "    }"])


def elements(values: list[str]) -> str:
    """The lines of a set or map without a name."""
    return f"{{ {', '.join(values)} }}"


def render(listener: wire.UdpListener, family: int, slots: list[int]) -> dict[Named, str]:
    """All of one listener's for one IP version. Without slots nobody is picked."""
    result: dict[Named, str] = {}
    if listener.persistence:
        sticky, types = _sticky(listener, family), f"{FAMILIES[family]} saddr : ct mark"
        result["map", sticky] = _set(types, "dynamic,timeout", _REMEMBERED, listener.persistence)
        result["chain", keep(listener, family)] = chain([f"update @{sticky} {_entry(listener, family)}"])
    if listener.protocol == "udp":
        # The kernel's own times are 30 s, and 120 s once both sides spoke.
        policy = f"policy = {{ unreplied : {listener.idle}, replied : {listener.idle} }}"
        result["ct timeout", _idle(listener, family)] = _body(["protocol udp", f"l3proto {FAMILIES[family]}", policy])
    if slots:
        hand = chain(_hand(listener, family, slots))
        handing = _hashed(name("hand", listener, family), hand)
        pick = chain([*_pick(listener, family, slots, handing), f"goto {handing}"])
        result["chain", handing] = hand
        result["chain", _hashed(name("pick", listener, family), pick)] = pick
    return result


def picking(found: Iterable[Named], listener: wire.UdpListener, family: int) -> str | None:
    """The chain that picks, among what ``render`` made."""
    prefix = name("pick", listener, family)
    return next((title for _, title in found if title.startswith(prefix)), None)


def keep(listener: wire.UdpListener, family: int) -> str:
    """The chain that remembers a client."""
    return f"{name('keep', listener, family)}_{listener.persistence}_{_prefix(listener, family)}"


def limit(listener: wire.UdpListener) -> dict[Named, str]:
    """The set in which the kernel counts connections."""
    return {("set", _limit(listener)): _set("meta l4proto", "dynamic", 16)}


def _hashed(title: str, content: str) -> str:
    return f"{title}_{zlib.crc32(content.encode()):08x}"


def _limit(listener: wire.UdpListener) -> str:
    return f"{name('limit', listener)}_{listener.limit}"


def _idle(listener: wire.UdpListener, family: int) -> str:
    return f"{name('idle', listener, family)}_{listener.idle}"


def _sticky(listener: wire.UdpListener, family: int) -> str:
    return f"{name('sticky', listener, family)}_{listener.persistence}_{_prefix(listener, family)}"


def _set(types: str, flags: str, size: int, seconds: int = 0) -> str:
    timeout = [f"timeout {seconds}s"] if seconds else []
    return _body([f"typeof {types}", f"flags {flags}", *timeout, f"size {size}"])


def _hand(listener: wire.UdpListener, family: int, slots: list[int]) -> list[str]:
    chosen = [f"{m.mark:#x} : {m.address} . {m.port}" for m in listener.members if m.mark in set(slots)]
    to = f"dnat {FAMILIES[family]} to ct mark map {elements(chosen)}"
    lasts = [f'meta l4proto udp ct timeout set "{_idle(listener, family)}"'] if listener.protocol == "udp" else []
    return [f'counter name "{name("new", listener)}"', *lasts, f"meta l4proto {listener.protocol} {to}"]


def _pick(listener: wire.UdpListener, family: int, slots: list[int], hand: str) -> list[str]:
    full = f"add @{_limit(listener)} {{ meta l4proto ct count over {listener.limit} }} return"
    known = _known(listener, family, slots, hand) if listener.persistence else []
    return [full, *known, f"ct mark set {_choice(listener, family, len(slots))} map {elements(_row(slots))}"]


def _known(listener: wire.UdpListener, family: int, slots: list[int], hand: str) -> list[str]:
    sticky, live = _sticky(listener, family), [f"{mark:#x}" for mark in sorted(set(slots))]
    return [
        f"ct mark set {_client(listener, family)} map @{sticky}",
        f"ct mark {elements(live)} goto {hand}",
        # His member is gone, or takes no new connections. What an entry says could not be changed.
        f"delete @{sticky} {_entry(listener, family)}",
    ]


def _entry(listener: wire.UdpListener, family: int) -> str:
    return f"{{ {_client(listener, family)} : ct mark }}"


def _client(listener: wire.UdpListener, family: int) -> str:
    """What a client is remembered by."""
    bits, kind = (32, socket.AF_INET) if family == 4 else (128, socket.AF_INET6)
    mask = ((1 << bits) - 1) ^ ((1 << bits - _prefix(listener, family)) - 1)
    return f"{FAMILIES[family]} saddr & {socket.inet_ntop(kind, mask.to_bytes(bits // 8, 'big'))}"


def _prefix(listener: wire.UdpListener, family: int) -> int:
    return listener.prefix4 if family == 4 else listener.prefix6


def _choice(listener: wire.UdpListener, family: int, slots: int) -> str:
    if listener.algorithm not in HASHED:
        return f"numgen inc mod {slots}"
    port = "" if listener.algorithm == "SOURCE_IP" else " . th sport"
    return f"jhash {FAMILIES[family]} saddr{port} mod {slots} seed {_SEED}"


def _row(slots: list[int]) -> list[str]:
    """Slots as elements of a map: a run of equal ones is one."""
    result, first = [], 0
    for mark, run in groupby(slots):
        last = first + sum(1 for _ in run) - 1
        result.append(f"{first} : {mark:#x}" if first == last else f"{first}-{last} : {mark:#x}")
        first = last + 1
    return result
