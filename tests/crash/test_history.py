"""The checker of histories finds what was lost, and blames nobody for what may have been."""

import pytest

from tests.crash.random.ending import contested, unfenced
from tests.crash.random.history import GONE, History, violations

MADE, WEIGHT = ("exists", "lb/pool/m", ""), ("value", "lb/pool/m", "weight")


@pytest.fixture
def history():
    made = History()
    tell(made, {MADE: True, WEIGHT: 1}, "acknowledged")
    return made


def tell(history, registers, outcome):
    history.answered(history.sent(registers), outcome)


def test_what_was_acknowledged_must_be_there(history):
    assert list(violations(history, {MADE: True, WEIGHT: 1})) == []
    assert len(list(violations(history, {}))) == 2
    tell(history, {WEIGHT: 2}, "acknowledged")
    assert len(list(violations(history, {MADE: True, WEIGHT: 1}))) == 1


def test_what_was_not_answered_may_be_there_or_not(history):
    tell(history, {WEIGHT: 2}, "unknown")
    for weight in (1, 2):
        assert list(violations(history, {MADE: True, WEIGHT: weight})) == []
    tell(history, {WEIGHT: 3}, "acknowledged")
    assert history.possible(WEIGHT) == [2, 3], "it may also have been late"


def test_what_was_refused_is_not_there(history):
    tell(history, {WEIGHT: 2}, "refused")
    assert history.possible(WEIGHT) == [1]
    other = ("exists", "lb/other", "")
    tell(history, {other: True}, "refused")
    assert len(list(violations(history, {MADE: True, WEIGHT: 1, other: True}))) == 1


def test_of_two_writes_at_the_same_time_either_may_have_been_the_last(history):
    one, two = history.sent({WEIGHT: 5}), history.sent({WEIGHT: 6})
    history.answered(two, "acknowledged")
    history.answered(one, "acknowledged")
    assert history.possible(WEIGHT) == [5, 6]


def test_what_hangs_on_something_that_was_deleted_is_gone_with_it(history):
    tell(history, {("exists", "lb", ""): GONE}, "acknowledged")
    assert list(violations(history, {})) == []
    tell(history, {MADE: GONE}, "acknowledged")
    assert len(list(violations(history, {MADE: True, WEIGHT: 1}))) == 1, "it is back"


def test_a_read_finds_the_last_write_that_was_answered_before_it_or_one_under_way(history):
    before = history.now()
    tell(history, {WEIGHT: 2}, "acknowledged")
    after = history.now()
    assert history.possible(WEIGHT, before, after) == [1, 2]
    assert history.possible(WEIGHT, after, history.now()) == [2]


def test_two_workers_of_one_epoch_and_an_agent_that_goes_back_are_found():
    assert contested([("lb", 1, "a"), ("lb", 2, "b"), ("lb", 2, "b")]) == []
    assert len(contested([("lb", 1, "a"), ("lb", 1, "b")])) == 1
    assert unfenced({"amphora": [(1, 1), (1, 2), (2, 2)]}) == []
    assert len(unfenced({"amphora": [(2, 2), (1, 3)]})) == 1
