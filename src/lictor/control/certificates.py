"""Certificates of agents: renewed at two thirds of their life, and whenever the deployment's authorities change.

The agent has a new certificate before its row says so: whoever dies in between leaves the row ``cert_busy``, and the
certificate is delivered again. An agent whose certificate has run out is not believed any more, and replaced.
"""

import datetime
import logging
import zlib

from oslo_config import cfg
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lictor.amphora.client import AgentError, AgentExpired
from lictor.amphora.pki import Certificate
from lictor.amphora.ring import Ring
from lictor.control.task import Task
from lictor.failpoints import reach
from lictor.model import Amphora, Event, LoadBalancer, history, now, replacement
from lictor.model.clock import clock_ms, moment
from lictor.model.statuses import AmphoraStatus
from lictor.model.store import rows_changed
from lictor.wire import Papers

LOG = logging.getLogger(__name__)

BETWEEN = ("certificate delivered",)
"""Fail points between "made outside" and "written down"."""

SPREAD = 0.25
"""By how much of the time that is left at two thirds of its life a certificate may be renewed earlier: what was made
in one minute is not renewed in one."""

REMIND = 3600
"""Seconds between events that say of one amphora that its certificate is about to run out."""


def renew(task: Task) -> None:
    """Give new certificates to the amphorae that need them, whatever else may fail. What fails here is tried again."""
    if not task.tools.compute.has_agents:
        return
    conf, ring = task.tools.conf, task.tools.authority.ring
    with task.tools.store.read() as session:
        today = clock(session)
        query = select(Amphora).where(Amphora.load_balancer_id == task.load_balancer.id, Amphora.condemned.is_(False))
        found = [amphora for amphora in session.scalars(query) if due(amphora, ring, conf, today)]
    for amphora in found:
        task.claim.check()
        try:
            _renew(task, amphora)
        except AgentError as error:
            _failed(task, amphora, error, today)


def due(amphora: Amphora, ring: Ring, conf: cfg.ConfigOpts, today: datetime.datetime) -> bool:
    """Whether an amphora that serves needs another certificate: see ``Ring.accepts`` for that of another authority."""
    if amphora.status != AmphoraStatus.ALLOCATED:
        return False
    if amphora.cert_busy or amphora.cert_expiration is None or not ring.accepts(amphora.papers):
        return True
    early = 1 + SPREAD * zlib.crc32(f"{amphora.id} {amphora.cert_expiration}".encode()) / 2**32
    return today >= amphora.cert_expiration - buffer(conf) * early


def buffer(conf: cfg.ConfigOpts) -> datetime.timedelta:
    """How long before its end a certificate is renewed: no more than half of its life, or it would be so for ever."""
    life = conf.certificates.cert_validity_time
    return datetime.timedelta(seconds=min(conf.house_keeping.cert_expiry_buffer or life / 3, life / 2))


def clock(session: Session) -> datetime.datetime:
    """The database server's time: no process whose own clock is wrong takes good certificates for old ones."""
    return moment(session.scalar(select(clock_ms())) or 0)


def _renew(task: Task, amphora: Amphora) -> None:
    identity = task.tools.authority.issue_server(amphora.id, task.tools.conf.certificates.cert_validity_time)
    _write(task, amphora, {"cert_busy": True})
    task.tools.agents.renew(str(amphora.lb_network_ip), _papers(task, amphora, identity))
    reach("certificate delivered")
    values = {"cert_busy": False, "cert_expiration": identity.expires, "papers": identity.papers}
    _write(task, amphora, values, f"Amphora {amphora.id} has a certificate that is good until {identity.expires}.")
    LOG.info("Amphora %s has a new certificate, which is good until %s.", amphora.id, identity.expires)


def _papers(task: Task, amphora: Amphora, identity: Certificate) -> Papers:
    return Papers(
        amphora_id=amphora.id,
        certificate=identity.certificate,
        private_key=identity.private_key,
        client_ca=identity.client_ca,
        epoch=task.claim.epoch,
    )


def _write(task: Task, amphora: Amphora, values: dict[str, object], message: str = "") -> None:
    """Write to the row of an amphora if the load balancer is still ours, and an event if there is something to say."""

    def transaction(session: Session) -> None:
        ours = select(LoadBalancer.id).where(task.claim.mine()).scalar_subquery()
        statement = update(Amphora).where(Amphora.id == amphora.id, Amphora.load_balancer_id == ours)
        if rows_changed(session, statement.values(updated_at=now(), **values)) and message:
            history.record(session, task.load_balancer, "certificate_rotated", message, amphora_id=amphora.id)

    task.tools.store.write(transaction)


def _failed(task: Task, amphora: Amphora, error: AgentError, today: datetime.datetime) -> None:
    """The old certificate serves until it runs out; when that comes near, users are told."""
    LOG.warning("Amphora %s could not be given a new certificate: %s", amphora.id, error)
    life = datetime.timedelta(seconds=task.tools.conf.certificates.cert_validity_time)
    expires = amphora.cert_expiration
    if expires is None or expires - today > life / 4:
        return
    message = f"The certificate of amphora {amphora.id} runs out at {expires}, and cannot be renewed: {error}"

    def transaction(session: Session) -> None:
        told = select(Event.id).where(
            Event.load_balancer_id == task.load_balancer.id,
            Event.amphora_id == amphora.id,
            Event.kind == "certificate_expiring",
            Event.created_at > now() - datetime.timedelta(seconds=REMIND),
        )
        if session.scalar(told.limit(1)) is None:
            history.record(session, task.load_balancer, "certificate_expiring", message, amphora_id=amphora.id)

    task.tools.store.write(transaction)


def condemn_expired(session: Session, load_balancer_id: str, error: Exception) -> list[str]:
    """After a delivery that failed with ``error``: have those replaced whose certificate has run out.

    Both the handshake and the row have to say so, the latter by the database's clock. Nobody who shows an old
    certificate is ever talked with: it may be anybody's who found it.
    """
    if not isinstance(error, AgentExpired):
        return []
    query = select(Amphora).where(
        Amphora.load_balancer_id == load_balancer_id,
        Amphora.condemned.is_(False),
        Amphora.cert_expiration <= clock(session),
    )
    found = []
    for amphora in session.scalars(query.order_by(Amphora.id)).all():
        why = f"The certificate of amphora {amphora.id} has run out at {amphora.cert_expiration}."
        found += replacement.condemn(session, load_balancer_id, replacement.CERTIFICATE, why, amphora.id)
    return found
