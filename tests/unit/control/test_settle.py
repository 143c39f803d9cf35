"""What was applied becomes ACTIVE or goes away; what failed is written down with its next try."""

import time

import pytest
from sqlalchemy import func, select

from lictor.amphora.client import AgentRefused, AgentUnreachable
from lictor.control import lease, settle
from lictor.control.lease import LeaseLostError
from lictor.model import Amphora, Event, Listener, LoadBalancer, Member, Pool, Tag, changes

from .conftest import add_load_balancer, begin_task, row


def test_what_was_applied_becomes_active(store, conf, load_balancer):
    settle.success(begin_task(store, conf))
    for table, key in ((LoadBalancer, "lb"), (Listener, "lb-listener"), (Pool, "lb-pool"), (Member, "lb-member-1")):
        assert row(store, table, key).provisioning_status == "ACTIVE"
    assert lease.claim(store, "anyone", 15.0) is None, "nothing is left to do"


def test_a_change_that_came_meanwhile_stays_pending_and_is_claimed_again(store, conf, load_balancer):
    task = begin_task(store, conf)

    def change(session):
        lb = changes.begin(session, "lb")
        changes.mark_updated(lb, session.get(Pool, "lb-pool"), session.get(Member, "lb-member-0"))

    store.write(change)
    settle.success(task)
    assert row(store, LoadBalancer, "lb").provisioning_status == "PENDING_UPDATE"
    assert row(store, Member, "lb-member-0").provisioning_status == "PENDING_CREATE"
    assert row(store, Member, "lb-member-1").provisioning_status == "ACTIVE"
    settle.success(begin_task(store, conf))
    assert row(store, Member, "lb-member-0").provisioning_status == "ACTIVE"
    assert row(store, LoadBalancer, "lb").provisioning_status == "ACTIVE"


def test_a_deleted_member_goes_with_its_tags_once_its_deletion_is_applied(store, conf, load_balancer):
    def condemn(session):
        session.add(Tag(resource_id="lb-member-0", tag="blue", load_balancer_id="lb"))
        changes.mark_deleted(changes.begin(session, "lb"), session.get(Member, "lb-member-0"))

    store.write(condemn)
    assert row(store, Member, "lb-member-0").provisioning_status == "PENDING_DELETE"
    settle.success(begin_task(store, conf))
    assert row(store, Member, "lb-member-0") is None
    assert row(store, Tag, ("lb-member-0", "blue")) is None


def test_a_load_balancer_that_is_being_deleted_refuses_writes_and_goes_with_all_that_is_below(store, conf):
    add_load_balancer(store, "other")
    add_load_balancer(store, "lb", members=3)
    settle.success(begin_task(store, conf))

    def condemn(session):
        changes.begin(session, "lb").provisioning_status = "PENDING_DELETE"

    store.write(condemn)
    with pytest.raises(changes.Immutable):
        store.write(lambda s: changes.begin(s, "lb"))
    settle.deleted(begin_task(store, conf))
    assert row(store, LoadBalancer, "lb") is None
    with store.read() as session:
        for table in (Listener, Pool, Member, Amphora):
            left = session.scalar(select(func.count()).select_from(table).where(table.load_balancer_id == "lb"))
            assert left == 0
    assert row(store, Listener, "other-listener") is not None


def test_failures_are_recorded_and_become_an_error_that_success_ends(store, conf, load_balancer):
    conf.set_override("retry_interval", 0.01, group="controller_worker")
    for attempt in (1, 2, 3):
        settle.failure(begin_task(store, conf), OSError("x"), "The hypervisor is on fire.")
        lb = row(store, LoadBalancer, "lb")
        assert lb.fault == "The hypervisor is on fire." and lb.attempts == attempt
        assert lb.provisioning_status == ("ERROR" if attempt == 3 else "PENDING_CREATE")
        time.sleep(0.1)
    assert row(store, Member, "lb-member-0").provisioning_status == "ERROR"
    settle.success(begin_task(store, conf))
    lb = row(store, LoadBalancer, "lb")
    assert (lb.provisioning_status, lb.fault, lb.attempts) == ("ACTIVE", None, 0)
    assert row(store, Member, "lb-member-0").provisioning_status == "ACTIVE"
    with store.read() as session:
        assert session.scalars(select(Event.kind).order_by(Event.id)).all() == ["failed"] * 3 + ["recovered"]


def test_a_refused_configuration_is_an_error_at_once(store, conf, load_balancer):
    settle.failure(
        begin_task(store, conf), AgentRefused("The agent refused the state:", "unknown keyword"), "unknown keyword"
    )
    assert row(store, LoadBalancer, "lb").provisioning_status == "ERROR"


def test_a_failed_pass_is_not_retried_before_its_time_unless_a_user_writes(store, conf, load_balancer):
    task = begin_task(store, conf)
    pause = settle.failure(task, OSError("x"), "x")
    assert pause > 0.5
    assert lease.claim(store, "w", 15.0) is None
    store.write(lambda s: changes.begin(s, "lb"))
    assert lease.claim(store, "w", 15.0) is not None


def test_a_worker_that_lost_its_lease_settles_nothing(store, conf, load_balancer):
    task = begin_task(store, conf, "slow")
    lease.forfeit_all(store)
    begin_task(store, conf, "quick")
    for end in (settle.success, settle.deleted, lambda t: settle.failure(t, OSError("x"), "x")):
        with pytest.raises(LeaseLostError):
            end(task)
    lb = row(store, LoadBalancer, "lb")
    assert (lb.provisioning_status, lb.fault, lb.lease_owner) == ("PENDING_CREATE", None, "quick")


def test_an_amphora_that_neither_answers_nor_beats_is_condemned(store, conf, load_balancer):
    conf.set_override("error_after", 1, group="controller_worker")
    settle.failure(begin_task(store, conf), AgentUnreachable("no answer"), "no answer")
    assert row(store, Amphora, "lb-amphora").condemned


def test_pauses_grow_and_are_bounded():
    pauses = [settle.back_off(attempt, 1.0, 60.0) for attempt in range(1, 200)]
    assert 0.75 <= pauses[0] <= 1.25
    assert all(pause <= 75.0 for pause in pauses)
    assert min(pauses[10:]) >= 45.0
