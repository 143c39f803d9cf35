# ruff: noqa: RUF012 - msgspec gives every object its own copy of an empty default.
"""Load balancers: ``/loadbalancers`` (reference, 1.6)."""

from msgspec import UNSET, UnsetType

from lictor.api.fields import Wire
from lictor.api.kinds import Address, Name, Project, Tag, Uuid
from lictor.api.requests.listeners import ListenerInGraph
from lictor.api.requests.pools import PoolInGraph


class AdditionalVip(Wire):
    """A further address of a load balancer."""

    subnet_id: Uuid
    ip_address: Address | None = None
    port_id: Uuid | None = None


class LoadBalancerPost(Wire):
    """``POST /loadbalancers``, alone or with the whole graph below it."""

    name: Name = ""
    description: Name = ""
    admin_state_up: bool = True
    project_id: Project | None = None
    provider: Name | None = None
    flavor_id: Uuid | None = None
    availability_zone: Name | None = None
    vip_address: Address | None = None
    vip_subnet_id: Uuid | None = None
    vip_network_id: Uuid | None = None
    vip_port_id: Uuid | None = None
    vip_qos_policy_id: Uuid | None = None
    vip_sg_ids: list[Uuid] = []
    additional_vips: list[AdditionalVip] = []
    listeners: list[ListenerInGraph] = []
    pools: list[PoolInGraph] = []
    tags: list[Tag] = []


class LoadBalancerPut(Wire):
    """``PUT /loadbalancers/{id}``."""

    name: Name | UnsetType | None = UNSET
    description: Name | UnsetType | None = UNSET
    admin_state_up: bool | UnsetType | None = UNSET
    vip_qos_policy_id: Uuid | UnsetType | None = UNSET
    vip_sg_ids: list[Uuid] | UnsetType | None = UNSET
    tags: list[Tag] | UnsetType | None = UNSET
