"""What clients get: how the rows of each table are rendered (reference, 1.1 and 1.6 to 1.11).

Rows are read as plain columns, and what hangs on each as one more column (``lictor.model.listed``): a page of a
thousand load balancers costs one statement.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import UnsetType
from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, exists, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from lictor.api import errors
from lictor.api.answers import Ref, Vip
from lictor.api.kinds import Uuid, parse_name, parse_uuid
from lictor.model import (
    AdditionalVip,
    AvailabilityZone,
    AvailabilityZoneProfile,
    Flavor,
    FlavorProfile,
    HealthMonitor,
    L7Policy,
    L7Rule,
    Listener,
    LoadBalancer,
    Member,
    Pool,
    Quota,
    Resource,
)
from lictor.model.listed import Hanging
from lictor.model.queries import TAGS, oldest_first
from lictor.model.quotas import LIMITED

Document = dict[str, Any]
Database = Session | Connection
"""Where rows are read. Not as objects: those that a session makes take as long as all the rest of an answer."""

Hangers = dict[str, list[str]]
"""What hangs on one object, by the names of its view's ``hanging``."""


@dataclasses.dataclass(frozen=True)
class View:
    """How one kind of object is named, read and shown.

    ``columns`` are shown as they are; ``hanging`` is what other tables know, and ``finish`` gives a document its form;
    ``filters`` can only be asked for: each makes a condition of a value. ``key`` is the attribute that paths and
    markers name an object by; ``links`` begins the name of a list's links where that is not the name of the list
    (reference, 1.3). Lists begin with the oldest object, or the newest if ``newest_first``. ``shapes`` are, for the
    document of the API, the types of what ``finish`` adds, and None for what it takes away.
    """

    model: type[Any]
    single: str
    plural: str
    title: str
    rule: str
    columns: Mapping[str, InstrumentedAttribute[Any]]
    finish: Callable[[Document, Hangers], None]
    hanging: Mapping[str, Hanging] = dataclasses.field(default_factory=dict)
    filters: Mapping[str, Callable[[str], ColumnElement[bool]]] = dataclasses.field(default_factory=dict)
    key: str = "id"
    links: str = ""
    newest_first: bool = False
    shapes: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def owned(self) -> bool:
        """Whether each object belongs to a project; if not, all of them are everybody's or the administrators'."""
        return "project_id" in self.columns

    @property
    def tagged(self) -> bool:
        """Whether users put tags on these objects (reference, 1.5)."""
        return issubclass(self.model, Resource)

    @functools.cached_property
    def _hanging(self) -> dict[str, Hanging]:
        return {**self.hanging, **({"tags": TAGS} if self.tagged else {})}

    @functools.cached_property
    def _query(self) -> Select[Any]:
        # The columns of the table: those of the class carry notes, which SQLAlchemy compares one by one.
        plain = [column.property.columns[0] for column in self.columns.values()]
        return select(*plain, *(each.on(self.model) for each in self._hanging.values()))

    @functools.cached_property
    def _one(self) -> Select[Any]:
        return self._query.where(self.columns[self.key] == bindparam("key"))

    @functools.cached_property
    def _whose(self) -> Select[Any]:
        return select(self.model.project_id).where(self.columns[self.key] == bindparam("key"))

    @functools.cached_property
    def _of_one_load_balancer(self) -> Select[Any]:
        mine = self._query.where(self.model.load_balancer_id == bindparam("key"))
        return mine.order_by(self.model.created_at, self.model.id)

    def query(self) -> Select[Any]:
        """Selects the columns and what hangs on them, of all rows."""
        return self._query

    def render(self, database: Database, query: Select[Any], **values: Any) -> list[Document]:
        """The documents of the rows that a query like ``query()`` finds; ``values`` are those of its parameters."""
        if isinstance(database, Session):
            database.flush()
            database = database.connection()
        return [self._document(row) for row in database.execute(query, values)]

    def _document(self, row: Row[Any]) -> Document:
        document = dict(zip(self.columns, row, strict=False))
        told = zip(self._hanging.items(), row[len(document) :], strict=True)
        hanging = {name: each.items(text) for (name, each), text in told}
        if self.owned:
            document["tenant_id"] = document["project_id"]
        if self.tagged:
            document["tags"] = hanging["tags"]
        self.finish(document, hanging)
        return document

    def show(self, database: Database, resource_id: str) -> Document:
        """The document of one row. Raises 404."""
        documents = self.render(database, self._one, key=resource_id)
        if not documents:
            raise self.not_found(resource_id)
        return documents[0]

    def project(self, database: Database, resource_id: str) -> str:
        """Whose a row is. Raises 404."""
        project_id: str | None = database.scalar(self._whose, {"key": resource_id})
        if project_id is None:
            raise self.not_found(resource_id)
        return project_id

    def below(self, database: Database, load_balancer_id: str) -> list[Document]:
        """The documents of all rows below a load balancer, the oldest first."""
        return self.render(database, self._of_one_load_balancer, key=load_balancer_id)

    def identify(self, text: str) -> str:
        """The key that a path's segment names. Raises 404 if it cannot be one (reference, 1.4)."""
        try:
            return parse_uuid(text) if self.key == "id" else parse_name(text)
        except ValueError:
            raise self.not_found(text) from None

    def not_found(self, resource_id: str) -> Exception:
        """The error for an object that is not there."""
        return errors.not_found(self.title, resource_id)

    def immutable(self, resource_id: str) -> Exception:
        """The error for an object that is being deleted."""
        return errors.immutable(self.title, resource_id)


