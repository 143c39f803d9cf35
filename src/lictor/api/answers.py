"""What clients get where it is no row of a table: the types of those answers, for the document of the API."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Moment = Annotated[
    str,
    Meta(
        description="a moment in UTC, without a zone",
        extra_json_schema={
            "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?$",
            "examples": ["2026-11-23T03:56:53.087080"],
        },
    ),
]


class Ref(Struct):
    """An object as it stands in others."""

    id: str


class Vip(Struct):
    """A further address of a load balancer."""

    subnet_id: str
    ip_address: str
    port_id: str


class Link(Struct):
    """Where a neighbour of this page is."""

    rel: str
    href: str


class Stats(Struct):
    """What a load balancer or a listener carried so far; connections are active on amphorae that work."""

    bytes_in: int
    bytes_out: int
    active_connections: int
    total_connections: int
    request_errors: int


class AmphoraStats(Stats):
    """What one amphora counted for one listener; ``id`` is the amphora's."""

    id: str
    listener_id: str
    loadbalancer_id: str


class Status(Struct, kw_only=True):
    """What all parts of a status tree have in common.

    The last three are there after a failure, unless the part is ACTIVE: why the last attempt to apply its change
    failed, how many attempts did, and when the next one is due (null: at once).
    """

    id: str
    name: str
    operating_status: str
    provisioning_status: str
    fault: str | UnsetType = UNSET
    attempts: int | UnsetType = UNSET
    next_try_at: Moment | UnsetType | None = UNSET


class MemberStatus(Status, kw_only=True):
    """A member in a status tree."""

    address: str
    protocol_port: int


class MonitorStatus(Status, kw_only=True):
    """A health monitor in a status tree."""

    type: str


class PoolStatus(Status, kw_only=True):
    """A pool in a status tree."""

    members: list[MemberStatus]
    health_monitor: MonitorStatus | UnsetType = UNSET


class ListenerStatus(Status, kw_only=True):
    """A listener in a status tree."""

    pools: list[PoolStatus]


class LoadBalancerStatus(Status, kw_only=True):
    """The root of a status tree."""

    listeners: list[ListenerStatus]


class StatusTree(Struct):
    """The statuses of a load balancer and of all that is below."""

    loadbalancer: LoadBalancerStatus


class Provider(Struct):
    """What carries load balancers."""

    name: str
    description: str


class Quota(Struct):
    """What a project may have; -1 is no limit."""

    loadbalancer: int
    load_balancer: int
    listener: int
    pool: int
    member: int
    healthmonitor: int
    health_monitor: int
    l7policy: int
    l7rule: int


class Version(Struct):
    """One version of the API."""

    id: str
    status: str
    updated: str
    links: list[Link]


class Versions(Struct):
    """All versions: they say what exists; the server always behaves as the newest."""

    versions: list[Version]


class Health(Struct):
    """Whether the API works; more, and objects for the reasons, if the operator wants details."""

    reasons: list[Any]
    detailed: bool


class Fault(Struct):
    """What was wrong with a request, or with us."""

    faultcode: Literal["Client", "Server"]
    faultstring: str
    debuginfo: str | None


class Unauthorized(Struct):
    """Why a request without good credentials is refused."""

    code: Literal[401]
    title: str
    message: str


class Refused(Struct):
    """The answer to a request without good credentials, as keystonemiddleware has it."""

    error: Unauthorized
