# ruff: noqa: RUF012 - msgspec gives every object its own copy of an empty default.
"""Listeners: ``/listeners`` (reference, 1.7)."""

from typing import Literal

from msgspec import UNSET, UnsetType

from lictor.api.fields import Wire
from lictor.api.kinds import (
    Alpn,
    Cidr,
    Ciphers,
    ConnectionLimit,
    InsertHeaders,
    MaxAge,
    Milliseconds,
    Name,
    Port,
    Project,
    Reference,
    Tag,
    TlsVersion,
    Uuid,
)
from lictor.api.requests.l7 import L7PolicyInGraph
from lictor.api.requests.pools import PoolInGraph

ListenerProtocol = Literal["TCP", "HTTP", "HTTPS", "TERMINATED_HTTPS", "UDP", "SCTP", "PROMETHEUS"]
ClientAuthentication = Literal["NONE", "OPTIONAL", "MANDATORY"]


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
