"""Shares of members and the rules made of them: as nft reads them, and as they would be drawn."""

import collections

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lictor.agent.udp import chains, reports, ruleset, shares
from lictor.amphora import udp
from lictor.model import LoadBalancer
from lictor.wire import MARKED, UdpListener, UdpMember, UdpMonitor
from tests.unit.amphora import datagrams
from tests.unit.amphora.test_nftables import complaints

LIMITED = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


def member(number: int, **changes: object) -> UdpMember:
    given = {"id": f"m{number}", "address": f"198.51.100.{number}", "port": 53, "mark": MARKED | number}
    return UdpMember(**{**given, "check_address": given["address"], "check_port": 53, **changes})


def listener(*members: UdpMember, **changes: object) -> UdpListener:
    given = {"id": "0a-1b", "protocol": "udp", "port": 53, "vips": ["192.0.2.10"], "limit": 9, "pool": "p"}
    return UdpListener(**{**given, "members": list(members), **changes})


def counted(row: list[int]) -> dict[int, int]:
    return {mark - MARKED: count for mark, count in collections.Counter(row).items()}


# --- who gets how much ---


@pytest.mark.parametrize("weights", [[1], [5, 3, 2], [256, 128], [256, 255, 254], [1, 256]])
def test_turns_are_by_weight(weights: list[int]) -> None:
    row = shares.in_turn([member(n, weight=weight) for n, weight in enumerate(weights, 1)])
    got = counted(row)
    assert [got[n] * sum(weights) for n in range(1, len(weights) + 1)] == [len(row) * weight for weight in weights]


def test_turns_are_spread() -> None:
    row = shares.in_turn([member(1, weight=3), member(2)])
    assert max(len(run) for run in "".join(str(mark & 3) for mark in row * 2).split("2")) <= 3
    assert len(row) == 4


def test_whoever_has_fewest_for_its_weight_comes_next() -> None:
    both = [member(1), member(2)]
    live = {both[0].mark: 10, both[1].mark: 4}
    assert counted(shares.least_connected(both, live, 0)[:6]) == {2: 6}
    assert counted(shares.least_connected(both, live, 0)) == {1: 5, 2: 11}, "then by turns"
    heavy = [member(1, weight=3), member(2)]
    assert counted(shares.least_connected(heavy, {}, 0)) == {1: 12, 2: 4}
    assert len(shares.least_connected(both, {}, 400)) == 800
    assert len(shares.least_connected(both, {}, 10**6)) == 1024


def test_a_hash_gives_shares_by_weight_and_moves_only_who_must() -> None:
    three = [member(1), member(2), member(3, weight=2)]
    before = shares.by_hash(three)
    got = counted(before)
    assert 0.8 < got[3] / (got[1] + got[2]) < 1.25
    after = shares.by_hash([three[0], three[2]])
    moved = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert {old for old, _ in moved} == {three[1].mark}
    assert shares.by_hash(three[::-1]) == before


def test_backup_members_are_for_when_nobody_else_is() -> None:
    two = [member(1), member(2, backup=True), member(3, weight=0), member(4, disabled=True)]
    everybody = frozenset(each.id for each in two)
    assert shares.candidates(two, everybody) == [two[0]]
    assert shares.candidates(two, everybody - {"m1"}) == [two[1]]
    assert shares.candidates(two, frozenset()) == []
    assert shares.in_turn([]) == shares.by_hash([]) == shares.least_connected([], {}, 0) == []


# --- what a heartbeat says ---

MONITOR = UdpMonitor(type="UDP-CONNECT", delay=3, timeout=1, rise=1, fall=1)


def test_words_for_members_are_those_of_haproxy() -> None:
    one = listener(member(1), member(2, weight=0), member(3, disabled=True), member(4), member(5), monitor=MONITOR)
    verdicts = {("p", "m1"): True, ("p", "m2"): True, ("p", "m3"): None, ("p", "m4"): False}
    report = reports.pool_report(one, verdicts)
    words = {"m1": "UP", "m2": "DRAIN", "m3": "MAINT", "m4": "DOWN", "m5": "RESTARTING"}
    assert (report.status, report.members) == ("UP", words)
    assert reports.pool_report(listener(member(1)), {}).members == {"m1": "no check"}


def test_a_pool_is_down_when_nobody_can_serve_and_not_before_all_were_asked() -> None:
    two = listener(member(1), member(2), monitor=MONITOR)
    assert reports.pool_report(two, {("p", "m1"): False, ("p", "m2"): None}).status == "UP"
    assert reports.pool_report(two, {("p", "m1"): False, ("p", "m2"): False}).status == "DOWN"
    assert reports.pool_report(listener(), {}).status == "UP"
    assert reports.pool_report(listener(member(1, weight=0)), {}).status == "DOWN"


# --- rules ---


def test_nobody_is_picked_where_nobody_serves() -> None:
    text = ruleset.render([listener(member(1))], {}).text()
    assert "pick" not in text
    assert "{ 192.0.2.10 . udp . 53 } reject" in text
    assert complaints(text) == ""


def test_without_listeners_there_is_no_table() -> None:
    assert ruleset.render([], {}).text() == ""


def test_members_serve_clients_of_their_own_ip_version() -> None:
    both = listener(member(1), member(2, address="2001:db8::2"), vips=["192.0.2.10", "2001:db8::10"])
    slots = {(both.id, 4): [both.members[0].mark], (both.id, 6): [both.members[1].mark]}
    text = ruleset.render([both], slots).text()
    assert "dnat ip to ct mark map { 0x80000001 : 198.51.100.1 . 53 }" in text
    assert "dnat ip6 to ct mark map { 0x80000002 : 2001:db8::2 . 53 }" in text
    assert complaints(text) == ""


def test_long_runs_are_one_element() -> None:
    one = listener(member(1), member(2))
    row = [one.members[0].mark] * 700 + [one.members[1].mark]
    text = ruleset.render([one], {(one.id, 4): row}).text()
    assert "numgen inc mod 701 map { 0-699 : 0x80000001, 700 : 0x80000002 }" in text


@LIMITED
@given(tree=datagrams.mixed(), data=st.data())
def test_nft_accepts_every_tree_whoever_is_up(tree: LoadBalancer, data: st.DataObject) -> None:
    listeners = udp.render(tree, 50000)
    slots = {}
    for each in listeners:
        up = frozenset(m.id for m in each.members if data.draw(st.booleans()))
        for family in chains.versions(each):
            mine = shares.candidates([m for m in each.members if chains.version(m.address) == family], up)
            choose = data.draw(st.sampled_from([shares.in_turn, shares.by_hash]))
            slots[(each.id, family)] = choose(mine)
    made = ruleset.render(listeners, slots)
    assert made == ruleset.render(listeners, slots)
    assert complaints(made.text()) == ""
