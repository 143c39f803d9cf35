"""Availability zones and their profiles: ``/availabilityzones``, ``/availabilityzoneprofiles`` (reference, 1.13)."""

from typing import Final

from lictor.api import profiles
from lictor.api.catalogue import Kind, check_offer
from lictor.api.requests.catalogue import (
    AvailabilityZonePost,
    AvailabilityZoneProfilePost,
    AvailabilityZoneProfilePut,
    AvailabilityZonePut,
)
from lictor.api.views import AVAILABILITY_ZONE_PROFILES, AVAILABILITY_ZONES
from lictor.model import AvailabilityZone, LoadBalancer

KIND: Final = Kind(
    view=AVAILABILITY_ZONES,
    argument="availability_zone_",
    post=AvailabilityZonePost,
    put=AvailabilityZonePut,
    used_by=LoadBalancer.availability_zone,
    check=check_offer(AVAILABILITY_ZONES, AVAILABILITY_ZONE_PROFILES),
)

PROFILES_OF_ZONES: Final = profiles.kind(
    "availability_zone_data",
    lambda provider, data: provider.validate_availability_zone(data),
    view=AVAILABILITY_ZONE_PROFILES,
    argument="availability_zone_profile_",
    post=AvailabilityZoneProfilePost,
    put=AvailabilityZoneProfilePut,
    used_by=AvailabilityZone.availability_zone_profile_id,
)
