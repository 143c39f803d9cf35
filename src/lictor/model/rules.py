"""The rules that hold between the objects of a tree, as far as they need nothing but the objects' own values."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

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

PLAIN_HEADERS: Final = frozenset(
    {"X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Forwarded-IP", "X-Client-IP", "X-Real-IP"}
)
TLS_HEADERS: Final = frozenset(
    {
        "X-SSL-Client-Verify", "X-SSL-Client-Has-Cert", "X-SSL-Client-DN", "X-SSL-Client-CN", "X-SSL-Issuer",
        "X-SSL-Client-SHA1", "X-SSL-Client-Not-Before", "X-SSL-Client-Not-After",
    }
)  # fmt: skip
"""Headers that listeners may insert; those of a client's certificate only where there is one (reference, 1.7)."""

DATAGRAM_POOLS: Final = frozenset({"UDP", "SCTP"})
TLS_LISTENERS: Final = frozenset({"TERMINATED_HTTPS", "PROMETHEUS"})
"""Listeners that may have certificates."""

HTTP_LISTENERS: Final = frozenset({"HTTP", "TERMINATED_HTTPS"})
HTTP_MONITORS: Final = frozenset({"HTTP", "HTTPS"})
_DATAGRAM_POOL_MONITORS: Final = frozenset({"UDP-CONNECT", "SCTP", "TCP", "HTTP"})
_DATAGRAM_MONITORS: Final = frozenset({"UDP-CONNECT", "SCTP"})


def pool_fits_listener(listener_protocol: str, pool_protocol: str) -> bool:
    """Whether a listener of one protocol may use a pool of the other."""
    return pool_protocol in LISTENER_POOL_PROTOCOLS[listener_protocol]


def same_port_class(protocol: str) -> list[str]:
    """The listener protocols that compete with this one for a port, itself included."""
    return [other for other, layer4 in LAYER4.items() if layer4 == LAYER4[protocol]]


def header_fits_listener(name: str, protocol: str) -> bool:
    """Whether a listener of this protocol may insert the header (reference, 1.7)."""
    return name in PLAIN_HEADERS or (protocol == "TERMINATED_HTTPS" and name in TLS_HEADERS)


def terminates_tls(protocol: str, values: Mapping[str, Any]) -> bool:
    """Whether a listener with these attributes speaks TLS itself: one of PROMETHEUS does if it has a certificate."""
    return protocol == "TERMINATED_HTTPS" or (protocol == "PROMETHEUS" and _has_certificate(values))


def _has_certificate(values: Mapping[str, Any]) -> bool:
    return bool(values.get("default_tls_container_ref") or values.get("sni_container_refs"))


def wrong_with_tls(protocol: str, values: Mapping[str, Any]) -> str | None:
    """What is wrong with a listener's certificates and client authentication, in words (reference, 1.7)."""
    served, authority = _has_certificate(values), values.get("client_ca_tls_container_ref")
    asked, revoked = values.get("client_authentication") not in (None, "NONE"), values.get("client_crl_container_ref")
    if protocol not in TLS_LISTENERS:
        named = served or authority or asked or revoked
        return f"certificates and client authentication are not for {protocol} listeners." if named else None
    if protocol == "TERMINATED_HTTPS" and not served:
        return "a TERMINATED_HTTPS listener needs default_tls_container_ref or sni_container_refs."
    if authority and not served:
        return "client_ca_tls_container_ref needs default_tls_container_ref or sni_container_refs."
    if asked and not authority:
        return f"client_authentication {values['client_authentication']} needs client_ca_tls_container_ref."
    if revoked and not authority:
        return "client_crl_container_ref needs client_ca_tls_container_ref."
    return None


def wrong_with_hsts(protocol: str, named: Mapping[str, Any], max_age: int | None) -> str | None:
    """What is wrong with the HSTS attributes that a request names, given the age that holds after it (1.7)."""
    options = [name for name in ("hsts_include_subdomains", "hsts_preload") if named.get(name)]
    if protocol != "TERMINATED_HTTPS" and (options or named.get("hsts_max_age") is not None):
        return f"HSTS is only for TERMINATED_HTTPS listeners, not for {protocol}."
    if options and max_age is None:
        return f"{options[0]} needs hsts_max_age."
    return None


def wrong_with_pool_tls(protocol: str, values: Mapping[str, Any]) -> str | None:
    """What is wrong with the TLS attributes of a pool, in words (reference, 1.8)."""
    if values.get("tls_enabled") and protocol in DATAGRAM_POOLS:
        return f"tls_enabled is not for {protocol} pools."
    if values.get("crl_container_ref") and not values.get("ca_tls_container_ref"):
        return "crl_container_ref needs ca_tls_container_ref."
    return None


def member_fits_vips(protocol: str, address: str, vips: Iterable[str]) -> bool:
    """Whether a member can be reached: the kernel translates addresses of UDP and SCTP within an IP version only.

    Octavia has the same limit (reference, 4.7 "Families"), and finds out in the amphora.
    """
    return protocol not in DATAGRAM_POOLS or any((":" in vip) == (":" in address) for vip in vips)


def monitor_fits_pool(monitor_type: str, pool_protocol: str) -> bool:
    """Whether a pool of this protocol may be checked in this way (reference, 1.10)."""
    if pool_protocol in DATAGRAM_POOLS:
        return monitor_type in _DATAGRAM_POOL_MONITORS
    return monitor_type not in _DATAGRAM_MONITORS
