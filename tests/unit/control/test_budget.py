"""The budget of replacements: exact, whoever asks, however many ask at once; and pairs are never replaced at once."""

import threading
import time

import pytest
from sqlalchemy import delete, func, select, update

from lictor import config
from lictor.amphora.pki import Authority
from lictor.control.vault import Vault
from lictor.control.worker import Workers
from lictor.drivers.compute.base import ComputeError
from lictor.drivers.compute.noop import NoopCompute
from lictor.drivers.network.noop import NoopNetwork
from lictor.drivers.secrets.noop import NoopSecrets
from lictor.model import Amphora, Event, LoadBalancer, Replacement, replacement
from lictor.model.clock import clock_ms
from lictor.model.replacement import OPERATOR, SILENCE, Limits
from tests.lab.deployment import eventually

from .conftest import add_load_balancer


def admit(store, lb_id, limits, reason=SILENCE, amphora_id=None):
    return store.write(
        lambda session: replacement.admit(session, lb_id, amphora_id or f"{lb_id}-amphora", reason, limits)
    )


def age(store, seconds):
    """Let so many seconds pass."""
    past = update(Replacement).values(started_ms=Replacement.started_ms - int(seconds * 1000))
    store.write(lambda session: session.execute(past))


def test_of_many_who_ask_at_once_as_many_are_admitted_as_may_be(store):
    for number in range(24):
        add_load_balancer(store, f"lb-{number}")
    limits, verdicts, together = Limits(at_once=5, per_minute=0), [], threading.Barrier(6)

    def ask(names):
        together.wait(10)
        verdicts.extend(admit(store, name, limits) for name in names)

    threads = [threading.Thread(target=ask, args=([f"lb-{n}" for n in range(t, 24, 6)],)) for t in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(verdict.admitted for verdict in verdicts) == [False] * 19 + [True] * 5
    with store.read() as session:
        assert replacement.under_way(session) == 5


def test_a_share_is_kept_until_it_is_given_back_or_the_amphora_is_gone(store):
    for number in range(4):
        add_load_balancer(store, f"lb-{number}")
    limits = Limits(at_once=2, per_minute=0)
    assert admit(store, "lb-0", limits).admitted and admit(store, "lb-1", limits).admitted
    assert admit(store, "lb-0", limits).admitted, "it has one already"
    refused = admit(store, "lb-2", limits)
    assert (refused.admitted, refused.why) == (
        False,
        "2 replacements are under way, which is as many as may be at once",
    )
    store.write(lambda session: replacement.give_back(session, "lb-0"))
    assert admit(store, "lb-2", limits).admitted
    store.write(lambda session: session.execute(delete(Amphora).where(Amphora.id == "lb-1-amphora")))
    assert admit(store, "lb-3", limits).admitted


def test_a_share_that_nobody_gave_back_counts_no_more_after_an_hour(store):
    for number in range(2):
        add_load_balancer(store, f"lb-{number}")
    assert admit(store, "lb-0", Limits(1, 0)).admitted
    hour_ago = update(Amphora).where(Amphora.id == "lb-0-amphora").values(replacing_ms=clock_ms() - 3_600_001)
    store.write(lambda session: session.execute(hour_ago))
    assert admit(store, "lb-1", Limits(1, 0)).admitted


def test_so_many_begin_within_a_minute_and_no_more(store):
    for number in range(4):
        add_load_balancer(store, f"lb-{number}")
    limits = Limits(at_once=0, per_minute=2)
    for number in range(2):
        assert admit(store, f"lb-{number}", limits, OPERATOR).admitted
    refused = admit(store, "lb-2", limits, OPERATOR)
    assert refused.why == "2 replacements began within a minute, which is as many as may"
    assert 55 < refused.seconds <= 60
    age(store, 61)
    assert admit(store, "lb-2", limits, OPERATOR).admitted


def test_amphorae_that_fail_one_after_the_other_are_replaced_at_growing_distances(store):
    add_load_balancer(store)
    limits = Limits(at_once=0, per_minute=0, pause=10, longest_pause=30)
    for number in range(2):
        assert admit(store, "lb", limits, amphora_id=f"dead-{number}").admitted
    for number, pause in ((2, 10), (3, 20), (4, 30), (5, 30)):
        refused = admit(store, "lb", limits, amphora_id=f"dead-{number}")
        assert pause - 2 < refused.seconds <= pause, refused
        assert refused.why == f"{number} amphorae of this load balancer were replaced within the hour, and failed"
        assert admit(store, "lb", limits, OPERATOR, amphora_id="healthy").admitted, "an administrator need not wait"
        age(store, pause)
        assert admit(store, "lb", limits, amphora_id=f"dead-{number}").admitted
    age(store, 3600)
    assert admit(store, "lb", limits, amphora_id="tomorrow").admitted


def test_only_what_is_not_condemned_is_condemned_and_nothing_that_is_being_deleted(store):
    add_load_balancer(store)

    def condemn(by=SILENCE):
        return store.write(lambda session: replacement.condemn(session, "lb", by, "It is silent."))

    assert condemn() == ["lb-amphora"]
    assert condemn() == [] == condemn(OPERATOR)
    with store.read() as session:
        amphora, balancer = session.get(Amphora, "lb-amphora"), session.get(LoadBalancer, "lb")
        assert (amphora.status, amphora.condemned_by, amphora.condemned_why) == ("ERROR", "silence", "It is silent.")
        assert (balancer.provisioning_status, balancer.observed_generation) == ("PENDING_CREATE", 0)
        assert [(each.kind, each.amphora_id) for each in session.scalars(select(Event))] == [
            ("amphora_condemned", "lb-amphora")
        ]
    add_load_balancer(store, "gone")
    going = update(LoadBalancer).where(LoadBalancer.id == "gone").values(provisioning_status="PENDING_DELETE")
    store.write(lambda session: session.execute(going))
    assert store.write(lambda session: replacement.condemn(session, "gone", SILENCE, "It is silent.")) == []


class Slow(NoopCompute):
    """Instances that take a moment to make, so that what overlaps is seen to overlap."""

    def __init__(self, conf, networking):
        super().__init__(conf, networking)
        self.lock, self.now, self.most, self.broken = threading.Lock(), 0, 0, False
        self.existing = set()

    def find(self, amphora_id):
        return super().find(amphora_id) if amphora_id in self.existing else None

    def create(self, boot):
        if self.broken:
            raise ComputeError("No host has room.")
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
            self.existing.add(boot.amphora_id)
        time.sleep(0.03)
        with self.lock:
            self.now -= 1
        return super().find(boot.amphora_id)


class Fleet:
    """Load balancers on driver noop, and two control planes' workers, which know nothing of each other."""

    def __init__(self, store, tmp_path, count=1, topology="SINGLE", **options):
        self.store = store
        self._add(count, topology)
        words = {f"controller_worker__{name}": value for name, value in options.items()}
        self.conf = config.load(lictor__state_dir=str(tmp_path), controller_worker__poll_interval=0.02, **words)
        networking = NoopNetwork(self.conf, store)
        self.compute = Slow(self.conf, networking)
        self.authority = Authority.open(tmp_path / "pki")
        vault = Vault(NoopSecrets(self.conf))
        parts = (self.conf, store, self.compute, networking, self.authority, b"secret", vault)
        self.workers = [Workers(*parts) for _ in range(2)]

    def _add(self, count, topology):
        for number in range(count):
            add_load_balancer(self.store, f"lb-{number}")

        def complete(session):
            session.execute(delete(Amphora))
            session.execute(
                update(LoadBalancer).values(
                    topology=topology, vip_subnet_id="subnet", vip_network_id="network", vip_address="198.18.0.9"
                )
            )

        self.store.write(complete)

    def __enter__(self):
        for each in self.workers:
            each.start()
        return self

    def __exit__(self, *_):
        for each in self.workers:
            each.stop()

    def active(self, seconds=30):
        def all_are():
            with self.store.read() as session:
                query = select(func.count()).where(LoadBalancer.provisioning_status != "ACTIVE")
                return session.scalar(query) == 0

        eventually(all_are, seconds, "all load balancers are ACTIVE")

    def rows(self):
        with self.store.read() as session:
            return list(session.scalars(select(Amphora).order_by(Amphora.created_at)))

    def condemn(self, by=SILENCE):
        for lb_id in sorted({row.load_balancer_id for row in self.rows()}):
            self.store.write(lambda session, lb_id=lb_id: replacement.condemn(session, lb_id, by, "So it is."))

    def events(self, lb_id):
        with self.store.read() as session:
            query = select(Event.kind, Event.amphora_id).where(Event.load_balancer_id == lb_id).order_by(Event.id)
            return [tuple(row) for row in session.execute(query)]


def test_with_many_dead_at_once_no_more_than_the_budget_are_replaced_at_a_time(store, tmp_path):
    with Fleet(store, tmp_path, 12, replacements_at_once=2) as fleet:
        fleet.active()
        before = {row.id for row in fleet.rows()}
        fleet.compute.most = 0
        fleet.condemn()
        fleet.active()
        after = fleet.rows()
    assert len(after) == 12 and not before & {row.id for row in after}
    assert {(row.status, row.condemned, row.replacing_ms) for row in after} == {("ALLOCATED", False, None)}
    assert 1 <= fleet.compute.most <= 2
    kinds = [[kind for kind, _ in fleet.events(f"lb-{n}")] for n in range(12)]
    assert all({"amphora_condemned", "failover_started", "amphora_replaced"} <= set(each) for each in kinds)
    assert any("failover_waits" in each for each in kinds), "it is said who had to wait"


def test_dead_instances_are_started_anew_within_the_budget_too(store, tmp_path):
    with Fleet(store, tmp_path, 6, replacements_at_once=1) as fleet:
        fleet.active()
        before = {row.id for row in fleet.rows()}
        fleet.compute.most = 0
        fleet.compute.existing.clear()
        for number in range(6):
            store.write(lambda session, number=number: replacement.ask(session, f"lb-{number}"))
        fleet.active()
        assert {row.id for row in fleet.rows()} == before == fleet.compute.existing
    assert fleet.compute.most == 1


def test_of_a_pair_the_backup_is_replaced_first_and_the_master_when_that_is_done(store, tmp_path):
    with Fleet(store, tmp_path, 1, topology="ACTIVE_STANDBY") as fleet:
        fleet.active()
        old = {row.role: row.id for row in fleet.rows()}
        fleet.condemn(OPERATOR)
        fleet.active()
        new = {row.role: row.id for row in fleet.rows()}
    assert old.keys() == new.keys() == {"MASTER", "BACKUP"}
    steps = ("failover_started", "amphora_booted", "amphora_replaced")
    told = [event for event in fleet.events("lb-0") if event[0] in steps][-6:]
    assert told == [
        ("failover_started", old["BACKUP"]), ("amphora_booted", new["BACKUP"]), ("amphora_replaced", old["BACKUP"]),
        ("failover_started", old["MASTER"]), ("amphora_booted", new["MASTER"]), ("amphora_replaced", old["MASTER"]),
    ]  # fmt: skip


@pytest.mark.parametrize("broken", ["MASTER", "BACKUP"])
def test_of_a_pair_the_one_that_is_broken_is_replaced_before_the_one_that_serves(store, tmp_path, broken):
    with Fleet(store, tmp_path, 1, topology="ACTIVE_STANDBY") as fleet:
        fleet.active()
        old = {row.role: row.id for row in fleet.rows()}

        def condemn(session):
            replacement.condemn(session, "lb-0", SILENCE, "It is silent.", old[broken])
            replacement.condemn(session, "lb-0", OPERATOR, "It was asked for.")

        store.write(condemn)
        fleet.active()
    started = [amphora_id for kind, amphora_id in fleet.events("lb-0") if kind == "failover_started"]
    assert started == [old[broken], *(set(old.values()) - {old[broken]})]
