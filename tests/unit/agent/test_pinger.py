"""PING monitors: when results change what is known of a server, and what becomes of servers that come and go."""

import pathlib

import pytest

from lictor import wire
from lictor.agent.haproxy.pinger import Check, Pinger

PING = wire.Ping(address="192.0.2.1", interval=1, timeout=1, rise=3, fall=2)


def results(text):
    """What is known after each result; + is an answer and - is none."""
    check, known = Check(PING), ""
    for each in text:
        check.result(each == "+")
        known += "+" if check.up else "-"
    return known


@pytest.mark.parametrize(
    ("seen", "known"),
    [
        ("+", "+"),  # one good check is enough for a new one
        ("-+++", "---+"),
        ("-++-++++", "------++"),  # three in a row
        ("+-+--+", "++++--"),
        ("+--++-+++", "++-----" + "-+"),
    ],
)
def test_rise_and_fall_count_results_in_a_row(seen, known):
    assert results(seen) == known


def test_only_results_that_change_something_are_told():
    check = Check(PING)
    assert [check.result(good) for good in (True, True, False, False, False)] == [True, False, False, True, False]


def test_what_is_known_of_a_server_stays_until_it_is_fresh_again(tmp_path: pathlib.Path):
    pinger, key = Pinger(tmp_path / "nobody.sock", "none", lambda: None), ("pool:listener", "a")
    pinger.follow({key: PING}, {key})
    assert pinger.states() == {key: None}
    pinger._checks[key].result(True)
    pinger.follow({key: wire.Ping(address="192.0.2.1", interval=9, timeout=1)}, set())
    assert pinger.states() == {key: True}
    pinger.follow({key: PING}, {key})
    assert pinger.states() == {key: None}
    pinger.follow({}, set())
    assert pinger.states() == {}
