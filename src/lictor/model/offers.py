"""What a load balancer's flavor and availability zone say, for whoever has to make it so."""

import json
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lictor.model.admin import AvailabilityZone, AvailabilityZoneProfile, Flavor, FlavorProfile
from lictor.model.loadbalancer import LoadBalancer

Data = dict[str, Any]


def flavor_data(session: Session, flavor_id: str | None) -> Data:
    """The data of a flavor's profile; none for a load balancer without a flavor."""
    profile = FlavorProfile
    query = select(profile.flavor_data).join(Flavor, Flavor.flavor_profile_id == profile.id)
    return _read(session.scalar(query.where(Flavor.id == flavor_id)) if flavor_id else None)


def availability_zone_data(session: Session, name: str | None) -> Data:
    """The data of an availability zone's profile; none for a load balancer without a zone."""
    profile, zone = AvailabilityZoneProfile, AvailabilityZone
    query = select(profile.availability_zone_data).join(zone, zone.availability_zone_profile_id == profile.id)
    return _read(session.scalar(query.where(zone.name == name)) if name else None)


def amphora_columns(session: Session, load_balancer: LoadBalancer) -> dict[str, str | None]:
    """What these promise of each amphora, as it stands in the amphora's row."""
    return {
        "compute_flavor": flavor_data(session, load_balancer.flavor_id).get("compute_flavor"),
        "cached_zone": availability_zone_data(session, load_balancer.availability_zone).get("compute_zone"),
    }


def _read(text: str | None) -> Data:
    return dict(json.loads(text)) if text else {}
