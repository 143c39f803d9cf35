"""What Octavia's API knows and Lictor's data plane does not do yet: refused with 501, never accepted and ignored.

The one list of it. Whoever makes the data plane do something takes its word out of here. With the compute driver
``noop`` there is no data plane, so nothing could be ignored by it, and everything is accepted.
"""

from collections.abc import Mapping
from typing import Any, Final

from oslo_config import cfg

from lictor.api import errors, kernel

NOT_YET_ATTRIBUTES: Final[dict[str, frozenset[str]]] = {
    "flavor": frozenset({"sriov_vip", "allow_member_sriov"}),
    "availability_zone": frozenset({"volume_zone"}),
}
"""Attributes that are refused unless they say what they would say if left out."""

NOT_ON_ONE_HOST: Final[dict[str, frozenset[str]]] = {
    "flavor": frozenset({"compute_flavor", "amp_image_tag"}),
    "availability_zone": frozenset({"compute_zone", "management_network"}),
}
"""The same, with the compute driver ``netns``: others choose hosts, sizes and images."""

_NOTHING: Final[tuple[Any, ...]] = (None, False, [], {})


def data_plane(conf: cfg.ConfigOpts) -> bool:
    """Whether there are amphorae that carry traffic."""
    return bool(conf.controller_worker.compute_driver != "noop")


def check(conf: cfg.ConfigOpts, kind: str, values: Mapping[str, Any]) -> None:
    """Raise 501 if these attributes of a ``kind`` of object ask for what is not there yet."""
    if not data_plane(conf):
        return
    embedded = conf.controller_worker.compute_driver == "netns"
    if embedded:
        _check_kernel(kind, values)
    refused = NOT_YET_ATTRIBUTES.get(kind, frozenset()) | (NOT_ON_ONE_HOST if embedded else {}).get(kind, frozenset())
    for attribute in sorted(refused):
        if values.get(attribute) not in _NOTHING:
            raise errors.unsupported(f"{kind} {attribute}")


def _check_kernel(kind: str, values: Mapping[str, Any]) -> None:
    for attribute in ("protocol", "type"):
        if values.get(attribute) == "SCTP" and not kernel.has_sctp():
            raise errors.not_implemented(
                "Provider 'amphora' does not support a requested option: "
                f"{kind} {attribute} SCTP, as the kernel of this host has no SCTP"
            )
