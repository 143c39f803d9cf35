"""What Prometheus is told that follows from rows: the same from every process, whichever is asked.

Each question is one statement with an aggregate or a LIMIT: an answer does not grow with the load balancers there are.
"""

from collections.abc import Iterator
from typing import Any

from oslo_config import cfg
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import ColumnElement, case, func, select, true
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from lictor.control.upkeep import rotation
from lictor.model import Amphora, AmphoraHealth, LoadBalancer, replacement
from lictor.model.clock import clock_ms
from lictor.model.statuses import AmphoraStatus
from lictor.model.store import Store

MOST = 50
"""Load balancers, and amphorae, that are told of one by one."""


class Rows(Collector):
    """Asks the database at every scrape."""

    def __init__(self, conf: cfg.ConfigOpts, store: Store) -> None:
        self._conf = conf
        self._store = store

    def describe(self) -> list[Metric]:
        """Nothing: a registry need not ask the database which names there will be."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All of it, or that the database does not answer."""
        try:
            with self._store.read() as session:
                found = [*_work(session), *_load_balancers(session), *self._amphorae(session)]
        except SQLAlchemyError:
            found = []
        yield _gauge("lictor_database_up", "Whether the database answered this scrape.", int(bool(found)))
        yield from found

    def _amphorae(self, session: Session) -> Iterator[Metric]:
        yield from _amphorae(session)
        yield from _heartbeats(session, self._conf.health_manager.heartbeat_timeout)
        yield from _certificates(session, self._conf.certificates.cert_validity_time)
        yield from _replacements(session, self._conf.controller_worker)


def _gauge(name: str, about: str, value: float | None) -> Metric:
    """A figure; where there is none, the name without one."""
    return GaugeMetricFamily(name, about, value=float(value)) if value is not None else GaugeMetricFamily(name, about)


def _labelled(name: str, about: str, label: str, values: list[tuple[str, float]]) -> Metric:
    made = GaugeMetricFamily(name, about, labels=[label])
    for word, value in values:
        made.add_metric([word], float(value))
    return made


def _count(condition: ColumnElement[bool]) -> Any:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _seconds(since_ms: Any) -> Any:
    """Seconds since a time of the database's clock; never less than 0, though others' clocks may have been ahead."""
    age = clock_ms() - since_ms
    return case((age > 0, age), else_=0) / 1000.0


def _work(session: Session) -> Iterator[Metric]:
    leased = (LoadBalancer.lease_owner.is_not(None)) & (LoadBalancer.lease_expires_ms > clock_ms())
    expired = (LoadBalancer.lease_owner.is_not(None)) & (LoadBalancer.lease_expires_ms <= clock_ms())
    due = (LoadBalancer.retry_at_ms <= clock_ms()) & (LoadBalancer.lease_expires_ms <= clock_ms())
    since = case(
        (LoadBalancer.retry_at_ms > LoadBalancer.work_since_ms, LoadBalancer.retry_at_ms),
        else_=LoadBalancer.work_since_ms,
    )
    query = select(
        func.count(), _count(due), func.max(case((due, _seconds(since)))), _count(leased), _count(expired),
        _count(LoadBalancer.attempts > 0), func.max(_seconds(LoadBalancer.work_since_ms)),
    ).where(LoadBalancer.unsettled == true())  # fmt: skip
    total, waiting, age, held, ended, failing, longest = session.execute(query).one()
    yield _gauge("lictor_unconverged", "Load balancers that are not as they should be.", total)
    yield _gauge("lictor_queue_length", "Those that wait for a worker.", waiting)
    yield _gauge("lictor_queue_age_seconds", "For how long the oldest of these has waited.", age or 0)
    yield _gauge("lictor_leases_held", "Load balancers that a worker is at.", held)
    yield _gauge("lictor_leases_expired", "Those whose worker has vanished, and that nobody has taken yet.", ended)
    yield _gauge("lictor_retrying", "Load balancers whose last attempt failed.", failing)
    yield _gauge("lictor_unconverged_seconds", "For how long the worst has not been as it should be.", longest or 0)
    yield from _worst(session)


