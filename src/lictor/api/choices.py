"""What a new load balancer is made of: its provider, flavor and availability zone (reference, 1.6 and 1.13)."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from lictor.api import errors, supported
from lictor.api.providers import resolve
from lictor.api.requests.loadbalancers import LoadBalancerPost
from lictor.api.resource import Api
from lictor.api.views import AVAILABILITY_ZONE_PROFILES, AVAILABILITY_ZONES, FLAVOR_PROFILES, FLAVORS, View
from lictor.drivers.providers.base import Provider
from lictor.model.offers import availability_zone_data, flavor_data
from lictor.model.statuses import Topology


@dataclasses.dataclass(frozen=True)
class Choice:
    """``flavor`` and ``zone`` are the data of the profiles: what the operator promised under these names."""

    provider: Provider
    topology: str
    flavor_id: str | None
    availability_zone: str | None
    flavor: Mapping[str, Any]
    zone: Mapping[str, Any]

    def columns(self) -> dict[str, str | None]:
        """As they stand in the load balancer's row."""
        return {
            "provider": self.provider.name,
            "topology": self.topology,
            "flavor_id": self.flavor_id,
            "availability_zone": self.availability_zone,
            "vip_vnic_type": "direct" if self.flavor.get("sriov_vip") else "normal",
        }

    @property
    def valid_vip_networks(self) -> tuple[str, ...]:
        """The networks that the availability zone has VIPs on; none if it leaves that to the configuration."""
        return tuple(str(each).lower() for each in self.zone.get("valid_vip_networks", ()))


def choose(api: Api, wanted: LoadBalancerPost) -> Choice:
    """What the request names, and for the rest what the operator configured. Raises 400 and 501."""
    with api.store.read() as session:
        of_flavor = _provider_of(session, FLAVORS, FLAVOR_PROFILES, wanted.flavor_id)
        of_zone = _provider_of(session, AVAILABILITY_ZONES, AVAILABILITY_ZONE_PROFILES, wanted.availability_zone)
        flavor = flavor_data(session, wanted.flavor_id)
        zone = availability_zone_data(session, wanted.availability_zone)
    provider = resolve(api.conf, wanted.provider or of_flavor)
    _check_provider(api, provider, "Flavor", wanted.flavor_id, of_flavor)
    _check_provider(api, provider, "Availability zone", wanted.availability_zone, of_zone)
    if provider.has_amphorae:
        supported.check(api.conf, "flavor", flavor)
        supported.check(api.conf, "availability_zone", zone)
    if wanted.vip_sg_ids and flavor.get("sriov_vip"):
        raise errors.validation("vip_sg_ids: no security group filters the SR-IOV VIP of this flavor.")
    topology = flavor.get("loadbalancer_topology", api.conf.controller_worker.loadbalancer_topology)
    return Choice(
        provider=provider,
        topology=topology if provider.has_amphorae else Topology.NONE,
        flavor_id=wanted.flavor_id,
        availability_zone=wanted.availability_zone,
        flavor=flavor,
        zone=zone,
    )


def _provider_of(session: Session, offers: View, profiles: View, key: str | None) -> str | None:
    """The provider that a flavor or availability zone belongs to. Raises 400 unless it may be chosen."""
    if key is None:
        return None
    offer = session.get(offers.model, key)
    if offer is None:
        raise errors.invalid_subresource(offers.title, key)
    if not offer.enabled:
        raise errors.disabled_option(offers.model.__tablename__, key)
    name: str = session.get_one(profiles.model, getattr(offer, f"{profiles.model.__tablename__}_id")).provider_name
    return name


def _check_provider(api: Api, provider: Provider, title: str, key: str | None, name: str | None) -> None:
    if name is not None and resolve(api.conf, name).driver != provider.driver:
        raise errors.bad_request(f"{title} '{key}' is not compatible with provider '{provider.name}'")
