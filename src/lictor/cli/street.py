"""Every part of Lictor that runs by itself, tied to the others: `lictor up` starts all, other commands some of them."""

import functools
from collections.abc import Callable

from oslo_config import cfg
from prometheus_client.registry import Collector

from lictor import config
from lictor.amphora.pki import Authority
from lictor.cli import application, shared
from lictor.cli.counted import counted
from lictor.cli.drivers import driver
from lictor.cli.probes import Probes
from lictor.cli.refusal import Refusal
from lictor.cli.server import ApiServer
from lictor.cli.statedir import StateDir
from lictor.control import hints, notifications
from lictor.control.health.manager import HealthManager
from lictor.control.health.metrics import Heartbeats
from lictor.control.metrics_rows import Rows
from lictor.control.notifications.notices import Notices
from lictor.control.upkeep.census import Census
from lictor.control.upkeep.consumers import Consumers
from lictor.control.upkeep.housekeeping import Housekeeper
from lictor.control.upkeep.mending import Mender
from lictor.control.upkeep.renewal import Forgetting, Renewal
from lictor.control.upkeep.rotation import Rotation
from lictor.control.vault import Vault
from lictor.control.worker import Workers
from lictor.drivers.compute.base import Compute
from lictor.drivers.network.base import Networking
from lictor.drivers.secrets.base import Secrets
from lictor.model.store import Store


class Street:
    """The houses of one process. Each is made when it is first asked for, and not started.

    Making one may raise ``Refusal``, ``HostNotReady``, ``BadNetworkConfiguration``, ``PortTakenError`` or ``Unusable``.
    """

    def __init__(self, conf: cfg.ConfigOpts, state: StateDir, store: Store, broken: Callable[[], None]) -> None:
        """``broken`` is for a part that ends by itself."""
        self._conf = conf
        self._state = state
        self._broken = broken
        self._near: list[Callable[[], None]] = []
        self.store = store

    def wake(self) -> None:
        """There may be work: tell those who do it, as far as they can be told."""
        self._wake_near()
        self.hinting.send()

    def _wake_near(self) -> None:
        for tell in self._near:
            tell()

    @functools.cached_property
    def hinting(self) -> hints.Sender:
        """Who tells other processes that there may be work."""
        return hints.sender(self._conf, self.store)

    @functools.cached_property
    def hearing(self) -> list[hints.Listener]:
        """Who hears them, for workers of this process."""
        return hints.listener(self._conf, self.store, self._wake_near)

    @functools.cached_property
    def networking(self) -> Networking:
        """The network driver."""
        return application.networking(self._conf, self.store)

    @functools.cached_property
    def compute(self) -> Compute:
        """The compute driver."""
        name = self._conf.controller_worker.compute_driver
        made: Compute = driver("lictor.compute.drivers", name, self._conf, self.networking)
        return made

    @functools.cached_property
    def secrets(self) -> Secrets:
        """The secrets driver."""
        return application.secrets(self._conf)

    @functools.cached_property
    def vault(self) -> Vault:
        """Where users' certificates are read."""
        return Vault(self.secrets)

    @functools.cached_property
    def authority(self) -> Authority:
        """Who amphorae are, and who may tell them what to be."""
        with self._state.lock.making():
            return shared.authority(self._conf, self._state.path / "pki")

    @functools.cached_property
    def secret(self) -> bytes:
        """What the keys of heartbeats follow from."""
        return shared.secret(self._conf, self._state.path)

    @functools.cached_property
    def workers(self) -> Workers:
        """The loop. Prepares this host for amphorae."""
        with self._state.lock.making():
            self.compute.prepare()
            self._state.note_driver(self._conf.controller_worker.compute_driver)
        outside = (self.compute, self.networking, self.authority, self.secret, self.vault, self.notices)
        made = Workers(self._conf, self.store, *outside)
        self._near.append(made.wake)
        return made

    @functools.cached_property
    def notices(self) -> Notices:
        """Who tells others what became of load balancers. Raises ``Refusal``, status 2."""
        try:
            return notifications.notices(self._conf)
        except config.Misconfigured as error:
            raise Refusal(str(error), status=2) from None

    @functools.cached_property
    def health(self) -> HealthManager:
        """Who hears heartbeats."""
        return HealthManager(self._conf, self.store, self.secret, self.wake)

    @functools.cached_property
    def renewal(self) -> Renewal:
        """Who looks for users' certificates that were replaced."""
        return Renewal(self._conf, self.store, self.vault, self.wake)

    @functools.cached_property
    def rotation(self) -> Rotation:
        """Who looks for agents' certificates that are due."""
        # Without a database of its own, the deployment is this host alone.
        alone = not self._conf.database.connection
        return Rotation(self._conf, self.store, self.authority, self.wake, alone)

    @functools.cached_property
    def forgetting(self) -> Forgetting:
        """For a process that has the loop without ``renewal``: who forgets users' certificates that nobody uses."""
        return Forgetting(self._conf, self.store, self.vault)

    @functools.cached_property
    def housekeeper(self) -> Housekeeper:
        """Who removes what is nobody's."""
        return Housekeeper(self._conf, self.store, self.compute, self.networking)

    @functools.cached_property
    def consumers(self) -> list[Consumers]:
        """Who tells which load balancers use a secret, where somebody wants to know."""
        return [Consumers(self._conf, self.store, self.secrets)] if self.secrets.has_consumers else []

    @functools.cached_property
    def mender(self) -> Mender:
        """Who notices what stands still."""
        return Mender(self._conf, self.store, self.networking, self.wake)

    @functools.cached_property
    def census(self) -> Census:
        """Who looks for instances that are gone."""
        return Census(self._conf, self.store, self.compute, self.wake)

    @functools.cached_property
    def api(self) -> ApiServer:
        """Who answers users."""
        app = application.build(self._conf, self.store, self.networking, self.wake)
        return ApiServer(self._conf, counted(app), self._broken)

    def probes(self, house: str) -> Probes:
        """Who tells how this process does; ``house`` is the command that it runs."""
        collectors: list[Collector] = [Rows(self._conf, self.store)]
        if "health" in vars(self):
            collectors.append(Heartbeats(self.health))
        return Probes(self._conf, house, self.store, collectors)
