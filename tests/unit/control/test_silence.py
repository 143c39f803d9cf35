"""Who is silent is told from our own blindness; and only what is believed is marked."""

import dataclasses
import time

import pytest
from sqlalchemy import select

from lictor import config
from lictor.control.health.silence import Guard, Limits, Look, View
from lictor.control.health.watch import Watch, boottime
from lictor.model import Amphora, AmphoraHealth, Event, LoadBalancer
from lictor.model.clock import clock_ms

from .conftest import add_load_balancer, row

LIMITS = Limits(timeout=10, interval=1, share=0.25, least=10)
CALM = Look(clock_ms=1_000_000, moment=0, heard=0, fleet=1000, silent=0)


def seen(after, **values):
    """What is seen so many seconds after the start, by clocks that go alike; somebody was just heard."""
    look = dataclasses.replace(CALM, clock_ms=CALM.clock_ms + 1000 * after, moment=after, heard=after)
    return dataclasses.replace(look, **values)


@pytest.fixture
def guard():
    """One that has looked for long enough to be sure."""
    made = Guard(LIMITS, moment=0)
    views = [made.judge(seen(second)) for second in range(1, 12)]
    assert views == [View.GRACE] * 9 + [View.SURE] * 2
    return made


def test_one_silent_amphora_is_believed(guard):
    assert guard.judge(seen(12, silent=1)) is View.SURE


def test_a_tenth_of_the_fleet_is_believed_and_a_quarter_is_not(guard):
    assert guard.judge(seen(12, silent=100)) is View.SURE
    assert guard.judge(seen(13, silent=250)) is View.PAUSED
    assert guard.judge(seen(14, silent=249)) is View.SURE, "a pause ends when they are heard again"


def test_few_amphorae_are_never_too_many(guard):
    assert guard.judge(seen(12, fleet=9, silent=9)) is View.SURE
    assert guard.judge(seen(13, fleet=10, silent=10)) is View.PAUSED


def test_a_threshold_counts_heads_as_octavia_does():
    guard = Guard(dataclasses.replace(LIMITS, threshold=5, timeout=0), moment=0)
    assert guard.judge(seen(1, silent=4)) is View.SURE
    assert guard.judge(seen(2, silent=5)) is View.PAUSED


# A rack is gone: a quarter of the fleet.


@pytest.fixture
def patient():
    """A guard whose pause ends after a minute, and which is sure."""
    made = Guard(dataclasses.replace(LIMITS, pause=60), moment=0)
    assert made.judge(seen(11)) is View.SURE
    return made


def views(guard, seconds, **values):
    """The views of these seconds, without repetition, and since when the last one held."""
    found = {}
    for second in seconds:
        found.setdefault(guard.judge(seen(second, **values)), second)
    return list(found.items())


def test_those_who_stay_silent_while_others_are_heard_are_believed_after_the_pause(patient):
    assert views(patient, range(12, 100), silent=300) == [(View.PAUSED, 12), (View.SURE, 72)]
    assert patient.judge(seen(100, silent=301)) is View.SURE, "one more is not many"
    assert views(patient, range(101, 110), silent=20) == [(View.SURE, 101)]
    assert patient.judge(seen(110, silent=270)) is View.PAUSED, "most were replaced: these are many at once again"


def test_a_second_rack_is_waited_for_as_the_first_was(patient):
    views(patient, range(12, 73), silent=300)
    assert views(patient, range(73, 200), silent=550) == [(View.PAUSED, 73), (View.SURE, 133)]


@pytest.mark.parametrize("other", [290, 310])
def test_while_many_fall_silent_or_come_back_the_pause_begins_anew(patient, other):
    assert views(patient, range(12, 70), silent=300) == [(View.PAUSED, 12)]
    assert views(patient, range(70, 200), silent=other) == [(View.PAUSED, 70), (View.SURE, 130)]


@pytest.mark.parametrize("other", [291, 309])
def test_a_few_who_fall_silent_or_come_back_do_not_prolong_the_pause(patient, other):
    assert views(patient, range(12, 70), silent=300) == [(View.PAUSED, 12)]
    assert views(patient, range(70, 80), silent=other) == [(View.PAUSED, 70), (View.SURE, 72)]


def test_when_all_are_silent_none_is_ever_believed_to_be_dead(patient):
    assert views(patient, range(12, 1000), silent=1000) == [(View.PAUSED, 12)]
    assert patient.judge(seen(1000, silent=999)) is View.PAUSED, "the first one that is heard proves nothing"
    views(patient, range(1001, 1070), silent=991)
    assert patient.judge(seen(1070, silent=1000)) is View.PAUSED, "now all are, though few more than were believed"


def test_who_was_blind_meanwhile_waits_all_of_the_pause(patient):
    assert views(patient, range(12, 70), silent=300) == [(View.PAUSED, 12)]
    assert patient.judge(seen(70, silent=300, heard=59)) is View.BLIND
    assert views(patient, range(71, 200), silent=300) == [(View.PAUSED, 71), (View.SURE, 131)]


def test_a_pause_of_zero_lasts(guard):
    assert views(guard, range(12, 10_000), silent=300) == [(View.PAUSED, 12)]


def test_who_hears_nobody_is_blind_though_the_rows_of_others_look_well(guard):
    assert guard.judge(seen(12, heard=1, silent=0)) is View.BLIND
    assert guard.judge(seen(13, heard=13, silent=1)) is View.SURE


