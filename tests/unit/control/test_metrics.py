"""What Prometheus is told: each figure follows from rows, and is right after something happened."""

import datetime

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import update

from lictor import config
from lictor.control import lease, settle
from lictor.control.metrics_rows import Rows
from lictor.model import Amphora, AmphoraHealth, LoadBalancer, changes, now, trail
from lictor.model.clock import clock_ms

from .conftest import add_load_balancer, begin_task, row


@pytest.fixture
def conf(tmp_path):
    return config.load(lictor__state_dir=str(tmp_path))


@pytest.fixture
def told(store, conf):
    """The value of a figure now, or None."""
    registry = CollectorRegistry()
    registry.register(Rows(conf, store))
    return lambda name, **labels: registry.get_sample_value(f"lictor_{name}", labels)


def change(store, model, **values):
    store.write(lambda session: session.execute(update(model).values(**values)))


def test_what_needs_work_is_counted_until_it_is_applied(store, conf, told):
    add_load_balancer(store)
    change(store, LoadBalancer, work_since_ms=clock_ms() - 30_000)
    assert told("unconverged") == told("queue_length") == 1
    assert 30 <= told("queue_age_seconds") < 40
    assert 30 <= told("load_balancer_unconverged_seconds", load_balancer_id="lb") < 40
    task = begin_task(store, conf)
    assert (told("queue_length"), told("leases_held"), told("unconverged")) == (0, 1, 1)
    settle.success(task)
    assert (told("unconverged"), told("leases_held"), told("unconverged_seconds")) == (0, 0, 0)
    assert told("load_balancer_unconverged_seconds", load_balancer_id="lb") is None
    assert told("load_balancers", provisioning_status="ACTIVE") == 1


def test_since_when_there_is_work_counts_from_the_first_write_and_not_from_the_last(store, conf, told):
    add_load_balancer(store)
    settle.success(begin_task(store, conf))
    store.write(lambda session: changes.begin(session, "lb"))
    change(store, LoadBalancer, work_since_ms=LoadBalancer.work_since_ms - 30_000)
    store.write(lambda session: changes.begin(session, "lb"))
    assert 30 <= told("unconverged_seconds") < 40


def test_what_fails_waits_for_its_next_try_and_does_not_count_as_waiting_for_a_worker(store, conf, told):
    add_load_balancer(store)
    settle.failure(begin_task(store, conf), RuntimeError("no"), "no")
    assert (told("retrying"), told("queue_length"), told("unconverged")) == (1, 0, 1)
    assert told("load_balancer_attempts", load_balancer_id="lb") == 1


def test_a_lease_that_ran_out_shows(store, told):
    add_load_balancer(store)
    assert lease.claim(store, "dead", 15.0)
    assert (told("leases_held"), told("leases_expired")) == (1, 0)
    change(store, LoadBalancer, lease_expires_ms=clock_ms() - 1)
    assert (told("leases_held"), told("leases_expired")) == (0, 1)


def test_who_was_not_heard_is_counted_with_how_long_ago_that_was(store, told):
    add_load_balancer(store)

    def heard(session):
        amphora = Amphora(load_balancer_id="lb", status="ALLOCATED")
        session.add(amphora)
        session.flush()
        session.add(AmphoraHealth(amphora_id=amphora.id, last_update_ms=session.scalar(clock_ms()) - 60_000))

    store.write(heard)
    assert told("amphorae_silent") == 1
    assert 60 <= told("heartbeat_lag_seconds") < 70
    change(store, AmphoraHealth, last_update_ms=clock_ms())
    assert told("amphorae_silent") == 0


def test_certificates_that_run_out_are_told_of_one_by_one_and_the_first_in_any_case(store, conf, told):
    add_load_balancer(store)
    life = conf.certificates.cert_validity_time

    def issue(session):
        for name, left in (("old", life / 10), ("fresh", life / 2)):
            expires = now() + datetime.timedelta(seconds=left)
            session.add(Amphora(id=name, load_balancer_id="lb", status="ALLOCATED", cert_expiration=expires))

    store.write(issue)
    assert told("certificate_expiry_seconds") == pytest.approx(life / 10, abs=60)
    assert told("amphora_certificate_expiry_seconds", amphora_id="old") == pytest.approx(life / 10, abs=60)
    assert told("amphora_certificate_expiry_seconds", amphora_id="fresh") is None


def test_of_many_only_the_worst_are_told_of_one_by_one(store, conf):
    def fill(session):
        session.add_all(LoadBalancer(id=f"lb{n}", project_id="p", provider="amphora") for n in range(80))

    store.write(fill)
    change(store, LoadBalancer, work_since_ms=clock_ms() - 1000)
    change_one = update(LoadBalancer).where(LoadBalancer.id == "lb70").values(work_since_ms=clock_ms() - 99_000)
    store.write(lambda session: session.execute(change_one))
    (worst,) = [each for each in Rows(conf, store).collect() if each.name == "lictor_load_balancer_unconverged_seconds"]
    assert len(worst.samples) == 50
    assert worst.samples[0].labels == {"load_balancer_id": "lb70"}


def test_a_database_that_is_away_is_a_figure_too(conf, tmp_path):
    from lictor.model.store import Store

    registry = CollectorRegistry()
    registry.register(Rows(conf, Store(f"sqlite:///{tmp_path}/nowhere/lictor.db")))
    assert registry.get_sample_value("lictor_database_up") == 0


def test_the_ids_of_all_writes_that_one_pass_applies_are_kept_until_it_has(store, conf):
    def write(request_id):
        with trail.following(request_id, ""):
            store.write(lambda session: changes.begin(session, "lb"))

    add_load_balancer(store)
    settle.success(begin_task(store, conf))
    for request_id in ("req-1", "req-2"):
        write(request_id)
    task = begin_task(store, conf)
    assert task.load_balancer.requests == "req-1 req-2"
    write("req-3")
    settle.success(task)
    assert row(store, LoadBalancer, "lb").requests == "req-1 req-2 req-3"
    settle.success(begin_task(store, conf))
    assert row(store, LoadBalancer, "lb").requests == ""
    for number in range(100):
        write(f"req-00000000-0000-0000-0000-0000000000{number:02}")
    assert row(store, LoadBalancer, "lb").requests.endswith("99")
    assert len(row(store, LoadBalancer, "lb").requests) <= trail.SHARED
