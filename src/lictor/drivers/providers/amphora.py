"""Lictor's own provider: HAProxy in amphorae (reference, 1.13 "Provider capabilities of the amphora driver")."""

import uuid
from collections.abc import Mapping
from typing import Any, Final

from lictor.drivers.providers.base import Capability, describe, validate

_LONGEST_TEXT = 255


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_TEXT


def _is_uuid(value: Any) -> bool:
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value.lower()
    except ValueError:
        return False


def _are_uuids(value: Any) -> bool:
    return isinstance(value, list) and all(_is_uuid(each) for each in value)


def _text(description: str) -> Capability:
    return Capability(description, f"text of 1 to {_LONGEST_TEXT} characters", _is_text)


def _switch(description: str) -> Capability:
    return Capability(description, "true or false", lambda value: isinstance(value, bool))


FLAVOR: Final[dict[str, Capability]] = {
    "loadbalancer_topology": Capability(
        "How many amphorae carry a load balancer: SINGLE is one, ACTIVE_STANDBY two.",
        "one of SINGLE, ACTIVE_STANDBY",
        lambda value: value in ("SINGLE", "ACTIVE_STANDBY"),
    ),
    "compute_flavor": _text("The compute service's flavor of the amphorae."),
    "amp_image_tag": _text("The tag of the image that amphorae are made from."),
    "sriov_vip": _switch("Whether the VIP's port is an SR-IOV virtual function."),
    "allow_member_sriov": _switch("Whether members may ask for SR-IOV ports."),
}
"""What a flavor profile's data may say."""

AVAILABILITY_ZONE: Final[dict[str, Capability]] = {
    "compute_zone": _text("The compute service's availability zone of the amphorae."),
    "volume_zone": _text("The volume service's availability zone of the amphorae, which have no volumes yet."),
    "management_network": Capability("The network that amphorae are managed over.", "a UUID", _is_uuid),
    "valid_vip_networks": Capability("The networks that a VIP may be on.", "a list of UUIDs", _are_uuids),
}
"""What an availability zone profile's data may say."""


class AmphoraProvider:
    """``amphora``, under this or another name: a load balancer shows the one that its user chose."""

    driver, has_amphorae = "amphora", True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_supported_flavor_metadata(self) -> dict[str, str]:
        """See ``Provider``."""
        return describe(FLAVOR)

    def validate_flavor(self, flavor_metadata: Mapping[str, Any]) -> None:
        """See ``Provider``."""
        validate(FLAVOR, flavor_metadata)

    def get_supported_availability_zone_metadata(self) -> dict[str, str]:
        """See ``Provider``."""
        return describe(AVAILABILITY_ZONE)

    def validate_availability_zone(self, availability_zone_metadata: Mapping[str, Any]) -> None:
        """See ``Provider``."""
        validate(AVAILABILITY_ZONE, availability_zone_metadata)
