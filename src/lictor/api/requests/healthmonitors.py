# ruff: noqa: RUF012 - msgspec gives every object its own copy of an empty default.
"""Health monitors: ``/healthmonitors`` (reference, 1.10)."""

from typing import Literal

from msgspec import UNSET, UnsetType

from lictor.api.fields import Wire
from lictor.api.kinds import DomainName, ExpectedCodes, HttpVersion, Name, Project, Retries, Seconds, Tag, UrlPath, Uuid

MonitorType = Literal["HTTP", "HTTPS", "PING", "TCP", "TLS-HELLO", "UDP-CONNECT", "SCTP"]
HttpMethod = Literal["GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "OPTIONS", "CONNECT", "PATCH"]


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
