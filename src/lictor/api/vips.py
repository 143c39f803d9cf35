"""The virtual IPs of a load balancer: their ports, and those of the amphorae that will carry them, made in one go."""

import dataclasses
import logging

from lictor.api import errors, places
from lictor.api.auth.context import Sees
from lictor.api.places import Further, Place
from lictor.api.requests.loadbalancers import LoadBalancerPost
from lictor.api.resource import Api
from lictor.drivers.network.base import (
    AddressUnavailable,
    Named,
    NetworkError,
    Networking,
    Port,
    PortRequest,
    Seen,
    Subnet,
    additional_vip_port,
    amphora_port,
    vip_port,
)
from lictor.failpoints import reach
from lictor.model import AdditionalVip

LOG = logging.getLogger(__name__)

BETWEEN = ("addresses set aside",)
"""Fail points between "made outside" and "written down"."""


@dataclasses.dataclass(frozen=True)
class Claimed:
    """A port that is ours to use; ``owned`` if we made it, so that it goes with the load balancer."""

    port: Port
    owned: bool


@dataclasses.dataclass(frozen=True)
class Vip:
    """What a load balancer takes of the network.

    ``amphora_ports`` are those that the first amphorae will have: whoever accepts a load balancer has set aside all the
    addresses that it takes.
    """

    main: Claimed
    additional: tuple[Claimed, ...]
    amphora_ports: tuple[Port, ...]
    qos_policy_id: str | None

    def columns(self) -> dict[str, str | bool | None]:
        """As they stand in the load balancer's row."""
        port = self.main.port
        return {
            "vip_address": port.ip_address,
            "vip_port_id": port.id,
            "vip_subnet_id": port.subnet_id,
            "vip_network_id": port.network_id,
            "vip_port_owned": self.main.owned,
            "vip_qos_policy_id": self.qos_policy_id,
        }

    def rows(self) -> list[AdditionalVip]:
        """The additional VIPs, in the order in which they were asked for."""
        return [
            AdditionalVip(
                subnet_id=each.port.subnet_id,
                position=position,
                ip_address=each.port.ip_address,
                port_id=each.port.id,
                network_id=each.port.network_id,
                port_owned=each.owned,
            )
            for position, each in enumerate(self.additional)
        ]

    def given(self) -> list[str]:
        """The ids of the ports that the user brought. One may be several VIPs: it has an address for each."""
        return sorted({each.port.id for each in (self.main, *self.additional) if not each.owned})


@dataclasses.dataclass(frozen=True)
class Owner:
    """Whom ports are made for, and what of the network service's exists for whoever asks.

    ``seen`` is the network service as that one sees it. ``valid_networks`` are those the VIP may be on; none leaves it
    to the configuration.
    """

    load_balancer_id: str
    project_id: str
    amphora_ids: tuple[str, ...]
    seen: Seen
    sees: Sees
    valid_networks: tuple[str, ...] = ()


def claim(api: Api, wanted: LoadBalancerPost, owner: Owner) -> Vip:
    """Find the ports that are asked for, or make them, and set the amphorae's addresses aside. All or nothing.

    Raises 400, 409 and ``NetworkError``.
    """
    vip = _claim(api, wanted, owner)
    reach("addresses set aside")
    return vip


def _claim(api: Api, wanted: LoadBalancerPost, owner: Owner) -> Vip:
    place = places.find(owner.seen, api.conf, wanted, 1 + len(owner.amphora_ids), owner.sees)
    check_extras(owner.seen, wanted.vip_qos_policy_id, wanted.vip_sg_ids, owner.sees)
    places.check_network(owner.seen, api.conf, place.network_id, owner.valid_networks)
    further = places.further(owner.seen, place, wanted.additional_vips, owner.sees)
    for subnet in place.subnets[:-1]:
        try:
            return _make(api.networking, place, subnet, further, wanted, owner)
        except AddressUnavailable:
            continue
    return _make(api.networking, place, place.subnets[-1], further, wanted, owner)


def check_extras(networking: Seen, qos_policy_id: str | None, security_group_ids: list[str] | None, sees: Sees) -> None:
    """Raises 400 for QoS policies and security groups that are not there."""
    if qos_policy_id is not None and not _exists(networking.qos_policy(qos_policy_id), sees):
        raise errors.invalid_subresource("QoS policy", qos_policy_id)
    for group_id in security_group_ids or []:
        if not _exists(networking.security_group(group_id), sees):
            raise errors.invalid_subresource("Security group", group_id)


def _exists(found: Named | None, sees: Sees) -> bool:
    return found is not None and sees(found)


def release(networking: Networking, vip: Vip) -> None:
    """Give back what ``claim`` made. What cannot be given back now is collected later, by its name."""
    made = [each.port for each in (vip.main, *vip.additional) if each.owned]
    for port in (*vip.amphora_ports, *made):
        try:
            networking.delete_port(port.id)
        except NetworkError as error:
            LOG.warning("Port %s (%s) is left over, to be collected later: %s", port.id, port.name, error)


def _make(
    networking: Networking,
    place: Place,
    subnet: Subnet,
    further: list[Further],
    wanted: LoadBalancerPost,
    owner: Owner,
) -> Vip:
    requests = _requests(place, subnet, further, wanted, owner)
    made = iter(networking.create_ports([dataclasses.replace(each, network_id=place.network_id) for each in requests]))
    main = Claimed(place.port, False) if place.port else Claimed(next(made), True)
    additional = tuple(Claimed(each.port, False) if each.port else Claimed(next(made), True) for each in further)
    inherited = place.port.qos_policy_id if place.port else ""
    return Vip(main, additional, tuple(made), wanted.vip_qos_policy_id or inherited or None)


def _requests(
    place: Place, subnet: Subnet, further: list[Further], wanted: LoadBalancerPost, owner: Owner
) -> list[PortRequest]:
    """The ports to be made: the VIP's, those of additional VIPs, those of amphorae."""
    balancer, project = owner.load_balancer_id, owner.project_id
    main = [] if place.port else [vip_port(balancer, subnet.id, project, wanted.vip_address or "")]
    more = [
        additional_vip_port(balancer, number, each.subnet.id, project, each.ip_address)
        for number, each in enumerate(further, 1)
        if each.port is None
    ]
    return [*main, *more, *(amphora_port(amphora_id, subnet.id, project) for amphora_id in owner.amphora_ids)]
