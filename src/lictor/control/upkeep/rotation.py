"""Looking for certificates of agents that are due, so that the loop renews them; and how soon the next one runs out."""

import dataclasses
import datetime
import logging
from collections.abc import Callable

from oslo_config import cfg
from sqlalchemy import ColumnElement, false, func, or_, select
from sqlalchemy.orm import Session

from lictor.amphora.pki import Authority
from lictor.amphora.ring import ANNOUNCED, SETTLED, Ring
from lictor.control import asking, certificates
from lictor.control.periodic import Periodic
from lictor.model import Amphora, LoadBalancer
from lictor.model.clock import clock_ms
from lictor.model.statuses import AmphoraStatus, Provisioning
from lictor.model.store import Store

LOG = logging.getLogger(__name__)

CROWD = 100
"""Load balancers that are asked for at a time, the most urgent first: users' changes wait behind them."""


class Rotation(Periodic):
    """Looks every ``[house_keeping] cert_interval`` seconds. Any number of these may run."""

    trouble = "Could not look for certificates of amphorae that are due"

    def __init__(
        self, conf: cfg.ConfigOpts, store: Store, authority: Authority, wake: Callable[[], None], alone: bool
    ) -> None:
        """``alone``: no other host has a copy of the authorities' file, so that a roll of theirs goes on by itself."""
        super().__init__("rotation", conf.house_keeping.cert_interval)
        self._conf = conf
        self._store = store
        self._authority = authority
        self._wake = wake
        self._alone = alone

    def turn(self) -> None:
        """Look."""
        if self._alone:
            advance(self._store, self._authority)
        ring = self._authority.ring
        with self._store.read() as session:
            asked = _due(session, ring, self._conf)
        if asked:
            LOG.info("Certificates of amphorae of %d load balancers are due.", len(asked))
            asking.ask(self._store, asked, asking.again)
            self._wake()


def _due(session: Session, ring: Ring, conf: cfg.ConfigOpts) -> list[str]:
    """Load balancers at rest with an amphora that needs another certificate; others will see for themselves."""
    today = certificates.clock(session)
    horizon = today + certificates.buffer(conf) * (1 + certificates.SPREAD)
    query = (
        select(Amphora)
        .join(LoadBalancer, LoadBalancer.id == Amphora.load_balancer_id)
        .where(
            Amphora.status == AmphoraStatus.ALLOCATED,
            Amphora.condemned.is_(False),
            LoadBalancer.unsettled == false(),
            LoadBalancer.lease_expires_ms <= clock_ms(),
            LoadBalancer.provisioning_status != Provisioning.PENDING_DELETE,
            or_(Amphora.cert_busy, Amphora.cert_expiration.is_(None), Amphora.cert_expiration <= horizon, _other(ring)),
        )
    )
    found = [each for each in session.scalars(query) if certificates.due(each, ring, conf, today)]
    found.sort(key=lambda amphora: amphora.cert_expiration or datetime.datetime.min)
    return list(dict.fromkeys(str(amphora.load_balancer_id) for amphora in found))[:CROWD]


def _other(ring: Ring) -> ColumnElement[bool]:
    """The condition for papers that may be unacceptable."""
    different = Amphora.papers != ring.papers
    return different if ring.stage == SETTLED else different | Amphora.papers.is_(None)


# --- the authorities -------------------------------------------------------------------------------------------------


def waiting(store: Store, ring: Ring) -> list[str]:
    """The amphorae because of which the authorities cannot take their next step: they need other papers first.

    One that is just being made counts too: it may have been made with those of a moment ago.
    """
    with store.read() as session:
        query = select(Amphora.id, Amphora.papers).where(Amphora.load_balancer_id.is_not(None)).order_by(Amphora.id)
        return [amphora_id for amphora_id, papers in session.execute(query) if not ring.accepts(papers)]


def advance(store: Store, authority: Authority, agents: bool = True) -> bool:
    """Take the next step of a roll that was begun, if no amphora stands in its way; tells whether it was taken.

    Without ``agents`` nobody has a certificate, and nobody can.
    """
    ring = authority.ring
    if ring.stage == SETTLED or (agents and waiting(store, ring)):
        return False
    taken = authority.replace(ring, ring.next())
    if taken:
        what = "certificates come from the new one" if ring.stage == ANNOUNCED else "the old one is trusted no more"
        LOG.info("Certificate authorities: %s.", what)
    return taken


# --- for metrics -----------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Expiries:
    """How many seconds the certificates of agents are good for: ``soonest`` of all (None if there are none), and those
    of the amphorae below a threshold, by id. Negative ones have run out."""

    soonest: float | None
    below: dict[str, float]


def expiries(session: Session, threshold: float, limit: int = 1000) -> Expiries:
    """Look how soon certificates run out. ``threshold`` in seconds; of more than ``limit`` the soonest are told."""
    today = certificates.clock(session)
    column = Amphora.cert_expiration
    first = session.scalar(select(func.min(column)))
    query = select(Amphora.id, column).where(column <= today + datetime.timedelta(seconds=threshold))
    below = {amphora_id: (expires - today).total_seconds() for amphora_id, expires in
             session.execute(query.order_by(column).limit(limit)) if expires}  # fmt: skip
    return Expiries((first - today).total_seconds() if first else None, below)
