"""What amphorae report becomes the operating statuses of the reference, section 3.4."""

import pytest

from lictor.control.health.operating import Observed, statuses
from lictor.model import Listener, LoadBalancer, Member, Pool
from lictor.wire import ListenerReport, PoolReport


def tree(members=2, before="OFFLINE", **lb):
    lb = LoadBalancer(id="lb", admin_state_up=True, **lb)
    pool = Pool(id="pool", members=[Member(id=f"m{n}", operating_status=before) for n in range(members)])
    lb.pools = [pool]
    lb.listeners = [
        Listener(id="l", admin_state_up=True, provisioning_status="ACTIVE", default_pool=pool),
    ]
    return lb


def observed(*members, pool="UP", listener="OPEN"):
    report = PoolReport(status=pool, members={f"m{n}": word for n, word in enumerate(members)})
    return Observed({"l": ListenerReport(status=listener)}, {"pool:l": report})


@pytest.mark.parametrize(
    ("words", "pool", "member", "of_pool", "of_lb"),
    [
        (("UP", "UP"), "UP", "ONLINE", "ONLINE", "ONLINE"),
        (("DOWN", "UP"), "UP", "ERROR", "DEGRADED", "DEGRADED"),
        (("DOWN", "DOWN"), "DOWN", "ERROR", "ERROR", "ERROR"),
        (("DRAIN", "UP"), "UP", "DRAINING", "ONLINE", "ONLINE"),
        (("MAINT", "UP"), "UP", "OFFLINE", "ONLINE", "ONLINE"),
        (("no check", "no check"), "UP", "NO_MONITOR", "ONLINE", "ONLINE"),
    ],
)
def test_members_pools_and_load_balancer(words, pool, member, of_pool, of_lb):
    found = statuses(tree(), observed(*words, pool=pool))
    assert (found["m0"], found["pool"], found["lb"], found["l"]) == (member, of_pool, of_lb, "ONLINE")


def test_a_listener_at_its_connection_limit_degrades_the_load_balancer():
    found = statuses(tree(), observed("UP", "UP", listener="FULL"))
    assert (found["l"], found["lb"]) == ("DEGRADED", "DEGRADED")


def test_an_enabled_listener_that_is_not_reported_is_in_error_but_not_the_load_balancer():
    found = statuses(tree(), Observed())
    assert (found["l"], found["lb"], found["pool"]) == ("ERROR", "ONLINE", "OFFLINE")


def test_a_listener_on_its_way_to_the_amphora_is_not_missed_yet():
    lb = tree()
    lb.listeners[0].provisioning_status = "PENDING_CREATE"
    assert statuses(lb, Observed())["l"] == "OFFLINE"


def test_a_disabled_load_balancer_is_offline():
    lb = tree()
    lb.admin_state_up = False
    assert statuses(lb, Observed())["lb"] == "OFFLINE"
    assert statuses(lb, Observed())["l"] == "OFFLINE"


@pytest.mark.parametrize(("before", "after"), [("NO_MONITOR", "NO_MONITOR"), ("ONLINE", "OFFLINE")])
def test_a_member_missing_from_the_report(before, after):
    assert statuses(tree(before=before), observed("UP"))["m1"] == after


def test_an_unknown_word_keeps_the_old_status():
    assert statuses(tree(before="ONLINE"), observed("RESTARTING", "UP"))["m0"] == "ONLINE"


def test_a_member_is_as_bad_as_the_worst_of_its_listeners_checks_say():
    both = observed("UP", "UP")
    both.pools["pool:other"] = PoolReport(status="UP", members={"m0": "DOWN", "m1": "UP"})
    assert statuses(tree(), both)["m0"] == "ERROR"
