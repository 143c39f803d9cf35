"""The seam to whatever makes load balancers: what the API asks of a provider before it stores anything.

The calls have the names and meanings of octavia-lib's ``ProviderDriver``.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Protocol


class NotSupported(Exception):
    """The provider does not have what was asked for (HTTP 501); the message completes its sentence."""


class InvalidData(ValueError):
    """A value in a profile is not one that its key takes (HTTP 400)."""

    def __init__(self, key: str, value: object, expected: str) -> None:
        super().__init__(f"{key} is {value!r}, not {expected}")
        self.key, self.value, self.expected = key, value, expected


class Provider(Protocol):
    """One provider. ``name`` is what load balancers store, whatever alias the user typed."""

    @property
    def name(self) -> str:
        """The name that it was enabled under."""

    @property
    def driver(self) -> str:
        """What does the work, by the same name for all of a provider's names."""

    @property
    def has_amphorae(self) -> bool:
        """Whether Lictor's loop makes amphorae for its load balancers."""

    def get_supported_flavor_metadata(self) -> dict[str, str]:
        """The keys that a flavor may have, with descriptions. Raises ``NotSupported`` if flavors mean nothing to it."""

    def validate_flavor(self, flavor_metadata: Mapping[str, Any]) -> None:
        """Raises ``NotSupported`` for a key that means nothing to it, and ``InvalidData``."""

    def get_supported_availability_zone_metadata(self) -> dict[str, str]:
        """The keys that an availability zone may have, with descriptions. Raises ``NotSupported``."""

    def validate_availability_zone(self, availability_zone_metadata: Mapping[str, Any]) -> None:
        """Raises ``NotSupported`` for a key that means nothing to it, and ``InvalidData``."""


@dataclasses.dataclass(frozen=True)
class Capability:
    """One key of a profile: what it does, and which values it takes (``expected`` says it in words)."""

    description: str
    expected: str
    accepts: Callable[[Any], bool]


def describe(capabilities: Mapping[str, Capability]) -> dict[str, str]:
    """Keys and descriptions, as the API lists them."""
    return {key: capability.description for key, capability in capabilities.items()}


def validate(capabilities: Mapping[str, Capability], data: Mapping[str, Any]) -> None:
    """Check a profile's data. Raises ``NotSupported`` and ``InvalidData``."""
    for key, value in data.items():
        if key not in capabilities:
            raise NotSupported(f"{key!r} is none of {', '.join(capabilities)}")
        if not capabilities[key].accepts(value):
            raise InvalidData(key, value, capabilities[key].expected)
