"""At most one worker acts on a load balancer, and a dead worker's claim runs out."""

import threading
import time

import pytest
from sqlalchemy import update

from lictor.control import lease
from lictor.model import LoadBalancer, changes
from lictor.model.clock import clock_ms

from .conftest import add_load_balancer, row


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
    lease.renew(store, held, 15.0)
    time.sleep(0.35)
    assert lease.claim(store, "two", 15.0) is None
    held.check()


def test_renewing_a_lease_that_another_worker_took_marks_it_as_lost(store, load_balancer):
    first = lease.claim(store, "one", 0.05)
    time.sleep(0.1)
    second = lease.claim(store, "two", 15.0)
    lease.renew(store, first, 15.0)
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
