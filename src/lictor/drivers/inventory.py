"""The seam to what amphorae can be made of: flavors and zones of the compute service, images.

Administrators name them in profiles (reference, 1.15), and the API asks whether they are there: it may run where no
compute driver does, and knows none. Each compute driver has an attribute ``inventory``, a class that is built with the
configuration. Networks are the network driver's affair (``Networking.has_network``).
"""

from typing import Protocol

from oslo_config import cfg


class InventoryError(Exception):
    """Whoever knows could not be asked; trying again may help. The message is for the administrator to read."""


class Inventory(Protocol):
    """What the API asks. All methods may be slow, and all raise ``InventoryError``."""

    def has_flavor(self, flavor_id: str) -> bool:
        """Whether the compute service has a flavor of this id."""

    def has_image(self, tag: str) -> bool:
        """Whether there is an image with this tag that amphorae can be made from."""

    def has_zone(self, name: str) -> bool:
        """Whether the compute service has an availability zone of this name."""


class Anything:
    """Of a compute driver that has no flavors, images and zones: none is asked for in vain."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        """Does nothing."""

    def has_flavor(self, flavor_id: str) -> bool:
        """It may be called anything."""
        return True

    def has_image(self, tag: str) -> bool:
        """It may be called anything."""
        return True

    def has_zone(self, name: str) -> bool:
        """It may be called anything."""
        return True
