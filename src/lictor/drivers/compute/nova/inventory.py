"""Which flavors and availability zones Nova has, and which images Glance: as Lictor's account sees them."""

import contextlib
import re
from collections.abc import Iterator

from openstack import exceptions
from oslo_config import cfg

from lictor.drivers import sdk
from lictor.drivers.compute.base import ComputeError
from lictor.drivers.compute.nova import parts
from lictor.drivers.compute.nova.words import asked
from lictor.drivers.inventory import InventoryError

_FLAVOR_ID = re.compile(r"(?!\.+$)[A-Za-z0-9._ -]{1,255}")
"""What Nova takes for one. Nothing else gets into the path of a request, nor dots that would lead out of it."""


class NovaInventory:
    """Implements ``drivers.inventory.Inventory``. Thread-safe."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        """Sends nothing yet. Raises ``Misconfigured`` if there is no good service account."""
        self._owner: str = conf.controller_worker.amp_image_owner_id
        self._nova = sdk.connect(conf, "nova", "compute")
        self._glance = sdk.connect(conf, "glance", "image")

    def has_flavor(self, flavor_id: str) -> bool:
        """Whether Nova has a flavor of this id; its name would not do."""
        if not _FLAVOR_ID.fullmatch(flavor_id):
            return False
        with _asking(), asked(f"show flavor {flavor_id!r}"):
            try:
                self._nova.compute.get_flavor(flavor_id)
            except exceptions.NotFoundException:
                return False
            return True

    def has_image(self, tag: str) -> bool:
        """Whether Glance has an active image with this tag, of the owner that the configuration names, if any."""
        with _asking(), asked("be asked for images", "Glance"):
            return tag.isprintable() and parts.find_image(self._glance.image, tag, self._owner) is not None

    def has_zone(self, name: str) -> bool:
        """Whether Nova has an availability zone of this name."""
        with _asking(), asked("list availability zones"):
            return any(each.name == name for each in self._nova.compute.availability_zones())


@contextlib.contextmanager
def _asking() -> Iterator[None]:
    try:
        yield
    except ComputeError as error:
        raise InventoryError(str(error)) from error
