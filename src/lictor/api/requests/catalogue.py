"""What administrators offer: flavors, availability zones and their profiles (reference, 1.13)."""

from msgspec import UNSET, UnsetType

from lictor.api.fields import Wire
from lictor.api.kinds import Label, Name, PathLabel, ProfileData, Uuid


class FlavorPost(Wire):
    """``POST /flavors``."""

    name: Label
    flavor_profile_id: Uuid
    description: Name = ""
    enabled: bool = True


class FlavorPut(Wire):
    """``PUT /flavors/{id}``."""

    name: Label | UnsetType | None = UNSET
    description: Name | UnsetType | None = UNSET
    enabled: bool | UnsetType | None = UNSET


class FlavorProfilePost(Wire):
    """``POST /flavorprofiles``."""

    name: Label
    provider_name: Label
    flavor_data: ProfileData


class FlavorProfilePut(Wire):
    """``PUT /flavorprofiles/{id}``."""

    name: Label | UnsetType | None = UNSET
    provider_name: Label | UnsetType | None = UNSET
    flavor_data: ProfileData | UnsetType | None = UNSET


class AvailabilityZonePost(Wire):
    """``POST /availabilityzones``. A name that no path can hold would be one that nobody can show or delete."""

    name: PathLabel
    availability_zone_profile_id: Uuid
    description: Name = ""
    enabled: bool = True


class AvailabilityZonePut(Wire):
    """``PUT /availabilityzones/{name}``."""

    description: Name | UnsetType | None = UNSET
    enabled: bool | UnsetType | None = UNSET


class AvailabilityZoneProfilePost(Wire):
    """``POST /availabilityzoneprofiles``."""

    name: Label
    provider_name: Label
    availability_zone_data: ProfileData


class AvailabilityZoneProfilePut(Wire):
    """``PUT /availabilityzoneprofiles/{id}``."""

    name: Label | UnsetType | None = UNSET
    provider_name: Label | UnsetType | None = UNSET
    availability_zone_data: ProfileData | UnsetType | None = UNSET
