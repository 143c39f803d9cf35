"""HAProxy and the agent die; traffic and memory go on."""

import contextlib
import itertools
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

import msgspec
import pytest

from lictor import wire
from tests.agent_lab.amphora import KEY, eventually

CHECK = "check inter 200ms fall 2 rise 1"


@pytest.fixture
def serving(amphora, webs):
    amphora.good = amphora.state([amphora.member(webs[0])])
    amphora.deliver(amphora.good)
    return amphora


@pytest.mark.parametrize("which", [0, -1])
def test_haproxy_killed_is_restarted_in_place(serving, which):
    before = serving.haproxy_pids()
    assert len(before) == 2
    os.kill(before[which], signal.SIGKILL)
    eventually(lambda: serving.answers(3) == {"first"} and not set(before) & set(serving.haproxy_pids()))
    assert len(serving.haproxy_pids()) == 2
    assert serving.report().haproxy_running


def test_haproxy_that_dies_again_and_again_is_restarted_again_and_again(serving):
    for _ in range(4):
        pids = eventually(serving.haproxy_pids)
        os.kill(pids[0], signal.SIGKILL)
        eventually(lambda pids=pids: serving.haproxy_pids() and pids[0] not in serving.haproxy_pids())
    eventually(lambda: serving.answers(3) == {"first"})


@pytest.mark.parametrize("which", [[-1], [0, -1]])
def test_haproxy_that_hangs_is_ended_and_started_anew(serving, receiver, which):
    serving.deliver(serving.state(serving.good.haproxy.servers, target=[receiver.address]))
    before = serving.haproxy_pids()
    for index in which:
        os.kill(before[index], signal.SIGSTOP)
    eventually(lambda: serving.answers(3) == {"first"} and not set(before) & set(serving.haproxy_pids()))
    assert len(serving.haproxy_pids()) == 2
    _until(receiver, lambda beat: beat.haproxy_failures == 1 and beat.haproxy_running)
    worker = serving.worker()
    time.sleep(1)
    assert serving.worker() == worker, "it is ended once"


def test_a_master_that_hangs_is_ended_when_it_does_not_reload(serving, webs):
    before = serving.haproxy_pids()
    os.kill(before[0], signal.SIGSTOP)
    time.sleep(2)
    assert serving.answers(3) == {"first"}
    assert serving.haproxy_pids() == before, "it serves: there is no haste"
    serving.deliver(serving.state([serving.member(webs[1])], ["    fullconn 7"]))
    assert serving.answers(3) == {"second"}
    assert not set(before) & set(serving.haproxy_pids())


def test_haproxy_that_stands_still_for_a_moment_is_left_alone(serving):
    pids = serving.haproxy_pids()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(0.7)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    assert serving.answers(3) == {"first"}
    # All of the machine stands still, and goes on.
    everything = [*pids, serving.process.pid]
    for pid in everything:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(3)
    for pid in everything:
        os.kill(pid, signal.SIGCONT)
    time.sleep(2)
    assert serving.haproxy_pids() == pids


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_agent_that_ends_leaves_haproxy_serving_and_its_successor_finds_it(serving, number, webs):
    pids, boot = serving.haproxy_pids(), serving.report().boot_id
    serving.end(number)
    assert serving.answers(3) == {"first"}
    serving.start()
    report = serving.report()
    assert serving.haproxy_pids() == pids
    assert (report.boot_id, report.digest, report.haproxy_running) == (boot, serving.good.digest(), True)
    worker = serving.worker()
    serving.deliver(serving.state([*serving.good.haproxy.servers, serving.member(webs[1])]))
    assert serving.answers() == {"first", "second"}
    assert serving.worker() == worker


def test_an_agent_that_comes_back_restarts_a_dead_haproxy_without_the_controller(serving):
    pids = serving.haproxy_pids()
    serving.end(signal.SIGKILL)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # a worker follows its master by itself, sometimes sooner
            os.kill(pid, signal.SIGKILL)
    serving.start()
    eventually(lambda: serving.answers(3) == {"first"})


def test_haproxy_killed_after_the_agent_was_replaced_is_restarted(serving):
    serving.end(signal.SIGKILL)
    serving.start()
    os.kill(serving.haproxy_pids()[0], signal.SIGKILL)
    eventually(lambda: serving.answers(3) == {"first"})


