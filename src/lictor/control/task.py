"""What one pass of the loop over one load balancer works with."""

import dataclasses

from oslo_config import cfg
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from lictor.amphora.client import AgentClient
from lictor.amphora.pki import Authority
from lictor.control.lease import Claim
from lictor.control.notifications.notices import Notices
from lictor.control.vault import Vault
from lictor.drivers.compute.base import Compute
from lictor.drivers.network.base import Plumbing
from lictor.model import L7Policy, Listener, LoadBalancer, Pool
from lictor.model.replacement import Verdict
from lictor.model.statuses import Provisioning
from lictor.model.store import Store


@dataclasses.dataclass(frozen=True)
class Tools:
    """The outside, as every pass uses it. ``conf`` is the parsed configuration, ``secret`` the deployment's own."""

    conf: cfg.ConfigOpts
    store: Store
    compute: Compute
    networking: Plumbing
    authority: Authority
    agents: AgentClient
    secret: bytes
    vault: Vault
    notices: Notices = dataclasses.field(default_factory=Notices)


@dataclasses.dataclass
class Turnover:
    """Which amphorae this pass replaces, and what has to wait for the budget of replacements.

    ``replacing`` are the ids of those that go in this pass; ``absent`` of those that are dead and may not be started
    anew yet; ``unheard`` of those that did not answer. ``waits`` say what has to wait, and why.
    """

    replacing: set[str] = dataclasses.field(default_factory=set)
    absent: set[str] = dataclasses.field(default_factory=set)
    unheard: set[str] = dataclasses.field(default_factory=set)
    waits: list[Verdict] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Task:
    """One claimed load balancer. ``load_balancer`` is the tree as it was read: detached, never written to.

    ``faults`` are sentences about what went wrong without keeping the pass from going on: it fails in the end. ``said``
    is what the compute service says of instances, by the amphora's id.
    """

    tools: Tools
    claim: Claim
    load_balancer: LoadBalancer
    faults: list[str] = dataclasses.field(default_factory=list)
    turnover: Turnover = dataclasses.field(default_factory=Turnover)
    said: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def deleting(self) -> bool:
        """Whether the load balancer itself is to go."""
        return self.load_balancer.provisioning_status == Provisioning.PENDING_DELETE


def read_tree(session: Session, load_balancer_id: str) -> LoadBalancer | None:
    """The whole tree of a load balancer in a fixed number of queries, whatever its size.

    The load balancer's own row comes first: what is read after it is at least as new as its generation, so that
    settling that generation never settles a change that was not delivered.
    """
    load_balancer = session.get(LoadBalancer, load_balancer_id)
    if load_balancer is None:
        return None
    session.scalars(
        select(LoadBalancer)
        .where(LoadBalancer.id == load_balancer_id)
        .options(
            selectinload(LoadBalancer.additional_vips),
            selectinload(LoadBalancer.amphorae),
            selectinload(LoadBalancer.pools).options(
                selectinload(Pool.members), selectinload(Pool.health_monitor), selectinload(Pool.listeners)
            ),
            selectinload(LoadBalancer.listeners).options(
                selectinload(Listener.default_pool),
                selectinload(Listener.l7policies).options(
                    selectinload(L7Policy.rules), selectinload(L7Policy.redirect_pool)
                ),
            ),
        )
    ).one()
    return load_balancer
