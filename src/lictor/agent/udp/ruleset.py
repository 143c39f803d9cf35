"""The agent's own nftables table: what becomes of each listener's datagrams. Pure: values in, words out.

A new connection gets a member's mark, and by the mark its address; from then on the kernel's table of connections
translates every packet, so a change of rules touches no connection that lives. Answers come back because members see
the amphora's address. A client that persists is remembered by his network's address, until no packet came for so long.

A transaction of nftables changes all rules at once, but a packet between them looks old rules' sets up as the new ones
are. So chains that pick are made first, under names of their own, and then one element of ``places`` points to another
one: that is atomic. What a packet may miss in ``hooks`` costs a count.

Counters ``in_``, ``out_`` and ``new_`` with a listener's id count its packets, and its connections; ``lost_`` with a
member's mark counts what its host said it could not deliver.
"""

import dataclasses
from collections.abc import Mapping

from lictor import wire
from lictor.agent.udp import chains
from lictor.agent.udp.chains import FAMILIES, Named, chain, elements, name

TABLE = "lictor_udp"

Slots = Mapping[tuple[str, int], list[int]]
"""The row of marks that new connections get, by listener and IP version; without one nobody is picked."""

_PLACES = {"places4": "ipv4_addr . inet_proto . inet_service", "places6": "ipv6_addr . inet_proto . inet_service"}
_LOST = (
    "icmp type destination-unreachable icmp code { host-unreachable, prot-unreachable, port-unreachable }",
    "icmpv6 type destination-unreachable",
)


@dataclasses.dataclass(frozen=True)
class Table:
    """``named`` is what never changes under its name, ``hooks`` are the chains that the kernel calls.

    ``places`` says for each VIP, protocol and port which chain picks a member, in a map for each IP version.
    """

    named: dict[Named, str] = dataclasses.field(default_factory=dict)
    hooks: dict[str, str] = dataclasses.field(default_factory=dict)
    places: dict[tuple[str, str], str] = dataclasses.field(default_factory=dict)

    def text(self) -> str:
        """All of it; empty when there is nothing."""
        if not self.hooks:
            return ""
        hooks = {("chain", title): body for title, body in self.hooks.items()}
        filled = [f"add element inet {TABLE} {where} {{ {key} : {to} }}\n" for (where, key), to in self.places.items()]
        return "".join([declare(self.named | hooks), *filled])


def declare(found: Mapping[Named, str]) -> str:
    """A text that makes these."""
    lines = [f"    {kind} {title} {body}\n" for (kind, title), body in found.items()]
    return "".join([f"table inet {TABLE} {{\n", *lines, "}\n"])


def lost(member: wire.UdpMember) -> str:
    """The name of the counter of a member's messages that it is not there."""
    return f"lost_{member.mark:x}"


def render(listeners: list[wire.UdpListener], slots: Slots) -> Table:
    """The table; empty when there are no such listeners."""
    if not listeners:
        return Table()
    named = {("map", title): f"{{\n        type {types} : verdict\n    }}" for title, types in _PLACES.items()}
    places: dict[tuple[str, str], str] = {}
    for listener in listeners:
        counters = [name(kind, listener) for kind in ("in", "out", "new")] + [lost(each) for each in listener.members]
        named |= {("counter", title): "{ }" for title in counters} | chains.limit(listener)
        for family in chains.versions(listener):
            mine = chains.render(listener, family, slots.get((listener.id, family), []))
            named |= mine
            if title := chains.picking(mine, listener, family):
                places |= {(f"places{family}", place): f"goto {title}" for place in _places(listener, family)}
    return Table(named, _hooks(listeners), places)


_NO_ROUTER = [
    # A client that has its member on the same network must not be told to go there by itself. Of IPv4 the kernel does
    # not do that (``namespace.forward``); of IPv6 it cannot be told so.
    "icmpv6 type nd-redirect drop",
    # Who hands packets on answers for the address of all routers of a subnet (RFC 4291, 2.6.1: the last 64 bits are 0,
    # here of the advertisement's target). That is Neutron's default for a gateway: everybody would send to us.
    "icmpv6 type nd-neighbor-advert @th,128,64 0 drop",
]
"""Of IPv6: the kernel may take itself for a router, and nobody else may."""


def _hooks(listeners: list[wire.UdpListener]) -> dict[str, str]:
    ours = f"ct mark & {wire.MARKED:#x} != 0"
    picking = [f"{word} daddr . meta l4proto . th dport vmap @places{family}" for family, word in FAMILIES.items()]
    # HAProxy's connections would fill the kernel's table of connections, whose limit all namespaces share.
    untracked = ["meta l4proto tcp notrack"]
    # HAProxy's packets pass by here as well: each chain, and each rule before they leave it, costs them time.
    hooks = {
        "untracked_in": _hook("filter", "prerouting", "raw", untracked),
        "untracked_out": _hook("filter", "output", "raw", untracked),
        "prerouting": _hook("nat", "prerouting", "dstnat", picking),
        # Behind the translation, where packets of connections that live come by as well. Whom nobody took is told so,
        # before the kernel writes down a connection that would long lead nowhere.
        "translated": _hook(
            "filter", "prerouting", "-90", ["meta l4proto tcp accept", *_refusing(listeners), *_remembering(listeners)]
        ),
        "forward": _hook("filter", "forward", "filter", [*_counting(listeners), f"{ours} accept"], "drop"),
        "postrouting": _hook("nat", "postrouting", "srcnat", [f"{ours} masquerade"]),
    }
    if 6 in chains.families(listeners):
        hooks["output"] = _hook("filter", "output", "filter", _NO_ROUTER)
    return hooks


def _hook(kind: str, hook: str, priority: str, rules: list[str], policy: str = "accept") -> str:
    return chain([f"type {kind} hook {hook} priority {priority}; policy {policy};", *rules])


def _refusing(listeners: list[wire.UdpListener]) -> list[str]:
    rules = []
    for family, word in FAMILIES.items():
        places = [place for each in listeners for place in _places(each, family)]
        where = f"ct state new {word} daddr . meta l4proto . th dport {elements(places)}"
        rules += [f"{where} reject"] if places else []
    return rules


def _remembering(listeners: list[wire.UdpListener]) -> list[str]:
    rules = []
    for family, word in FAMILIES.items():
        jumps = [
            f"{member.mark:#x} : goto {chains.keep(each, family)}"
            for each in listeners
            if each.persistence and family in chains.versions(each)
            for member in each.members
            if chains.version(member.address) == family
        ]
        nfproto = "ipv4" if word == "ip" else "ipv6"
        rules += [f"meta nfproto {nfproto} ct direction original ct mark vmap {elements(jumps)}"] if jumps else []
    return rules


def _counting(listeners: list[wire.UdpListener]) -> list[str]:
    rules = []
    for direction, kind in (("original", "in"), ("reply", "out")):
        names = [f'{member.mark:#x} : "{name(kind, each)}"' for each in listeners for member in each.members]
        rules += [f"ct direction {direction} counter name ct mark map {elements(names)}"] if names else []
    names = [f'{member.mark:#x} : "{lost(member)}"' for each in listeners for member in each.members]
    for message in _LOST if names else ():
        rules.append(f"ct direction reply {message} counter name ct mark map {elements(names)}")
    return rules


def _places(listener: wire.UdpListener, family: int) -> list[str]:
    vips = [vip for vip in listener.vips if chains.version(vip) == family]
    return [f"{vip} . {listener.protocol} . {listener.port}" for vip in vips]