def columns_of(model: type[Any], *names: str, **renamed: str) -> dict[str, InstrumentedAttribute[Any]]:
    """The columns that all objects show, those of ``names``, and ``renamed`` ones (API name to column name)."""
    common = ("id", "project_id", "name", "admin_state_up", "provisioning_status", "operating_status")
    shown = {name: getattr(model, name) for name in (*common, "created_at", "updated_at", *names)}
    return shown | {name: getattr(model, column) for name, column in renamed.items()}


def no_more(_document: Document, _hanging: Hangers) -> None:
    """The ``finish`` of objects that show nothing but their own columns."""


def only_ids(ids: Sequence[str]) -> list[dict[str, str]]:
    """References to objects, as they stand in other objects."""
    return [{"id": each} for each in ids]


def _up(document: Document) -> None:
    document["loadbalancers"] = only_ids([document.pop("loadbalancer_id")])


# --- load balancers --------------------------------------------------------------------------------------------------


def _finish_loadbalancer(document: Document, hanging: Hangers) -> None:
    document["listeners"] = only_ids(hanging["listeners"])
    document["pools"] = only_ids(hanging["pools"])
    document["additional_vips"] = [dict(zip(_VIP, text.split(" "), strict=True)) for text in hanging["vips"]]


_VIP = ("subnet_id", "ip_address", "port_id")
# In one column, as all that hangs on a row is; none of the three holds a space.
_VIP_TEXT = AdditionalVip.subnet_id + " " + AdditionalVip.ip_address + " " + AdditionalVip.port_id

LOAD_BALANCERS = View(
    model=LoadBalancer,
    single="loadbalancer",
    plural="loadbalancers",
    title="Load Balancer",
    rule="loadbalancer",
    columns=columns_of(
        LoadBalancer, "description", "provider", "flavor_id", "availability_zone", "vip_address", "vip_subnet_id",
        "vip_network_id", "vip_port_id", "vip_qos_policy_id", "vip_sg_ids", "vip_vnic_type",
    ),
    finish=_finish_loadbalancer,
    hanging={
        "listeners": oldest_first(Listener.load_balancer_id, Listener.id),
        "pools": oldest_first(Pool.load_balancer_id, Pool.id),
        "vips": Hanging(AdditionalVip.load_balancer_id, _VIP_TEXT, AdditionalVip.position),
    },
    shapes={"listeners": list[Ref], "pools": list[Ref], "additional_vips": list[Vip]},
)  # fmt: skip


