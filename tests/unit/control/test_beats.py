"""Heartbeats: only fresh ones of the known boot count, and their counters only grow."""

import pytest

from lictor.control import beats, delivery
from lictor.control.provision import amphorae
from lictor.model import AmphoraHealth, Listener, ListenerStatistics, LoadBalancer
from lictor.wire import Heartbeat, ListenerReport, PoolReport, Report
from lictor.wire import ListenerStatistics as Counters

from .conftest import begin_task, row

AMPHORA = "lb-amphora"


@pytest.fixture
def health(store, load_balancer):
    def rows(session):
        session.get(Listener, "lb-listener").provisioning_status = "ACTIVE"
        session.add(AmphoraHealth(amphora_id=AMPHORA, boot_id="boot", digest="d"))

    store.write(rows)


def beat(sequence, boot="boot", digest="d", conns=0, amphora=AMPHORA, **more):
    counters = Counters(total_connections=conns, bytes_in=10 * conns, active_connections=1)
    listeners = {"lb-listener": ListenerReport(status="OPEN", statistics=counters)}
    return Heartbeat(
        amphora_id=amphora, boot_id=boot, sequence=sequence, beat=sequence, digest=digest, listeners=listeners, **more
    )


def write(store, *heard):
    parts = beats.Assembly()
    return store.write(lambda session: beats.write(session, [(one, parts.add(one)) for one in heard]))


def test_a_heartbeat_sets_operating_statuses(store, health):
    assert write(store, beat(1)) == set()
    assert row(store, Listener, "lb-listener").operating_status == "ONLINE"
    assert row(store, LoadBalancer, "lb").operating_status == "ONLINE"
    assert row(store, LoadBalancer, "lb").updated_at is None, "nobody changed it"
    assert row(store, AmphoraHealth, AMPHORA).last_update_ms > 0


def test_a_replayed_or_overtaken_heartbeat_is_ignored(store, health):
    write(store, beat(5, conns=7))
    assert write(store, beat(5, conns=100), beat(4, conns=100)) == set()
    assert row(store, ListenerStatistics, ("lb-listener", AMPHORA)).total_connections == 7


def test_a_heartbeat_of_an_unknown_boot_counts_for_nothing_but_a_look(store, health):
    assert write(store, beat(9, boot="recorded last year", conns=3)) == {"lb"}
    assert row(store, ListenerStatistics, ("lb-listener", AMPHORA)) is None
    assert row(store, AmphoraHealth, AMPHORA).sequence == 0


def test_a_heartbeat_of_another_state_than_the_delivered_asks_for_a_look(store, health):
    assert write(store, beat(1, digest="something else")) == {"lb"}


def test_a_heartbeat_that_left_before_the_delivery_is_no_drift_however_late_it_comes(store, conf, load_balancer):
    task = begin_task(store, conf)
    (amphora,) = amphorae(task)
    delivery._record(task, amphora, Report(amphora_id=AMPHORA, boot_id="boot", sequence=1000, digest="new"))
    assert write(store, beat(999, digest="old")) == set()
    assert write(store, beat(1001, digest="new")) == set()
    assert write(store, beat(1002, digest="old")) == {"lb"}


def test_a_heartbeat_from_nowhere_is_ignored(store, health):
    assert write(store, beat(1, amphora="who is this")) == set()


def test_counters_grow_by_what_was_counted_since_and_a_reboot_starts_from_zero(store, health):
    for sequence, conns in ((1, 5), (2, 9), (3, 9)):
        write(store, beat(sequence, conns=conns))
    store.write(lambda s: setattr(s.get(AmphoraHealth, AMPHORA), "boot_id", "boot 2"))
    store.write(lambda s: setattr(s.get(AmphoraHealth, AMPHORA), "sequence", 0))
    write(store, beat(1, boot="boot 2", conns=4))
    counted = row(store, ListenerStatistics, ("lb-listener", AMPHORA))
    assert (counted.total_connections, counted.bytes_in, counted.active_connections) == (13, 130, 1)


def test_a_split_beat_counts_when_its_last_part_is_there_and_its_pools_are_joined(store, health):
    first, second = (
        Heartbeat(
            amphora_id=AMPHORA,
            boot_id="boot",
            sequence=n + 1,
            beat=1,
            part=n,
            parts=2,
            digest="d",
            pools={"lb-pool:lb-listener": PoolReport(status="UP", members={f"lb-member-{n}": "UP"})},
        )
        for n in (0, 1)
    )
    parts = beats.Assembly()
    assert parts.add(first) is None
    whole = parts.add(second)
    assert whole.pools["lb-pool:lb-listener"].members == {"lb-member-0": "UP", "lb-member-1": "UP"}


def test_parts_of_different_beats_are_never_mixed():
    parts = beats.Assembly()
    one = Heartbeat(amphora_id=AMPHORA, boot_id="b", sequence=1, beat=1, part=0, parts=2)
    two = Heartbeat(amphora_id=AMPHORA, boot_id="b", sequence=2, beat=2, part=1, parts=2)
    assert parts.add(one) is None and parts.add(two) is None