def test_a_change_cut_short_by_kill_9_is_whole_after_the_restart(serving, webs):
    for pause in (0.02, 0.05, 0.08, 0.12):
        state = serving.state([serving.member(web) for web in webs], [f"    fullconn {int(pause * 1000)}"])
        thread = threading.Thread(target=_ignore, args=(serving.put, state))
        thread.start()
        time.sleep(pause)
        serving.end(signal.SIGKILL)
        thread.join(10)
        serving.start()
        assert serving.report().haproxy_running
        serving.deliver(state)
        assert serving.answers() == {"first", "second"}
        eventually(lambda: len(serving.haproxy_pids()) == 2)


def _ignore(call, *arguments):
    with contextlib.suppress(Exception):
        call(*arguments)


@pytest.mark.parametrize("text", ["", "{", '{"version": 7}', "\x00\xff"])
def test_a_state_on_disk_that_cannot_be_read_counts_as_none(serving, text):
    serving.end(signal.SIGKILL)
    (serving.home / "current" / "state.json").write_text(text)
    (serving.home / "counters.json").write_text(text)
    (serving.home / "boot_id").write_text("")
    serving.start()
    assert serving.report().digest == ""
    assert serving.answers(3) == {"first"}
    assert serving.deliver(serving.good).digest == serving.good.digest()
    eventually(lambda: len(serving.haproxy_pids()) == 2)


