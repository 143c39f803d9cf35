"""What profiles name of other services, and whether it is there (reference, 1.15).

Lictor's own account is asked, as amphorae are made with it; what users may see is not what matters here.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final

from lictor.api import errors
from lictor.api.resource import Api


@dataclasses.dataclass(frozen=True)
class Named:
    """What a key names: its title, and what the value should be in words that complete "should be"."""

    title: str
    expected: str
    is_there: Callable[[Api, str], bool]


_NETWORK: Final = Named(
    "Network", "the id of a network that exists", lambda api, value: api.networking.has_network(value.lower())
)

KEYS: Final[dict[str, Named]] = {
    "compute_flavor": Named(
        "Nova flavor",
        "the id of a flavor that Lictor's account sees in Nova",
        lambda api, value: api.inventory.has_flavor(value),
    ),
    "amp_image_tag": Named(
        "Image with the tag",
        "a tag of an active image in Glance, of [controller_worker] amp_image_owner_id if that is set",
        lambda api, value: api.inventory.has_image(value),
    ),
    "compute_zone": Named(
        "Nova availability zone",
        "the name of an availability zone in Nova",
        lambda api, value: api.inventory.has_zone(value),
    ),
    "management_network": _NETWORK,
    "valid_vip_networks": _NETWORK,
}
"""By the keys of a profile's data. ``volume_zone`` is not among them: amphorae have no volumes."""


def check(api: Api, field: str, data: Mapping[str, Any]) -> None:
    """Check valid data of a profile, in ``field``. Raises 400, ``InventoryError`` and ``NetworkError``."""
    for key, value in data.items():
        if key in KEYS:
            for each in dict.fromkeys(value) if isinstance(value, list) else [value]:
                _check(api, KEYS[key], each, f"{field}.{key}")


def _check(api: Api, named: Named, value: str, where: str) -> None:
    if not named.is_there(api, value):
        raise errors.invalid_reference(named.title, value, where, named.expected)
