"""At most one worker acts on a load balancer, and a dead worker's claim runs out."""

import datetime
import threading
import time

import pytest
from sqlalchemy import update

from lictor.control import lease
from lictor.model import LoadBalancer, changes
from lictor.model.clock import clock_ms

from .conftest import add_load_balancer, row

EARLY = datetime.datetime(2020, 1, 1)


def test_a_load_balancer_is_claimed_by_one_of_many_workers(store):
    for n in range(20):
        add_load_balancer(store, f"lb-{n}")
    claims, failures = [], []

    def worker(name):
        try:
            while held := lease.claim(store, name, 15.0):
                claims.append(held.load_balancer_id)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=worker, args=(f"w{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    assert sorted(claims) == sorted(f"lb-{n}" for n in range(20))


def test_a_claimed_load_balancer_is_not_claimed_again_until_its_lease_ends(store, load_balancer):
    first = lease.claim(store, "one", 0.3)
    assert lease.claim(store, "two", 15.0) is None
    time.sleep(0.35)
    second = lease.claim(store, "two", 15.0)
    assert second.epoch == first.epoch + 1
    with pytest.raises(lease.LeaseLostError):
        first.check()


def test_a_renewed_lease_outlives_its_first_end(store, load_balancer):
    held = lease.claim(store, "one", 0.3)
    held.seconds = 15.0
    lease.renew(store, held)
    time.sleep(0.35)
    assert lease.claim(store, "two", 15.0) is None
    held.check()


def test_renewing_a_lease_that_another_worker_took_marks_it_as_lost(store, load_balancer):
    first = lease.claim(store, "one", 0.05)
    time.sleep(0.1)
    second = lease.claim(store, "two", 15.0)
    lease.renew(store, first)
    assert first.lost and not second.lost
    lease.release(store, first)
    assert row(store, LoadBalancer, "lb").lease_owner == "two"


def test_nothing_is_claimed_that_is_applied_or_whose_retry_time_has_not_come(store, load_balancer):
    store.write(lambda s: s.execute(update(LoadBalancer).values(observed_generation=1)))
    assert lease.claim(store, "one", 15.0) is None
    store.write(lambda s: changes.ask_again(s, "lb"))
    store.write(lambda s: s.execute(update(LoadBalancer).values(retry_at_ms=clock_ms() + 60_000)))
    assert lease.claim(store, "one", 15.0) is None
    store.write(lambda s: changes.begin(s, "lb"))
    assert lease.claim(store, "one", 15.0) is not None, "a user's write is tried at once"


def test_a_released_load_balancer_can_be_claimed_at_once(store, load_balancer):
    held = lease.claim(store, "one", 15.0)
    lease.release(store, held)
    assert lease.claim(store, "two", 15.0).epoch == held.epoch + 1


def test_a_process_that_knows_to_be_alone_ends_all_leases_but_keeps_the_epochs(store, load_balancer):
    held = lease.claim(store, "dead", 15.0)
    lease.forfeit_all(store)
    assert lease.claim(store, "new", 15.0).epoch == held.epoch + 1


def test_a_row_is_held_by_its_owner_alone(store, load_balancer):
    first = lease.claim(store, "one", 0.05)
    store.write(lambda session: lease.hold(session, first))
    time.sleep(0.1)
    second = lease.claim(store, "two", 15.0)
    with pytest.raises(lease.LeaseLostError):
        store.write(lambda session: lease.hold(session, first))
    store.write(lambda session: lease.hold(session, second))


def test_a_load_balancer_without_a_vip_is_taken_over_soon_and_before_all_others(store, load_balancer, monkeypatch):
    monkeypatch.setattr(lease, "HASTE", 0.3)
    held = lease.claim(store, "dies", 15.0)
    add_load_balancer(store, "waits")
    store.write(lambda s: s.execute(update(LoadBalancer).where(LoadBalancer.id == "waits").values(created_at=EARLY)))
    lease.hasten(store, held)
    lease.renew(store, held)
    time.sleep(0.35)
    assert lease.claim(store, "heir", 15.0).load_balancer_id == "lb"
    with pytest.raises(lease.LeaseLostError):
        lease.hasten(store, held)


def test_every_other_claim_is_of_what_a_user_has_asked_for_however_long_others_have_waited(store):
    for name, asked in (("dead-1", ""), ("dead-2", ""), ("asked", "req-1"), ("hastened", "")):
        add_load_balancer(store, name)
        values = {"requests": asked, "created_at": EARLY if not asked else datetime.datetime(2021, 1, 1)}
        if name == "hastened":
            values["retry_at_ms"] = lease.FIRST
        one = update(LoadBalancer).where(LoadBalancer.id == name).values(updated_at=None, **values)
        store.write(lambda session, one=one: session.execute(one))
    turns = [lease.claim(store, "one", 15.0, asked_first).load_balancer_id for asked_first in (True, True, False)]
    assert turns == ["hastened", "asked", turns[2]]
    assert turns[2].startswith("dead")
