"""Census: amphorae whose instances are gone, or do not run, are found by one look at all of them.

Heartbeats tell the same later, and not where a health manager takes itself for blind. What is missed here is only asked
about: the loop looks at each load balancer itself before it starts anything anew, within the budget of replacements.
"""

import logging
from collections.abc import Callable

from oslo_config import cfg
from sqlalchemy import select

from lictor.control import asking
from lictor.control.periodic import Periodic
from lictor.drivers.compute.base import Compute
from lictor.model import Amphora, changes
from lictor.model.statuses import AmphoraStatus
from lictor.model.store import Store

LOG = logging.getLogger(__name__)


class Census(Periodic):
    """Looks every ``[health_manager] instance_check_interval`` seconds. Two that do so do no harm."""

    trouble = "Could not look for instances that are gone"

    def __init__(self, conf: cfg.ConfigOpts, store: Store, compute: Compute, wake: Callable[[], None]) -> None:
        super().__init__("census", conf.health_manager.instance_check_interval)
        self._store = store
        self._compute = compute
        self._wake = wake

    def turn(self) -> None:
        """Have the loop look where an instance is missed."""
        # Rows first: an amphora that is allocated by now was made before we ask which there are.
        served = self._served()
        running = {instance.amphora_id for instance in self._compute.instances() if instance.running}
        missed = {served[amphora_id] for amphora_id in served.keys() - running}
        if not missed:
            return
        LOG.warning("Instances of %d load balancers are gone, or do not run: the loop looks.", len(missed))
        asking.ask(self._store, missed, changes.ask_idle)
        self._wake()

    def _served(self) -> dict[str, str]:
        """The amphorae that should run, with their load balancers."""
        query = select(Amphora.id, Amphora.load_balancer_id).where(
            Amphora.status == AmphoraStatus.ALLOCATED, Amphora.load_balancer_id.is_not(None)
        )
        with self._store.look() as connection:
            return {amphora_id: str(owner) for amphora_id, owner in connection.execute(query)}
