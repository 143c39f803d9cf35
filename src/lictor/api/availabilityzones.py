"""Availability zones and their profiles: ``/availabilityzones``, ``/availabilityzoneprofiles`` (reference, 1.13)."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.orm import Session

from lictor.api import errors, profiles
from lictor.api.catalogue import Kind, check_name
from lictor.api.requests import (
    AvailabilityZonePost,
    AvailabilityZoneProfilePost,
    AvailabilityZoneProfilePut,
    AvailabilityZonePut,
)
from lictor.api.resource import Api
from lictor.api.views import AVAILABILITY_ZONE_PROFILES, AVAILABILITY_ZONES
from lictor.drivers.providers.base import Provider
from lictor.model import AvailabilityZone, AvailabilityZoneProfile, LoadBalancer


def _check(_api: Api, session: Session, values: dict[str, Any], row: AvailabilityZone | None) -> None:
    check_name(session, AVAILABILITY_ZONES, "availability zone", values, row)
    profile_id = values.get("availability_zone_profile_id")
    if profile_id is not None and session.get(AvailabilityZoneProfile, profile_id) is None:
        raise errors.invalid_subresource(AVAILABILITY_ZONE_PROFILES.title, profile_id)


def _check_profile(api: Api, session: Session, values: dict[str, Any], row: AvailabilityZoneProfile | None) -> None:
    profiles.check(api, session, PROFILES_OF_ZONES, "availability_zone_data", _validate, values, row)


def _validate(provider: Provider, data: Mapping[str, Any]) -> None:
    provider.validate_availability_zone(data)


KIND: Final = Kind(
    view=AVAILABILITY_ZONES,
    argument="availability_zone_",
    post=AvailabilityZonePost,
    put=AvailabilityZonePut,
    used_by=LoadBalancer.availability_zone,
    check=_check,
)

PROFILES_OF_ZONES: Final = Kind(
    view=AVAILABILITY_ZONE_PROFILES,
    argument="availability_zone_profile_",
    post=AvailabilityZoneProfilePost,
    put=AvailabilityZoneProfilePut,
    used_by=AvailabilityZone.availability_zone_profile_id,
    check=_check_profile,
)
