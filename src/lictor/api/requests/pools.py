# ruff: noqa: RUF012 - msgspec gives every object its own copy of an empty default.
"""Pools: ``/pools`` (reference, 1.8)."""

from typing import Literal

from msgspec import UNSET, UnsetType

from lictor.api.fields import Wire
from lictor.api.kinds import (
    Alpn,
    Ciphers,
    CookieName,
    Name,
    Netmask,
    Persistence,
    Project,
    Reference,
    Tag,
    TlsVersion,
    Uuid,
)
from lictor.api.requests.healthmonitors import MonitorInGraph
from lictor.api.requests.members import MemberInGraph

PoolProtocol = Literal["HTTP", "HTTPS", "TCP", "PROXY", "PROXYV2", "UDP", "SCTP"]
Algorithm = Literal["ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP", "SOURCE_IP_PORT"]
PersistenceType = Literal["SOURCE_IP", "HTTP_COOKIE", "APP_COOKIE"]


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
