"""Quotas: ``/quotas/{project_id}`` (reference, 1.12)."""

from msgspec import UNSET, UnsetType

from lictor.api.fields import Wire
from lictor.api.kinds import Limit


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