@pytest.mark.parametrize("seconds", [-3600, -3, 3, 3600])
def test_a_jump_of_the_databases_clock_is_waited_out(guard, seconds):
    jumped = CALM.clock_ms + 1000 * seconds
    assert guard.judge(seen(12, clock_ms=jumped + 12_000, silent=9)) is View.GRACE
    assert guard.judge(seen(21, clock_ms=jumped + 21_000, silent=9)) is View.GRACE, "it stood still, too"
    views = [guard.judge(seen(second, clock_ms=jumped + 1000 * second, silent=9)) for second in range(22, 33)]
    assert views == [View.GRACE] * 9 + [View.SURE] * 2


def test_a_process_that_stood_still_waits_for_one_timeout(guard):
    assert guard.judge(seen(60, silent=9)) is View.GRACE
    views = [guard.judge(seen(second, silent=9)) for second in range(61, 72)]
    assert views == [View.GRACE] * 9 + [View.SURE] * 2


def test_after_the_database_was_away_one_timeout_is_waited(guard):
    guard.distrust(12)
    assert guard.judge(seen(20, silent=9)) is View.GRACE
    assert guard.judge(seen(22, silent=9)) is View.SURE


# --- with rows -------------------------------------------------------------------------------------------------------


class Fleet:
    """Load balancers with an amphora each, all just heard, and a health manager that looks at them."""

    def __init__(self, store, tmp_path, count):
        self.store, self.asked = store, []
        for number in range(count):
            add_load_balancer(store, f"lb{number:02}")
        self.write(last_update_ms=None)
        self.store.write(lambda session: session.query(Amphora).update({"status": "ALLOCATED"}))
        conf = config.load(lictor__state_dir=str(tmp_path))
        self.watch = Watch(conf.health_manager, store, self.asked.append)
        self.watch._guard = Guard(LIMITS, moment=boottime() - 60)

    def write(self, last_update_ms, *numbers):
        def rows(session):
            value = session.scalar(select(clock_ms())) if last_update_ms is None else last_update_ms
            for each in numbers or range(session.query(Amphora).count()):
                session.merge(AmphoraHealth(amphora_id=f"lb{each:02}-amphora", boot_id="b", last_update_ms=value))

        self.store.write(rows)

    def silent(self):
        with self.store.read() as session:
            marked = select(AmphoraHealth.amphora_id).where(AmphoraHealth.silent_since_ms > 0)
            return sorted(session.scalars(marked))

    def events(self):
        with self.store.read() as session:
            return sorted(map(tuple, session.execute(select(Event.kind, Event.load_balancer_id))))


def test_who_is_silent_is_marked_once_and_the_loop_is_asked_each_time(store, tmp_path):
    fleet = Fleet(store, tmp_path, 12)
    fleet.write(5, 3, 4)
    fleet.watch.turn()
    fleet.watch.turn()
    assert fleet.silent() == ["lb03-amphora", "lb04-amphora"]
    assert row(store, AmphoraHealth, "lb03-amphora").silent_since_ms == 6
    assert fleet.events() == [("amphora_silent", "lb03"), ("amphora_silent", "lb04")]
    assert fleet.asked == [{"lb03", "lb04"}] * 2


def test_when_many_are_silent_nobody_is_marked_and_each_is_told_why(store, tmp_path):
    fleet = Fleet(store, tmp_path, 12)
    fleet.write(5, *range(10))
    fleet.watch.turn()
    fleet.watch.turn()
    assert fleet.watch.view is View.PAUSED
    assert (fleet.silent(), fleet.asked) == ([], [])
    assert fleet.events() == [("silence_paused", f"lb{number:02}") for number in range(10)]


def test_after_the_pause_they_are_marked_and_the_log_says_why(store, tmp_path, caplog):
    fleet = Fleet(store, tmp_path, 12)
    fleet.watch._guard = Guard(dataclasses.replace(LIMITS, pause=0.2), moment=boottime() - 60)
    fleet.write(5, *range(10))
    fleet.watch.turn()
    assert (fleet.watch.view, fleet.silent()) == (View.PAUSED, [])
    time.sleep(0.2)
    assert fleet.watch.paused_for() >= 0.2
    fleet.watch.turn()
    assert (fleet.watch.view, fleet.watch.paused_for()) == (View.SURE, 0)
    assert fleet.silent() == [f"lb{number:02}-amphora" for number in range(10)]
    assert fleet.asked == [{f"lb{number:02}" for number in range(10)}]
    assert "they are believed to be dead" in caplog.text


def test_a_clock_that_was_set_back_makes_nobody_look_alive(store, tmp_path):
    fleet = Fleet(store, tmp_path, 2)
    fleet.write(9_000_000_000_000, 1)
    fleet.watch._guard = Guard(LIMITS, moment=boottime())
    fleet.watch.turn()
    with store.read() as session:
        assert row(store, AmphoraHealth, "lb01-amphora").last_update_ms <= session.scalar(select(clock_ms()))


def test_amphorae_of_nobody_and_those_that_boot_are_not_missed(store, tmp_path):
    fleet = Fleet(store, tmp_path, 2)
    fleet.write(5)
    store.write(lambda session: setattr(session.get(Amphora, "lb00-amphora"), "status", "BOOTING"))
    store.write(lambda session: setattr(session.get(Amphora, "lb01-amphora"), "load_balancer_id", None))
    fleet.watch.turn()
    assert fleet.watch.look.fleet == 0
    assert fleet.silent() == []
    assert row(store, LoadBalancer, "lb00").observed_generation == 0
