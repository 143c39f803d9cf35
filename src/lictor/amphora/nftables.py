"""Who may speak to a listener, as the nftables ruleset of an amphora's inner namespace.

The filter stands before everything else (hook prerouting, priority raw), so that what is refused costs neither a
connection of HAProxy's nor an entry in the kernel's table of connections. Refused packets are dropped, as security
groups drop them in Octavia, and counted for each listener. A change reloads nothing.

The text declares one table; sets in it have no names. The agent replaces it in one transaction and leaves the counters
that stay as they are.
"""

import ipaddress
from collections.abc import Iterator

from lictor.amphora import tree
from lictor.amphora.emitter import bare_address, network, number
from lictor.amphora.pair import PEERS_PORT, Pair
from lictor.model import Listener, LoadBalancer
from lictor.model.rules import LAYER4

_WORDS = {4: "ip", 6: "ip6"}
_VRRP = 112
"""RFC 5798, 5.1.1.4: its name is only known where there is an /etc/protocols, which small images have not."""

_STRANGERS = ("strange_vrrp", "strange_peers")
"""Counters of what others than the other amphora of the pair say."""


def render(load_balancer: LoadBalancer, pair: Pair | None = None, interface: str = "") -> str:
    """The table; empty when nobody is refused. Equal trees give equal texts.

    In a ``pair``, what the two say to each other over ``interface`` is let in, and the same from anybody else is not.
    """
    limited = [listener for listener in tree.listeners(load_balancer) if listener.allowed_cidrs]
    if not limited and not pair:
        return ""
    counters = [f"    counter {_counter(listener)} {{ }}" for listener in limited]
    rules = [f"        {rule}" for listener in limited for rule in _rules(load_balancer, listener)]
    if pair:
        counters += [f"    counter {name} {{ }}" for name in _STRANGERS]
        rules[:0] = [f"        {rule}" for rule in _between(pair, interface)]
    chain = ["    chain refuse {", "        type filter hook prerouting priority raw; policy accept;", *rules, "    }"]
    return "\n".join(["table inet lictor {", *counters, *chain, "}"]) + "\n"


def _between(pair: Pair, interface: str) -> list[str]:
    """VRRP, and HAProxy's peers; those also from this amphora to itself, at a reload."""
    own, other = (bare_address(each.address) for each in (pair.own, pair.other))
    word = _WORDS[ipaddress.ip_address(own).version]
    from_other = f'iifname "{interface}" {word} saddr {other} {word} daddr {own}'
    peers = f"{word} daddr {own} tcp dport {PEERS_PORT}"
    return [
        f"{from_other} meta l4proto {_VRRP} accept",
        f'meta l4proto {_VRRP} counter name "strange_vrrp" drop',
        f"{from_other} tcp dport {PEERS_PORT} accept",
        f'iifname != "lo" {peers} counter name "strange_peers" drop',
    ]


def _counter(listener: Listener) -> str:
    return f"refused_{listener.id.replace('-', '')}"


def _rules(load_balancer: LoadBalancer, listener: Listener) -> Iterator[str]:
    """One rule for each IP version that the load balancer has: where nobody of a version is allowed, nobody may in."""
    allowed = [ipaddress.ip_network(network(cidr)) for cidr in listener.allowed_cidrs or []]
    protocol, port = LAYER4[listener.protocol].lower(), number(listener.protocol_port, 1, 65535)
    for version, word in _WORDS.items():
        vips = sorted({str(vip) for vip in tree.vips(load_balancer) if vip.version == version})
        sources = list(_collapse(allowed, version))
        if not vips or any(source.endswith("/0") for source in sources):
            continue
        others = f" {word} saddr != {{ {', '.join(sources)} }}" if sources else ""
        counted = f'counter name "{_counter(listener)}" drop'
        yield f"{word} daddr {{ {', '.join(vips)} }} {protocol} dport {port}{others} {counted}"


def _collapse(allowed: list[ipaddress.IPv4Network | ipaddress.IPv6Network], version: int) -> Iterator[str]:
    """What nft takes: ranges that do not overlap."""
    if version == 4:
        same = [each for each in allowed if isinstance(each, ipaddress.IPv4Network)]
        yield from map(str, ipaddress.collapse_addresses(same))
    else:
        yield from map(str, ipaddress.collapse_addresses(e for e in allowed if isinstance(e, ipaddress.IPv6Network)))
