"""What Octavia's API knows and Lictor's data plane does not do yet: refused with 501, never accepted and ignored.

The one list of it. Whoever makes the data plane do something takes its word out of here. With the compute driver
``noop`` there is no data plane, so nothing could be ignored by it, and everything is accepted.
"""

from collections.abc import Mapping
from typing import Any, Final

from oslo_config import cfg

from lictor.api import errors
from lictor.model.l7rules import TARGETS

NOT_YET_VALUES: Final[dict[str, dict[str, frozenset[str]]]] = {
    "listener": {"protocol": frozenset({"TERMINATED_HTTPS", "UDP", "SCTP", "PROMETHEUS"})},
    "pool": {"protocol": frozenset({"UDP", "SCTP"}), "lb_algorithm": frozenset({"SOURCE_IP_PORT"})},
    "healthmonitor": {"type": frozenset({"UDP-CONNECT", "SCTP"})},
    "flavor": {"loadbalancer_topology": frozenset({"ACTIVE_STANDBY"})},
    "l7policy": {"action": frozenset(TARGETS)},
}
"""Values that are refused, by kind of object and attribute."""

NOT_YET_ATTRIBUTES: Final[dict[str, frozenset[str]]] = {
    "loadbalancer": frozenset({"additional_vips"}),
    "flavor": frozenset({"compute_flavor", "amp_image_tag", "sriov_vip", "allow_member_sriov"}),
    "availability_zone": frozenset({"compute_zone", "volume_zone", "management_network"}),
    "listener": frozenset(
        {
            "default_tls_container_ref", "sni_container_refs", "client_ca_tls_container_ref", "client_authentication",
            "client_crl_container_ref", "tls_ciphers", "tls_versions", "alpn_protocols", "hsts_max_age",
            "hsts_include_subdomains", "hsts_preload", "l7policies",
        }
    ),
    "pool": frozenset(
        {
            "tls_enabled", "tls_container_ref", "ca_tls_container_ref", "crl_container_ref", "tls_ciphers",
            "tls_versions", "alpn_protocols",
        }
    ),
}  # fmt: skip
"""Attributes that are refused unless they say what they would say if left out."""

_NOTHING: Final[tuple[Any, ...]] = (None, False, "NONE", [], {})


def check(conf: cfg.ConfigOpts, kind: str, values: Mapping[str, Any]) -> None:
    """Raise 501 if these attributes of a ``kind`` of object ask for what is not there yet."""
    if conf.controller_worker.compute_driver == "noop":
        return
    for attribute, refused in NOT_YET_VALUES.get(kind, {}).items():
        if values.get(attribute) in refused:
            raise errors.unsupported(f"{kind} {attribute} {values[attribute]}")
    for attribute in NOT_YET_ATTRIBUTES.get(kind, frozenset()):
        value = values.get(attribute)
        # hsts_max_age 0 is a setting, though it equals False.
        if not any(value is nothing or (value == nothing and not isinstance(value, int)) for nothing in _NOTHING):
            raise errors.unsupported(f"{kind} {attribute}")
