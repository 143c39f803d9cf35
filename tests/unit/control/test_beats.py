"""Heartbeats: only fresh ones of the known boot count, and their counters only grow."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec.structs import replace
from sqlalchemy import delete, select, update

from lictor.control import delivery
from lictor.control.health import beats
from lictor.control.provision import amphorae
from lictor.model import AmphoraHealth, Listener, ListenerStatistics, LoadBalancer, given
from lictor.wire import Heartbeat, ListenerReport, PoolReport, Report
from lictor.wire import ListenerStatistics as Counters

from .conftest import add_load_balancer, begin_task, row

AMPHORA = "lb-amphora"
ROUNDS = 200
"""Beats of each amphora that two health managers share."""


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
    batch = [beats.heard(one, parts) for one in heard]
    return store.write(lambda session: beats.write(session, batch))


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


def test_what_a_column_cannot_hold_is_counted_as_the_most_that_it_can(store, health):
    for sequence, conns in ((1, 2**63 - 10), (2, 2**64), (3, -5)):
        write(store, beat(sequence, conns=conns))
    counted = row(store, ListenerStatistics, ("lb-listener", AMPHORA))
    assert (counted.total_connections, counted.last_total_connections) == (2**63 - 1, 0)
    store.write(lambda s: setattr(s.get(AmphoraHealth, AMPHORA), "boot_id", "boot 2"))
    write(store, beat(4, boot="boot 2", conns=7))
    assert row(store, ListenerStatistics, ("lb-listener", AMPHORA)).total_connections == 2**63 - 1


def test_names_that_no_listener_can_have_are_not_counted_as_those_they_begin_with(store, health):
    write(store, beat(1, conns=3))
    figures = ListenerReport(status="OPEN", statistics=Counters(total_connections=100))
    names = (
        "lb-listener ",
        "LB-listener",
        "lb-listener" + "x" * 40,
        "lb-listener' OR 1",
        'lb-"listener',
        "lb-listener\\",
    )
    write(store, replace(beat(2, conns=5), listeners={**beat(2, conns=5).listeners, **dict.fromkeys(names, figures)}))
    assert row(store, ListenerStatistics, ("lb-listener", AMPHORA)).total_connections == 5
    with store.read() as session:
        assert len(session.scalars(select(ListenerStatistics.listener_id)).all()) == 1


def test_a_listener_whose_rows_went_with_it_is_not_counted_again(store, health):
    write(store, beat(1, conns=3))

    def gone(session):
        session.delete(session.get(Listener, "lb-listener"))
        session.execute(delete(ListenerStatistics))

    store.write(gone)
    write(store, beat(2, conns=5))
    assert row(store, ListenerStatistics, ("lb-listener", AMPHORA)) is None


def test_more_listeners_than_one_statement_takes_are_all_counted(store, health, monkeypatch):
    monkeypatch.setattr(given, "CHUNK", 3)

    def more(session):
        names = {"load_balancer_id": "lb", "project_id": "p", "protocol": "HTTP"}
        session.add_all(Listener(id=f"more-{n}", protocol_port=1000 + n, **names) for n in range(7))

    store.write(more)
    for sequence in (1, 2):
        figures = ListenerReport(status="OPEN", statistics=Counters(total_connections=sequence))
        write(store, replace(beat(sequence), listeners={f"more-{n}": figures for n in range(7)}))
    with store.read() as session:
        assert session.scalars(select(ListenerStatistics.total_connections)).all() == [2] * 7


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


def test_a_beat_that_tells_nothing_new_changes_nothing_but_when_it_was_heard(store, health):
    write(store, beat(1, conns=3))
    store.write(lambda s: s.execute(update(AmphoraHealth).values(last_update_ms=1, silent_since_ms=2)))
    store.write(lambda s: s.execute(update(Listener).values(operating_status="DEGRADED")))
    write(store, beat(2, conns=3))
    heard = row(store, AmphoraHealth, AMPHORA)
    assert heard.last_update_ms > 1
    assert (heard.sequence, heard.silent_since_ms, heard.boot_id, heard.digest) == (2, 0, "boot", "d")
    assert row(store, Listener, "lb-listener").operating_status == "DEGRADED", "rows were compared for nothing"


@pytest.mark.parametrize("column", ["generation", "observed_generation", "lease_epoch"])
def test_whatever_the_loop_or_a_user_did_the_next_beat_is_compared_with_the_rows(store, health, column):
    write(store, beat(1))
    store.write(lambda s: s.execute(update(Listener).values(operating_status="OFFLINE")))
    store.write(lambda s: s.execute(update(LoadBalancer).values({column: 7})))
    write(store, beat(2))
    assert row(store, Listener, "lb-listener").operating_status == "ONLINE"


def test_a_listener_that_is_gone_or_anothers_is_not_counted(store, health):
    other = add_load_balancer(store, "other")
    counters = ListenerReport(status="OPEN", statistics=Counters(total_connections=5))
    listeners = dict.fromkeys(("lb-listener", f"{other}-listener", "gone"), counters)
    write(store, replace(beat(1), listeners=listeners))
    with store.read() as session:
        assert session.scalars(select(ListenerStatistics.listener_id)).all() == ["lb-listener"]


def test_two_health_managers_that_hear_the_same_amphorae_count_nothing_twice(store, health):
    amphorae = [AMPHORA]
    for number in range(4):
        amphorae.append(f"{add_load_balancer(store, f'lb{number}')}-amphora")

    def deliver(session):
        session.execute(update(Listener).values(provisioning_status="ACTIVE"))
        session.add_all(AmphoraHealth(amphora_id=each, boot_id="boot", digest="d") for each in amphorae[1:])

    store.write(deliver)

    def of(amphora, sequence):
        figures = ListenerReport(status="OPEN", statistics=Counters(total_connections=sequence))
        listeners = {amphora.replace("amphora", "listener"): figures}
        return replace(beat(sequence, amphora=amphora), listeners=listeners)

    def manager(number):
        # Each hears every second beat of each amphora, in an order of its own.
        for first in range(1, ROUNDS, 10):
            heard = [of(each, n) for n in range(first + number, first + 10, 2) for each in amphorae[:: 1 - 2 * number]]
            write(store, *heard)

    with ThreadPoolExecutor(2) as managers:
        list(managers.map(manager, range(2)))
    for each in amphorae:
        counted = row(store, ListenerStatistics, (each.replace("amphora", "listener"), each))
        assert counted.total_connections == counted.last_total_connections == ROUNDS
        assert row(store, AmphoraHealth, each).sequence == ROUNDS
