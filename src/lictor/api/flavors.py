"""Flavors and their profiles: ``/flavors`` and ``/flavorprofiles`` (reference, 1.13)."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.orm import Session

from lictor.api import errors, profiles
from lictor.api.catalogue import Kind, check_name
from lictor.api.requests import FlavorPost, FlavorProfilePost, FlavorProfilePut, FlavorPut
from lictor.api.resource import Api
from lictor.api.views import FLAVOR_PROFILES, FLAVORS
from lictor.drivers.providers.base import Provider
from lictor.model import Flavor, FlavorProfile, LoadBalancer


def _check(_api: Api, session: Session, values: dict[str, Any], row: Flavor | None) -> None:
    check_name(session, FLAVORS, "flavor", values, row)
    profile_id = values.get("flavor_profile_id")
    if profile_id is not None and session.get(FlavorProfile, profile_id) is None:
        raise errors.invalid_subresource(FLAVOR_PROFILES.title, profile_id)


def _check_profile(api: Api, session: Session, values: dict[str, Any], row: FlavorProfile | None) -> None:
    profiles.check(api, session, PROFILES_OF_FLAVORS, "flavor_data", _validate, values, row)


def _validate(provider: Provider, data: Mapping[str, Any]) -> None:
    provider.validate_flavor(data)


KIND: Final = Kind(
    view=FLAVORS,
    argument="flavor_",
    post=FlavorPost,
    put=FlavorPut,
    used_by=LoadBalancer.flavor_id,
    check=_check,
)

PROFILES_OF_FLAVORS: Final = Kind(
    view=FLAVOR_PROFILES,
    argument="flavor_profile_",
    post=FlavorProfilePost,
    put=FlavorProfilePut,
    used_by=Flavor.flavor_profile_id,
    check=_check_profile,
)
