# ruff: noqa: RUF012 - msgspec gives every object its own copy of an empty default.
"""Members: ``/pools/{pool}/members`` (reference, 1.9)."""

from msgspec import UNSET, UnsetType

from lictor.api.fields import Wire
from lictor.api.kinds import AddressAsWritten, Name, Port, Project, Tag, Uuid, Weight


class MemberInGraph(Wire):
    """A member inside a pool."""

    address: AddressAsWritten
    protocol_port: Port
    name: Name = ""
    admin_state_up: bool = True
    weight: Weight = 1
    backup: bool = False
    subnet_id: Uuid | None = None
    monitor_address: AddressAsWritten | None = None
    monitor_port: Port | None = None
    request_sriov: bool = False
    project_id: Project | None = None
    tags: list[Tag] = []


class MemberPost(MemberInGraph):
    """``POST /pools/{pool}/members``."""


class MemberInBatch(Wire):
    """One entry of ``PUT /pools/{pool}/members``.

    On a member that is there, what has a default in Octavia is set back to it when left out; the rest stays (1.9).
    """

    address: AddressAsWritten
    protocol_port: Port
    name: Name | UnsetType = UNSET
    admin_state_up: bool = True
    weight: Weight = 1
    backup: bool = False
    subnet_id: Uuid | UnsetType = UNSET
    monitor_address: AddressAsWritten | None = None
    monitor_port: Port | None = None
    request_sriov: bool = False
    project_id: Project | None = None
    tags: list[Tag] | UnsetType = UNSET


class MemberPut(Wire):
    """``PUT /pools/{pool}/members/{member}``."""

    name: Name | UnsetType | None = UNSET
    admin_state_up: bool | UnsetType | None = UNSET
    weight: Weight | UnsetType | None = UNSET
    backup: bool | UnsetType | None = UNSET
    monitor_address: AddressAsWritten | UnsetType | None = UNSET
    monitor_port: Port | UnsetType | None = UNSET
    tags: list[Tag] | UnsetType | None = UNSET