def test_a_second_agent_on_the_same_directory_does_not_start(serving):
    second = subprocess.run(serving.argv, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode != 0
    assert "another agent" in second.stderr
    assert serving.report().digest == serving.good.digest()


def test_no_haproxy_in_the_state_ends_haproxy(serving):
    report = serving.deliver(serving.state(haproxy=None))
    assert not report.haproxy_running
    assert serving.haproxy_pids() == []
    serving.deliver(serving.good.__class__(**{**_fields(serving.good), "generation": 99}))
    assert serving.answers(3) == {"first"}


def _fields(state):
    return {name: getattr(state, name) for name in state.__struct_fields__}


# --- heartbeats


def _beats(receiver, seconds=5.0):
    receiver.settimeout(seconds)
    return wire.unseal(receiver.recv(65536), bytes.fromhex(KEY))


class Receiver(socket.socket):
    address = ""


@pytest.fixture(name="receiver")
def _receiver():
    with Receiver(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.address = f"127.0.0.1:{made.getsockname()[1]}"
        yield made


def _until(receiver, right, seconds=10.0):
    deadline = time.monotonic() + seconds
    beats = []
    while time.monotonic() < deadline:
        beats.append(_beats(receiver))
        if right(beats[-1]):
            return beats[-1]
    raise AssertionError(f"no such beat; last: {beats[-1]}")


def test_heartbeats_tell_statuses_and_counters_which_only_rise(amphora, webs, receiver):
    first, second = (amphora.member(web, options=CHECK) for web in webs)
    third = amphora.member(webs[1], state=wire.ServerState.MAINT)
    state = amphora.state([first, second, third], ["    option httpchk GET /healthy"], target=[receiver.address])
    amphora.deliver(state)
    beat = _until(receiver, lambda b: b.pools and b.pools[amphora.backend].members.get(first.name) == "UP")
    assert (beat.digest, beat.generation, beat.haproxy_running) == (state.digest(), state.generation, True)
    assert beat.listeners[amphora.listener].status == "OPEN"
    assert beat.pools[amphora.backend] == wire.PoolReport(
        status="UP", members={first.name: "UP", second.name: "UP", third.name: "MAINT"}
    )
    webs[0].healthy = False
    _until(receiver, lambda b: b.pools[amphora.backend].members[first.name] == "DOWN")
    webs[0].healthy = True
    _until(receiver, lambda b: b.pools[amphora.backend].members[first.name] == "UP")
    total = lambda b: b.listeners[amphora.listener].statistics.total_connections if b.listeners else 0  # noqa: E731
    amphora.answers(10)
    beat = _until(receiver, lambda b: total(b) >= 10)
    os.kill(amphora.haproxy_pids()[0], signal.SIGKILL)
    eventually(lambda: amphora.answers(5))
    after = _until(receiver, lambda b: total(b) >= 15)
    assert after.sequence > beat.sequence and after.beat > beat.beat
    amphora.deliver(amphora.state([first, second, third], ["    fullconn 9"], target=[receiver.address]))
    amphora.answers(5)
    after = _until(receiver, lambda b: total(b) >= 20)
    amphora.end(signal.SIGKILL)
    amphora.answers(5)
    while receiver.recv(65536, socket.MSG_DONTWAIT) if _waiting(receiver) else b"":
        pass
    amphora.start()
    again = _until(receiver, lambda b: total(b) >= 25)
    assert total(again) == 25
    assert again.boot_id == after.boot_id
    assert again.sequence > after.sequence


def test_what_is_numbered_after_a_delivery_has_seen_it(amphora, webs, receiver):
    delivered = []
    for number in range(20):
        state = amphora.state([amphora.member(webs[number % 2])], target=[receiver.address])
        delivered.append((amphora.deliver(state).sequence, state.generation))
    beats = []
    while not beats or beats[-1].generation < delivered[-1][1]:
        beats.append(_beats(receiver))
    assert len(beats) > 2
    for beat in beats:
        assert beat.generation >= max((done for at, done in delivered if at < beat.sequence), default=0)


def _waiting(receiver):
    receiver.settimeout(0.05)
    try:
        return bool(receiver.recv(1, socket.MSG_PEEK))
    except TimeoutError:
        return False


def test_deliveries_do_not_put_off_the_next_heartbeat(amphora, webs, receiver):
    state = amphora.state([amphora.member(webs[0])], target=[receiver.address])
    heartbeat = msgspec.structs.replace(state.heartbeat, interval=1)
    amphora.deliver(msgspec.structs.replace(state, heartbeat=heartbeat))
    _beats(receiver), _beats(receiver)
    came = []
    for _ in range(3):
        time.sleep(0.8)
        # The same again: what it tells is no other, so that nothing is told at once.
        amphora.deliver(msgspec.structs.replace(state, heartbeat=heartbeat))
        _beats(receiver)
        came.append(time.monotonic())
    assert max(late - early for early, late in itertools.pairwise(came)) < 1.7


def test_a_large_pool_comes_in_parts_that_fit(amphora, webs, receiver):
    servers = [amphora.member(webs[0]) for _ in range(300)]
    amphora.deliver(amphora.state(servers, target=[receiver.address]))
    parts = {}
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        receiver.settimeout(5)
        datagram = receiver.recv(65536)
        assert len(datagram) <= wire.MAX_DATAGRAM
        beat = wire.unseal(datagram, bytes.fromhex(KEY))
        parts.setdefault(beat.beat, []).append(beat)
        if len(parts[beat.beat]) == beat.parts:
            break
    whole = parts[beat.beat]
    members = {}
    for part in whole:
        for pool in part.pools.values():
            members |= pool.members
    assert set(members) == {server.name for server in servers}
    assert [part.part for part in whole] == list(range(len(whole)))


def test_a_health_manager_that_is_gone_does_not_keep_the_others_from_hearing(amphora, webs, receiver):
    amphora.deliver(amphora.state([amphora.member(webs[0])], target=["192.0.2.9:5555", receiver.address]))
    beat = _beats(receiver)
    assert beat.amphora_id == amphora.id
    assert _beats(receiver).sequence > beat.sequence


def test_nothing_is_sent_before_a_state_came(amphora, receiver):
    receiver.settimeout(1.5)
    with pytest.raises(TimeoutError):
        receiver.recv(1)


def test_members_of_weight_zero_drain_and_a_pool_without_members_is_up(amphora, webs, receiver):
    draining = amphora.member(webs[0], weight=0, options=CHECK)
    unchecked = amphora.member(webs[1])
    amphora.deliver(amphora.state([draining, unchecked], target=[receiver.address]))
    beat = _until(receiver, lambda b: b.pools[amphora.backend].members.get(draining.name) == "DRAIN")
    assert beat.pools[amphora.backend].members[unchecked.name] == "no check"
    amphora.deliver(amphora.state([], target=[receiver.address]))
    beat = _until(receiver, lambda b: not b.pools[amphora.backend].members)
    assert beat.pools[amphora.backend].status == "UP"


# --- footprint


def test_an_agent_stays_small(serving):
    serving.report()
    rollup = pathlib.Path(f"/proc/{serving.process.pid}/smaps_rollup").read_text()
    pss = next(int(line.split()[1]) for line in rollup.split("\n") if line.startswith("Pss:"))
    print(f"agent: {pss} KiB PSS")
    assert pss < 30 * 1024
