# ruff: noqa: RUF012 - msgspec gives every object its own copy of an empty default.
"""What clients may send: one type for each object and verb, with ranges and defaults (reference, 1.6 to 1.13).

Types that end in ``Post`` create, those that end in ``Put`` change what they name; ``...InGraph`` stand inside another
object's creation, which tells them where they belong.
"""

from typing import Literal

from msgspec import UNSET, UnsetType

from lictor.api.fields import Wire
from lictor.api.kinds import (
    Address,
    AddressAsWritten,
    Alpn,
    Cidr,
    Ciphers,
    ConnectionLimit,
    CookieName,
    DomainName,
    ExpectedCodes,
    HttpVersion,
    InsertHeaders,
    Label,
    Limit,
    MaxAge,
    Milliseconds,
    Name,
    Netmask,
    OneLine,
    PathLabel,
    Persistence,
    Port,
    Position,
    ProfileData,
    Project,
    Reference,
    Retries,
    Seconds,
    Tag,
    TlsVersion,
    Url,
    UrlPath,
    Uuid,
    Weight,
)

ListenerProtocol = Literal["TCP", "HTTP", "HTTPS", "TERMINATED_HTTPS", "UDP", "SCTP", "PROMETHEUS"]
PoolProtocol = Literal["HTTP", "HTTPS", "TCP", "PROXY", "PROXYV2", "UDP", "SCTP"]
Algorithm = Literal["ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP", "SOURCE_IP_PORT"]
ClientAuthentication = Literal["NONE", "OPTIONAL", "MANDATORY"]
PersistenceType = Literal["SOURCE_IP", "HTTP_COOKIE", "APP_COOKIE"]
MonitorType = Literal["HTTP", "HTTPS", "PING", "TCP", "TLS-HELLO", "UDP-CONNECT", "SCTP"]
PolicyAction = Literal["REJECT", "REDIRECT_TO_URL", "REDIRECT_TO_POOL", "REDIRECT_PREFIX"]
RedirectCode = Literal[301, 302, 303, 307, 308]
RuleType = Literal[
    "HOST_NAME", "PATH", "FILE_TYPE", "HEADER", "COOKIE", "SSL_CONN_HAS_CERT", "SSL_VERIFY_RESULT", "SSL_DN_FIELD"
]
CompareType = Literal["REGEX", "STARTS_WITH", "ENDS_WITH", "CONTAINS", "EQUAL_TO"]
HttpMethod = Literal["GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "OPTIONS", "CONNECT", "PATCH"]


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


class MonitorInGraph(Wire):
    """A health monitor inside a pool."""

    type: MonitorType
    delay: Seconds
    timeout: Seconds
    max_retries: Retries
    max_retries_down: Retries = 3
    name: Name = ""
    admin_state_up: bool = True
    http_method: HttpMethod | None = None
    url_path: UrlPath | None = None
    expected_codes: ExpectedCodes | None = None
    http_version: HttpVersion | None = None
    domain_name: DomainName | None = None
    project_id: Project | None = None
    tags: list[Tag] = []


class MonitorPost(MonitorInGraph, kw_only=True):
    """``POST /healthmonitors``."""

    pool_id: Uuid


class MonitorPut(Wire):
    """``PUT /healthmonitors/{id}``."""

    name: Name | UnsetType | None = UNSET
    admin_state_up: bool | UnsetType | None = UNSET
    delay: Seconds | UnsetType | None = UNSET
    timeout: Seconds | UnsetType | None = UNSET
    max_retries: Retries | UnsetType | None = UNSET
    max_retries_down: Retries | UnsetType | None = UNSET
    http_method: HttpMethod | UnsetType | None = UNSET
    url_path: UrlPath | UnsetType | None = UNSET
    expected_codes: ExpectedCodes | UnsetType | None = UNSET
    http_version: HttpVersion | UnsetType | None = UNSET
    domain_name: DomainName | UnsetType | None = UNSET
    tags: list[Tag] | UnsetType | None = UNSET


class SessionPersistence(Wire):
    """Inside a pool; an update may leave ``type`` out to keep it."""

    type: PersistenceType | None = None
    cookie_name: CookieName | None = None
    persistence_timeout: Persistence | None = None
    persistence_granularity: Netmask | None = None


class PoolInGraph(Wire):
    """A pool inside a load balancer or a listener: the definition of one, or ``name`` alone to refer to one."""

    name: Name = ""
    description: Name = ""
    admin_state_up: bool = True
    protocol: PoolProtocol | None = None
    lb_algorithm: Algorithm | None = None
    session_persistence: SessionPersistence | None = None
    tls_enabled: bool = False
    tls_container_ref: Reference | None = None
    ca_tls_container_ref: Reference | None = None
    crl_container_ref: Reference | None = None
    tls_ciphers: Ciphers | None = None
    tls_versions: list[TlsVersion] | None = None
    alpn_protocols: list[Alpn] | None = None
    members: list[MemberInGraph] = []
    healthmonitor: MonitorInGraph | None = None
    project_id: Project | None = None
    tags: list[Tag] = []

    def is_reference(self) -> bool:
        """Whether it only names a pool that is defined elsewhere in the request."""
        return bool(self.name) and self == PoolInGraph(name=self.name)


class PoolPost(PoolInGraph, kw_only=True):
    """``POST /pools``. Where both are given, ``loadbalancer_id`` must be the listener's."""

    protocol: PoolProtocol
    lb_algorithm: Algorithm
    loadbalancer_id: Uuid | None = None
    listener_id: Uuid | None = None


class PoolPut(Wire):
    """``PUT /pools/{id}``."""

    name: Name | UnsetType | None = UNSET
    description: Name | UnsetType | None = UNSET
    admin_state_up: bool | UnsetType | None = UNSET
    lb_algorithm: Algorithm | UnsetType | None = UNSET
    session_persistence: SessionPersistence | UnsetType | None = UNSET
    tls_enabled: bool | UnsetType | None = UNSET
    tls_container_ref: Reference | UnsetType | None = UNSET
    ca_tls_container_ref: Reference | UnsetType | None = UNSET
    crl_container_ref: Reference | UnsetType | None = UNSET
    tls_ciphers: Ciphers | UnsetType | None = UNSET
    tls_versions: list[TlsVersion] | UnsetType | None = UNSET
    alpn_protocols: list[Alpn] | UnsetType | None = UNSET
    tags: list[Tag] | UnsetType | None = UNSET


class L7RuleInGraph(Wire):
    """An L7 rule inside a policy."""

    type: RuleType
    compare_type: CompareType
    value: OneLine
    key: OneLine | None = None
    invert: bool = False
    admin_state_up: bool = True
    project_id: Project | None = None
    tags: list[Tag] = []


class L7RulePost(L7RuleInGraph):
    """``POST /l7policies/{policy}/rules``."""


class L7RulePut(Wire):
    """``PUT /l7policies/{policy}/rules/{rule}``."""

    type: RuleType | UnsetType | None = UNSET
    compare_type: CompareType | UnsetType | None = UNSET
    value: OneLine | UnsetType | None = UNSET
    key: OneLine | UnsetType | None = UNSET
    invert: bool | UnsetType | None = UNSET
    admin_state_up: bool | UnsetType | None = UNSET
    tags: list[Tag] | UnsetType | None = UNSET


class L7PolicyInGraph(Wire):
    """An L7 policy inside a listener. Without a position it comes after those that are there."""

    action: PolicyAction
    name: Name = ""
    description: Name = ""
    admin_state_up: bool = True
    redirect_pool_id: Uuid | None = None
    redirect_pool: PoolInGraph | None = None
    redirect_url: Url | None = None
    redirect_prefix: Url | None = None
    redirect_http_code: RedirectCode | None = None
    position: Position | None = None
    rules: list[L7RuleInGraph] = []
    project_id: Project | None = None
    tags: list[Tag] = []


class L7PolicyPost(L7PolicyInGraph, kw_only=True):
    """``POST /l7policies``."""

    listener_id: Uuid


class L7PolicyPut(Wire):
    """``PUT /l7policies/{id}``."""

    name: Name | UnsetType | None = UNSET
    description: Name | UnsetType | None = UNSET
    admin_state_up: bool | UnsetType | None = UNSET
    action: PolicyAction | UnsetType | None = UNSET
    redirect_pool_id: Uuid | UnsetType | None = UNSET
    redirect_url: Url | UnsetType | None = UNSET
    redirect_prefix: Url | UnsetType | None = UNSET
    redirect_http_code: RedirectCode | UnsetType | None = UNSET
    position: Position | UnsetType | None = UNSET
    tags: list[Tag] | UnsetType | None = UNSET


class ListenerInGraph(Wire):
    """A listener inside a load balancer. Timeouts left out have the defaults of the configuration."""

    protocol: ListenerProtocol
    protocol_port: Port
    name: Name = ""
    description: Name = ""
    admin_state_up: bool = True
    connection_limit: ConnectionLimit = -1
    default_pool_id: Uuid | None = None
    default_pool: PoolInGraph | None = None
    l7policies: list[L7PolicyInGraph] = []
    default_tls_container_ref: Reference | None = None
    sni_container_refs: list[Reference] = []
    client_ca_tls_container_ref: Reference | None = None
    client_authentication: ClientAuthentication = "NONE"
    client_crl_container_ref: Reference | None = None
    insert_headers: InsertHeaders = {}
    timeout_client_data: Milliseconds | None = None
    timeout_member_connect: Milliseconds | None = None
    timeout_member_data: Milliseconds | None = None
    timeout_tcp_inspect: Milliseconds | None = None
    allowed_cidrs: list[Cidr] | None = None
    tls_ciphers: Ciphers | None = None
    tls_versions: list[TlsVersion] | None = None
    alpn_protocols: list[Alpn] | None = None
    hsts_max_age: MaxAge | None = None
    hsts_include_subdomains: bool = False
    hsts_preload: bool = False
    project_id: Project | None = None
    tags: list[Tag] = []


class ListenerPost(ListenerInGraph, kw_only=True):
    """``POST /listeners``."""

    loadbalancer_id: Uuid


class ListenerPut(Wire):
    """``PUT /listeners/{id}``."""

    name: Name | UnsetType | None = UNSET
    description: Name | UnsetType | None = UNSET
    admin_state_up: bool | UnsetType | None = UNSET
    connection_limit: ConnectionLimit | UnsetType | None = UNSET
    default_pool_id: Uuid | UnsetType | None = UNSET
    default_tls_container_ref: Reference | UnsetType | None = UNSET
    sni_container_refs: list[Reference] | UnsetType | None = UNSET
    client_ca_tls_container_ref: Reference | UnsetType | None = UNSET
    client_authentication: ClientAuthentication | UnsetType | None = UNSET
    client_crl_container_ref: Reference | UnsetType | None = UNSET
    insert_headers: InsertHeaders | UnsetType | None = UNSET
    timeout_client_data: Milliseconds | UnsetType | None = UNSET
    timeout_member_connect: Milliseconds | UnsetType | None = UNSET
    timeout_member_data: Milliseconds | UnsetType | None = UNSET
    timeout_tcp_inspect: Milliseconds | UnsetType | None = UNSET
    allowed_cidrs: list[Cidr] | UnsetType | None = UNSET
    tls_ciphers: Ciphers | UnsetType | None = UNSET
    tls_versions: list[TlsVersion] | UnsetType | None = UNSET
    alpn_protocols: list[Alpn] | UnsetType | None = UNSET
    hsts_max_age: MaxAge | UnsetType | None = UNSET
    hsts_include_subdomains: bool | UnsetType | None = UNSET
    hsts_preload: bool | UnsetType | None = UNSET
    tags: list[Tag] | UnsetType | None = UNSET


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


class QuotaPut(Wire):
    """``PUT /quotas/{project_id}``. ``load_balancer`` and ``health_monitor`` are old spellings of their neighbours."""

    loadbalancer: Limit | UnsetType | None = UNSET
    load_balancer: Limit | UnsetType | None = UNSET
    listener: Limit | UnsetType | None = UNSET
    pool: Limit | UnsetType | None = UNSET
    member: Limit | UnsetType | None = UNSET
    healthmonitor: Limit | UnsetType | None = UNSET
    health_monitor: Limit | UnsetType | None = UNSET
    l7policy: Limit | UnsetType | None = UNSET
    l7rule: Limit | UnsetType | None = UNSET
