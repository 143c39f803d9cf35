"""Flavors and their profiles: ``/flavors`` and ``/flavorprofiles`` (reference, 1.13)."""

from typing import Final

from lictor.api import profiles
from lictor.api.catalogue import Kind, check_offer
from lictor.api.requests.catalogue import FlavorPost, FlavorProfilePost, FlavorProfilePut, FlavorPut
from lictor.api.views import FLAVOR_PROFILES, FLAVORS
from lictor.model import Flavor, LoadBalancer

KIND: Final = Kind(
    view=FLAVORS,
    argument="flavor_",
    post=FlavorPost,
    put=FlavorPut,
    used_by=LoadBalancer.flavor_id,
    check=check_offer(FLAVORS, FLAVOR_PROFILES),
)

PROFILES_OF_FLAVORS: Final = profiles.kind(
    "flavor_data",
    lambda provider, data: provider.validate_flavor(data),
    view=FLAVOR_PROFILES,
    argument="flavor_profile_",
    post=FlavorProfilePost,
    put=FlavorProfilePut,
    used_by=Flavor.flavor_profile_id,
)
