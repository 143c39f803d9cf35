# ruff: noqa: RUF012 - msgspec gives every object its own copy of an empty default.
"""L7 policies and their rules: ``/l7policies`` (reference, 1.11)."""

from typing import Literal

from msgspec import UNSET, UnsetType

from lictor.api.fields import Wire
from lictor.api.kinds import Name, OneLine, Position, Project, Tag, Url, Uuid
from lictor.api.requests.pools import PoolInGraph

PolicyAction = Literal["REJECT", "REDIRECT_TO_URL", "REDIRECT_TO_POOL", "REDIRECT_PREFIX"]
RedirectCode = Literal[301, 302, 303, 307, 308]
RuleType = Literal[
    "HOST_NAME", "PATH", "FILE_TYPE", "HEADER", "COOKIE", "SSL_CONN_HAS_CERT", "SSL_VERIFY_RESULT", "SSL_DN_FIELD"
]
CompareType = Literal["REGEX", "STARTS_WITH", "ENDS_WITH", "CONTAINS", "EQUAL_TO"]


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