def _worst(session: Session) -> Iterator[Metric]:
    query = select(LoadBalancer.id, _seconds(LoadBalancer.work_since_ms), LoadBalancer.attempts)
    query = query.where(LoadBalancer.unsettled == true()).order_by(LoadBalancer.work_since_ms).limit(MOST)
    rows = session.execute(query).all()
    yield _labelled(
        "lictor_load_balancer_unconverged_seconds",
        f"For how long a load balancer has not been as it should be; the {MOST} worst.",
        "load_balancer_id",
        [(load_balancer_id, seconds) for load_balancer_id, seconds, _ in rows],
    )
    yield _labelled(
        "lictor_load_balancer_attempts",
        "How often in a row it failed; of the same.",
        "load_balancer_id",
        [(load_balancer_id, attempts) for load_balancer_id, _, attempts in rows],
    )


def _load_balancers(session: Session) -> Iterator[Metric]:
    column = LoadBalancer.provisioning_status
    rows = session.execute(select(column, func.count()).group_by(column)).all()
    about = "Load balancers by provisioning status."
    yield _labelled("lictor_load_balancers", about, "provisioning_status", [(word, count) for word, count in rows])


def _amphorae(session: Session) -> Iterator[Metric]:
    rows = session.execute(select(Amphora.status, func.count()).group_by(Amphora.status)).all()
    yield _labelled("lictor_amphorae", "Amphorae by status.", "status", [(word, count) for word, count in rows])


def _heartbeats(session: Session, timeout: float) -> Iterator[Metric]:
    stale = AmphoraHealth.last_update_ms < clock_ms() - int(timeout * 1000)
    query = select(func.max(_seconds(AmphoraHealth.last_update_ms)), _count(stale))
    query = query.join(Amphora, Amphora.id == AmphoraHealth.amphora_id)
    oldest, silent = session.execute(query.where(Amphora.status == AmphoraStatus.ALLOCATED)).one()
    yield _gauge("lictor_heartbeat_lag_seconds", "Since the last heartbeat of who was heard last longest ago.", oldest)
    yield _gauge("lictor_amphorae_silent", "Amphorae that were not heard for heartbeat_timeout.", silent)


def _certificates(session: Session, life: float) -> Iterator[Metric]:
    found = rotation.expiries(session, life / 4, MOST)
    about = "Until the first certificate of an amphora runs out."
    yield _gauge("lictor_certificate_expiry_seconds", about, found.soonest)
    yield _labelled(
        "lictor_amphora_certificate_expiry_seconds",
        f"Until it runs out; of amphorae that have less than a quarter of its life left, the first {MOST}.",
        "amphora_id",
        list(found.below.items()),
    )


def _replacements(session: Session, options: Any) -> Iterator[Metric]:
    condemned = session.scalar(select(func.count()).select_from(Amphora).where(Amphora.condemned == true()))
    begun = select(func.count()).select_from(replacement.Replacement)
    begun = begun.where(replacement.Replacement.started_ms > clock_ms() - 60_000)
    yield _gauge("lictor_amphorae_condemned", "Amphorae that are to be replaced.", condemned)
    under_way = replacement.under_way(session)
    yield _gauge("lictor_replacements_under_way", "Replacements that have a share of the budget.", under_way)
    about = "How many there may be at once; 0 means any number."
    yield _gauge("lictor_replacements_at_once_limit", about, options.replacements_at_once)
    yield _gauge("lictor_replacements_last_minute", "Those that began within a minute.", session.scalar(begun))
    about = "How many may begin within a minute; 0 means any number."
    yield _gauge("lictor_replacements_per_minute_limit", about, options.replacements_per_minute)
