"""The rules that hold between the objects of a tree, as far as they need nothing but the objects' own values."""

from typing import Final

LISTENER_POOL_PROTOCOLS: Final[dict[str, frozenset[str]]] = {
    "TCP": frozenset({"TCP", "HTTP", "HTTPS", "PROXY", "PROXYV2"}),
    "HTTP": frozenset({"HTTP", "PROXY", "PROXYV2"}),
    "HTTPS": frozenset({"TCP", "HTTPS", "PROXY", "PROXYV2"}),
    "TERMINATED_HTTPS": frozenset({"HTTP", "PROXY", "PROXYV2"}),
    "UDP": frozenset({"UDP"}),
    "SCTP": frozenset({"SCTP"}),
    "PROMETHEUS": frozenset(),
}
"""Which pools a listener may send its traffic to (reference, 1.8)."""

LAYER4: Final[dict[str, str]] = {
    "TCP": "TCP", "HTTP": "TCP", "HTTPS": "TCP", "TERMINATED_HTTPS": "TCP", "PROMETHEUS": "TCP",
    "UDP": "UDP", "SCTP": "SCTP",
}  # fmt: skip
"""Listeners of the same class cannot share a port (reference, 1.7 "Port conflicts")."""

DATAGRAM_POOLS: Final = frozenset({"UDP", "SCTP"})
HTTP_MONITORS: Final = frozenset({"HTTP", "HTTPS"})
_DATAGRAM_POOL_MONITORS: Final = frozenset({"UDP-CONNECT", "SCTP", "TCP", "HTTP"})
_DATAGRAM_MONITORS: Final = frozenset({"UDP-CONNECT", "SCTP"})


def pool_fits_listener(listener_protocol: str, pool_protocol: str) -> bool:
    """Whether a listener of one protocol may use a pool of the other."""
    return pool_protocol in LISTENER_POOL_PROTOCOLS[listener_protocol]


def same_port_class(protocol: str) -> list[str]:
    """The listener protocols that compete with this one for a port, itself included."""
    return [other for other, layer4 in LAYER4.items() if layer4 == LAYER4[protocol]]


def monitor_fits_pool(monitor_type: str, pool_protocol: str) -> bool:
    """Whether a pool of this protocol may be checked in this way (reference, 1.10)."""
    if pool_protocol in DATAGRAM_POOLS:
        return monitor_type in _DATAGRAM_POOL_MONITORS
    return monitor_type not in _DATAGRAM_MONITORS