# --- listeners -------------------------------------------------------------------------------------------------------


def _finish_listener(document: Document, hanging: Hangers) -> None:
    document["l7policies"] = only_ids(hanging["l7policies"])
    _up(document)


LISTENERS = View(
    model=Listener,
    single="listener",
    plural="listeners",
    title="Listener",
    rule="listener",
    columns=columns_of(
        Listener, "description", "protocol", "protocol_port", "connection_limit", "default_pool_id",
        "default_tls_container_ref", "sni_container_refs", "client_ca_tls_container_ref", "client_authentication",
        "client_crl_container_ref", "insert_headers", "timeout_client_data", "timeout_member_connect",
        "timeout_member_data", "timeout_tcp_inspect", "allowed_cidrs", "tls_ciphers", "tls_versions",
        "alpn_protocols", "hsts_max_age", "hsts_include_subdomains", "hsts_preload",
        loadbalancer_id="load_balancer_id",
    ),
    finish=_finish_listener,
    hanging={"l7policies": oldest_first(L7Policy.listener_id, L7Policy.id, L7Policy.position)},
    shapes={"l7policies": list[Ref], "loadbalancers": list[Ref], "loadbalancer_id": None},
    filters={"load_balancer_id": lambda value: Listener.load_balancer_id == value},
)  # fmt: skip


# --- pools -----------------------------------------------------------------------------------------------------------


def _finish_pool(document: Document, hanging: Hangers) -> None:
    document["listeners"] = only_ids(list(dict.fromkeys([*hanging["listeners"], *hanging["redirecting"]])))
    document["members"] = only_ids(hanging["members"])
    if hanging["monitors"]:
        document["healthmonitor_id"] = hanging["monitors"][0]
    document["session_persistence"] = _persistence(document["session_persistence"])
    _up(document)


def _persistence(stored: Document | None) -> Document | None:
    keys = ("type", "cookie_name", "persistence_timeout", "persistence_granularity")
    return {key: stored.get(key) for key in keys} if stored else None


def _has_listener(value: str) -> ColumnElement[bool]:
    redirects = exists().where(L7Policy.redirect_pool_id == Pool.id, L7Policy.listener_id == value)
    return exists().where(Listener.default_pool_id == Pool.id, Listener.id == value) | redirects


POOLS = View(
    model=Pool,
    single="pool",
    plural="pools",
    title="Pool",
    rule="pool",
    columns=columns_of(
        Pool, "description", "protocol", "lb_algorithm", "session_persistence", "tls_enabled", "tls_container_ref",
        "ca_tls_container_ref", "crl_container_ref", "tls_ciphers", "tls_versions", "alpn_protocols",
        loadbalancer_id="load_balancer_id",
    ),
    finish=_finish_pool,
    hanging={
        "listeners": oldest_first(Listener.default_pool_id, Listener.id),
        "redirecting": oldest_first(L7Policy.redirect_pool_id, L7Policy.listener_id),
        "members": oldest_first(Member.pool_id, Member.id),
        "monitors": oldest_first(HealthMonitor.pool_id, HealthMonitor.id),
    },
    shapes={
        "listeners": list[Ref], "members": list[Ref], "healthmonitor_id": Uuid | UnsetType, "loadbalancers": list[Ref],
        "loadbalancer_id": None,
    },
    filters={"load_balancer_id": lambda value: Pool.load_balancer_id == value, "listener_id": _has_listener},
)  # fmt: skip


# --- members and health monitors -------------------------------------------------------------------------------------


MEMBERS = View(
    model=Member,
    single="member",
    plural="members",
    title="Member",
    rule="member",
    columns=columns_of(
        Member, "address", "protocol_port", "weight", "backup", "subnet_id", "monitor_address", "monitor_port",
        "vnic_type",
    ),
    finish=no_more,
    filters={"pool_id": lambda value: Member.pool_id == value},
)  # fmt: skip


