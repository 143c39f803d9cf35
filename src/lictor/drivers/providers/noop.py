"""A provider that makes nothing: its load balancers are rows with a VIP's port, for tests of clients."""

from collections.abc import Mapping
from typing import Any

from lictor.drivers.providers import amphora
from lictor.drivers.providers.base import NotSupported, describe, validate

_FLAVOR = {key: amphora.FLAVOR[key] for key in ("loadbalancer_topology", "amp_image_tag")}


class NoopProvider:
    """Takes some flavors, and knows no availability zones."""

    has_amphorae = False

    def __init__(self, name: str) -> None:
        self.name = self.driver = name

    def get_supported_flavor_metadata(self) -> dict[str, str]:
        """See ``Provider``."""
        return describe(_FLAVOR)

    def validate_flavor(self, flavor_metadata: Mapping[str, Any]) -> None:
        """See ``Provider``."""
        validate(_FLAVOR, flavor_metadata)

    def get_supported_availability_zone_metadata(self) -> dict[str, str]:
        """It has none."""
        raise NotSupported("it has no availability zones")

    def validate_availability_zone(self, availability_zone_metadata: Mapping[str, Any]) -> None:
        """It has none."""
        raise NotSupported("it has no availability zones")
