"""Hints travel through PostgreSQL, and their loss costs latency alone."""

import pytest
from sqlalchemy import make_url

from lictor import config
from lictor.amphora.pki import Authority
from lictor.control import hints
from lictor.control.vault import Vault
from lictor.control.worker import Workers
from lictor.drivers.compute.noop import NoopCompute
from lictor.drivers.network.noop import NoopNetwork
from lictor.drivers.secrets.noop import NoopSecrets
from tests.lab.deployment import eventually
from tests.unit import database
from tests.unit.api.world import World

pytestmark = pytest.mark.skipif(
    database.ON_SQLITE or make_url(database.SERVER).get_backend_name() != "postgresql", reason="PostgreSQL's own"
)


class Both:
    """The API's side and a worker's, each with its end of the hints."""

    def __init__(self, place, poll_interval):
        url = database.created(database.SERVER).render_as_string(hide_password=False)
        self.store = database.Store(url)
        database.schema.upgrade(self.store)
        self.conf = config.load(
            database__connection=url, controller_worker__poll_interval=poll_interval, controller_worker__workers=2
        )
        self.sender = hints.sender(self.conf, self.store)
        self.world = World(place, store=self.store, database__connection=url)
        network = NoopNetwork(self.conf, self.store)
        compute, vault = NoopCompute(self.conf, network), Vault(NoopSecrets(self.conf))
        authority = Authority.open(place / "pki")
        self.workers = Workers(self.conf, self.store, compute, network, authority, b"secret", vault)
        self.heard = 0
        (self.listener,) = hints.listener(self.conf, self.store, self.hear)

    def hear(self):
        self.heard += 1
        self.workers.wake()

    def __enter__(self):
        self.workers.start()
        self.listener.start()
        eventually(lambda: self.heard == 1, what="it listens")
        return self

    def __exit__(self, *_):
        for part in (self.listener, self.workers, self.sender):
            part.stop()
        self.store.dispose()

    def make(self):
        """A load balancer that nobody but the sender speaks of."""
        made = self.world.balancer()
        self.sender.send()
        return made

    def is_active(self, made):
        """Wait for that, for less than the workers do before they look without being told."""
        eventually(lambda: self.world.row(made).provisioning_status == "ACTIVE", 20, "it is ACTIVE")

    def cut(self):
        """End every connection that hints travel on, as a fail-over of the server would; returns how many."""
        return self._count("count(pg_terminate_backend(pid))")

    def connections(self):
        return self._count("count(*)")

    def _count(self, what):
        ours = "datname = current_database() AND application_name LIKE 'lictor hint%%'"
        with self.store.look() as connection:
            return connection.exec_driver_sql(f"SELECT {what} FROM pg_stat_activity WHERE {ours}").scalar()


def test_a_worker_that_hardly_ever_looks_is_told_and_is_told_again_after_its_connection_was_cut(tmp_path):
    with Both(tmp_path, poll_interval=120.0) as both:
        both.is_active(both.make())
        for _ in range(3):
            assert both.cut() == 2
            before = both.heard
            eventually(lambda before=before: both.heard > before, what="it listens again, and looks")
            both.is_active(both.make())


def test_without_hints_work_is_found_by_looking(tmp_path):
    with Both(tmp_path, poll_interval=1.0) as both:
        both.listener.stop()
        both.sender.stop()
        assert both.connections() == 0
        both.is_active(both.make())