def _finish_monitor(document: Document, _hanging: Hangers) -> None:
    document["pools"] = only_ids([document.pop("pool_id")])


MONITORS = View(
    model=HealthMonitor,
    single="healthmonitor",
    plural="healthmonitors",
    title="HealthMonitor",
    rule="healthmonitor",
    columns=columns_of(
        HealthMonitor, "type", "delay", "timeout", "max_retries", "max_retries_down", "http_method", "url_path",
        "expected_codes", "http_version", "domain_name", "pool_id",
    ),
    finish=_finish_monitor,
    shapes={"pools": list[Ref], "pool_id": None},
    filters={
        "loadbalancer_id": lambda value: HealthMonitor.load_balancer_id == value,
        "load_balancer_id": lambda value: HealthMonitor.load_balancer_id == value,
    },
)  # fmt: skip


# --- L7 policies and rules -------------------------------------------------------------------------------------------


def _finish_policy(document: Document, hanging: Hangers) -> None:
    document["rules"] = only_ids(hanging["rules"])


L7POLICIES = View(
    model=L7Policy,
    single="l7policy",
    plural="l7policies",
    title="L7Policy",
    rule="l7policy",
    columns=columns_of(
        L7Policy, "description", "listener_id", "action", "redirect_pool_id", "redirect_url", "redirect_prefix",
        "redirect_http_code", "position",
    ),
    finish=_finish_policy,
    hanging={"rules": oldest_first(L7Rule.l7policy_id, L7Rule.id)},
    shapes={"rules": list[Ref]},
    filters={
        "loadbalancer_id": lambda value: L7Policy.load_balancer_id == value,
        "load_balancer_id": lambda value: L7Policy.load_balancer_id == value,
    },
)  # fmt: skip


_RULE = columns_of(L7Rule, "type", "compare_type", "key", "value", "invert")

L7RULES = View(
    model=L7Rule,
    single="rule",
    plural="rules",
    title="L7Rule",
    rule="l7rule",
    columns={name: column for name, column in _RULE.items() if name != "name"},
    finish=no_more,
    filters={"l7policy_id": lambda value: L7Rule.l7policy_id == value},
)


# --- what administrators offer ---------------------------------------------------------------------------------------


def _named(model: type[Any], *names: str) -> dict[str, InstrumentedAttribute[Any]]:
    return {name: getattr(model, name) for name in names}


FLAVORS = View(
    model=Flavor,
    single="flavor",
    plural="flavors",
    title="Flavor",
    rule="flavor",
    columns=_named(Flavor, "id", "name", "description", "enabled", "flavor_profile_id"),
    finish=no_more,
)

FLAVOR_PROFILES = View(
    model=FlavorProfile,
    single="flavorprofile",
    plural="flavorprofiles",
    title="Flavor profile",
    rule="flavor-profile",
    columns=_named(FlavorProfile, "id", "name", "provider_name", "flavor_data"),
    finish=no_more,
    links="flavorprofile",
)

AVAILABILITY_ZONES = View(
    model=AvailabilityZone,
    single="availability_zone",
    plural="availability_zones",
    title="Availability Zone",
    rule="availability-zone",
    columns=_named(AvailabilityZone, "name", "description", "enabled", "availability_zone_profile_id"),
    finish=no_more,
    key="name",
)

AVAILABILITY_ZONE_PROFILES = View(
    model=AvailabilityZoneProfile,
    single="availability_zone_profile",
    plural="availability_zone_profiles",
    title="Availability Zone Profile",
    rule="availability-zone-profile",
    columns=_named(AvailabilityZoneProfile, "id", "name", "provider_name", "availability_zone_data"),
    finish=no_more,
    links="availability_zone_profile",
)

QUOTAS = View(
    model=Quota,
    single="quota",
    plural="quotas",
    title="Quotas",
    rule="quota",
    columns=_named(Quota, "project_id", *LIMITED),
    finish=no_more,
    key="project_id",
    shapes={"load_balancer": int, "health_monitor": int},
)
