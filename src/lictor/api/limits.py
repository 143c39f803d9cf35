"""Quotas at work: what a transaction adds to a project is counted before it is committed (reference, 1.12)."""

from collections import Counter
from typing import Any

from oslo_config import cfg
from sqlalchemy.orm import Session

from lictor.api import errors
from lictor.model import Resource
from lictor.model.quotas import LIMITED, UNLIMITED, Limits, hold, limits, usage

_GROWTH = "quota growth"
_NAMES = {model: name for name, model in LIMITED.items()}
_OPTIONS = {"loadbalancer": "load_balancer", "healthmonitor": "health_monitor"}
_TITLES = {
    "loadbalancer": "Load Balancer", "listener": "Listener", "pool": "Pool", "member": "Member",
    "healthmonitor": "Health Monitor", "l7policy": "L7 Policy", "l7rule": "L7 Rule",
}  # fmt: skip


def defaults(conf: cfg.ConfigOpts) -> Limits:
    """The limits of projects that have none of their own: ``[quotas] default_*_quota``."""
    options: Any = conf.quotas
    return {name: options[f"default_{_OPTIONS.get(name, name)}_quota"] for name in LIMITED}


def grow(session: Session, project_id: str, model: type[Resource], number: int = 1) -> None:
    """Note that this transaction gives a project so many more rows of a kind, or fewer."""
    growth: Counter[tuple[str, str]] = session.info.setdefault(_GROWTH, Counter())
    growth[project_id, _NAMES[model]] += number


def enforce(conf: cfg.ConfigOpts, session: Session) -> None:
    """Raise 403 if a project has got more than it may: at the end of a transaction, when all of it is in the tables."""
    growth: Counter[tuple[str, str]] = session.info.pop(_GROWTH, Counter())
    # Where everybody is the administrator of everything, there is nobody to be limited (reference, 2.1).
    if conf.api_settings.auth_strategy == "noauth":
        return
    for project_id in sorted({project_id for project_id, _ in growth}):
        grown = [name for (owner, name), number in growth.items() if owner == project_id and number > 0]
        _check(session, project_id, grown, defaults(conf))


def _check(session: Session, project_id: str, grown: list[str], preset: Limits) -> None:
    # Who has no limit pays for one look at a row, and waits for nobody.
    if not _limited(limits(session, project_id, preset), grown):
        return
    session.flush()
    hold(session, project_id)
    most = limits(session, project_id, preset)
    names = _limited(most, grown)
    have = usage(session, project_id, names) if names else {}
    met = [_TITLES[name] for name in names if have[name] > most[name]]
    if met:
        raise errors.quota_met(", ".join(met))


def _limited(most: Limits, names: list[str]) -> list[str]:
    return [name for name in LIMITED if name in names and most[name] != UNLIMITED]
