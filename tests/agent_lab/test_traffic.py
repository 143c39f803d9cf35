"""What clients of the VIP see while states are delivered."""

import concurrent.futures
import os
import pathlib
import re
import signal
import threading
import time

import msgspec
import pytest

from tests.agent_lab.amphora import eventually, traffic

CHECK = "check inter 200ms fall 2 rise 1"
HTTPCHK = ["    option httpchk GET /healthy"]


def test_a_first_state_brings_bytes_through_the_vip_on_both_families(amphora, webs):
    report = amphora.deliver(state := amphora.state([amphora.member(web) for web in webs]))
    assert report.haproxy_running
    assert report.digest == state.digest()
    assert report.haproxy_version.startswith("2.")
    assert amphora.answers() == {"first", "second"}
    assert amphora.get(vip=amphora.vip6)[0] == 200


def test_the_same_state_again_only_raises_the_fence(amphora, webs):
    state = amphora.state([amphora.member(webs[0])])
    amphora.deliver(state)
    worker, pids = amphora.worker(), amphora.haproxy_pids()
    report = amphora.deliver(msgspec.structs.replace(state, generation=state.generation + 7, epoch=3))
    assert (report.epoch, report.generation, report.reloads) == (3, state.generation + 7, 0)
    assert (amphora.worker(), amphora.haproxy_pids()) == (worker, pids)


def test_members_come_and_go_without_a_reload(amphora, webs):
    first, second = (amphora.member(web, options=CHECK) for web in webs)
    amphora.deliver(amphora.state([first], HTTPCHK))
    worker = amphora.worker()
    assert amphora.answers() == {"first"}
    amphora.deliver(amphora.state([first, second], HTTPCHK))
    eventually(lambda: amphora.answers() == {"first", "second"})
    amphora.deliver(amphora.state([second], HTTPCHK))
    assert amphora.answers() == {"second"}
    eventually(lambda: first.name not in amphora.haproxy("show stat"))
    amphora.deliver(amphora.state([first, second], HTTPCHK))
    eventually(lambda: amphora.answers() == {"first", "second"})
    assert amphora.worker() == worker
    assert amphora.report().reloads == 0


def test_weight_and_maintenance_change_without_a_reload(amphora, webs):
    first, second = (amphora.member(web, weight=10) for web in webs)
    amphora.deliver(amphora.state([first, second]))
    worker = amphora.worker()
    change = msgspec.structs.replace
    amphora.deliver(amphora.state([change(first, weight=0), second]))
    assert amphora.answers() == {"second"}
    maint = type(first.state).MAINT
    amphora.deliver(amphora.state([first, change(second, state=maint)]))
    assert amphora.answers() == {"first"}
    amphora.deliver(amphora.state([first, second]))
    assert amphora.answers() == {"first", "second"}
    assert amphora.worker() == worker


def test_a_removed_member_finishes_its_request_and_goes_then(amphora, webs):
    first, second = (amphora.member(web) for web in webs)
    amphora.deliver(amphora.state([first]))
    got = []
    slow = threading.Thread(target=lambda: got.append(amphora.get("/slow", seconds=20)))
    slow.start()
    eventually(lambda: ",1," in next(line for line in amphora.haproxy("show stat").split("\n") if first.name in line))
    amphora.deliver(amphora.state([second]))
    assert amphora.answers() == {"second"}
    assert first.name in amphora.haproxy("show stat")
    webs[0].release.set()
    slow.join(10)
    assert got == [(200, "first")]
    # HAProxy keeps the idle connection to it for some 15 s.
    eventually(lambda: first.name not in amphora.haproxy("show stat"), 60)
    assert amphora.report().reloads == 0


def test_a_member_that_comes_back_while_its_old_connection_lasts_serves_again(amphora, webs):
    first, second = (amphora.member(web) for web in webs)
    amphora.deliver(amphora.state([first, second]))
    slow = [threading.Thread(target=amphora.get, args=("/slow",), kwargs={"seconds": 20}) for _ in range(2)]
    for thread in slow:
        thread.start()
    time.sleep(0.3)
    amphora.deliver(amphora.state([second]))
    amphora.deliver(amphora.state([first, second]))
    assert amphora.answers() == {"first", "second"}
    for web in webs:
        web.release.set()
    for thread in slow:
        thread.join(10)


def test_500_members_are_added_without_a_new_worker(amphora, webs):
    first = amphora.member(webs[0])
    amphora.deliver(amphora.state([first]))
    worker = amphora.worker()
    many = [amphora.member(webs[1], options=CHECK) for _ in range(500)]
    start = time.monotonic()
    amphora.deliver(amphora.state([first, *many]))
    print(f"500 members added in {time.monotonic() - start:.3f} s")
    assert amphora.worker() == worker
    assert amphora.haproxy("show stat").count("\n" + amphora.backend) == 502
    amphora.deliver(amphora.state([first]))
    eventually(lambda: amphora.haproxy("show stat").count("\n" + amphora.backend) == 2)
    assert amphora.worker() == worker


def test_a_structural_change_reloads_and_drops_no_connection(amphora, webs):
    servers = [amphora.member(web) for web in webs]
    amphora.deliver(amphora.state(servers))
    worker = amphora.worker()
    with traffic(amphora) as (answers, faults):
        for number in range(5):
            amphora.deliver(amphora.state(servers, [f"    fullconn {1000 + number}"]))
    assert (set(answers), faults) == ({200}, [])
    assert amphora.worker() != worker
    assert amphora.report().reloads == 5


def stopped_while_deaf(master, worker, over):
    """Stop a master while it ignores SIGUSR2, as it does for a moment after forking a worker; whether that was met."""
    proc = pathlib.Path(f"/proc/{master}")

    def deaf():
        ignored = re.search(r"SigIgn:\s*(\w+)", (proc / "status").read_text())[1]
        return int(ignored, 16) >> (signal.SIGUSR2 - 1) & 1

    while not over.is_set():
        if deaf() and set((proc / f"task/{master}/children").read_text().split()) - {str(worker)}:
            os.kill(master, signal.SIGSTOP)
            if deaf():
                return True
            os.kill(master, signal.SIGCONT)
    return False


def test_a_master_that_does_not_hear_yet_is_told_to_reload_when_it_does(amphora, webs):
    servers = [amphora.member(web) for web in webs]
    amphora.deliver(amphora.state(servers))
    master = amphora.haproxy_pids()[0]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for number in range(100):
            over = threading.Event()
            stopped = pool.submit(stopped_while_deaf, master, amphora.worker(), over)
            before = amphora.deliver(amphora.state(servers, [f"    fullconn {1000 + number}"]))
            over.set()
            if stopped.result():
                break
        assert stopped.result(), "the moment was never met"
        after = pool.submit(amphora.deliver, amphora.state(servers, ["    fullconn 9"]))
        with pytest.raises(TimeoutError):
            after.result(1)
        os.kill(master, signal.SIGCONT)
        assert after.result().reloads == before.reloads + 1


def test_a_static_algorithm_falls_back_to_a_reload(amphora, webs):
    first, second = (amphora.member(web) for web in webs)
    amphora.deliver(amphora.state([first], ["    hash-type map-based", "    balance static-rr"]))
    amphora.deliver(amphora.state([first, second], ["    hash-type map-based", "    balance static-rr"]))
    assert amphora.answers() == {"first", "second"}
    assert amphora.report().reloads == 1


def test_what_checks_know_outlives_a_reload_but_weights_and_maintenance_are_the_new_ones(amphora, webs):
    webs[0].healthy = False
    sick, well = (amphora.member(web, options="check inter 60s fastinter 200ms fall 1 rise 1") for web in webs)
    third, fourth = amphora.member(webs[1], weight=9), amphora.member(webs[1])
    amphora.deliver(amphora.state([sick, well, third, fourth], HTTPCHK))
    eventually(lambda: _status(amphora, sick) == "DOWN")
    change, maint = msgspec.structs.replace, type(sick.state).MAINT
    # Changed at runtime first, so that HAProxy's own idea of them differs from its configuration's.
    amphora.deliver(amphora.state([sick, well, change(third, weight=4), change(fourth, state=maint)], HTTPCHK))
    assert amphora.report().reloads == 0
    amphora.deliver(amphora.state([sick, well, third, fourth], [*HTTPCHK, "    fullconn 77"]))
    assert amphora.report().reloads == 1
    assert _status(amphora, sick) == "DOWN"
    assert _status(amphora, fourth) == "no check"
    assert amphora.haproxy(f"get weight {amphora.backend}/{third.name}") == "9 (initial 9)"


def test_new_members_behind_a_monitor_get_nothing_before_their_first_good_check(amphora, webs):
    webs[1].healthy = False
    sick = [amphora.member(webs[1], options="check inter 60s fall 3 rise 3") for _ in range(3)]
    well = amphora.member(webs[0], options="check inter 60s fall 3 rise 3")
    amphora.deliver(amphora.state([sick[0], well], HTTPCHK))
    eventually(lambda: amphora.answers() == {"first"})
    assert _status(amphora, sick[0]) == "DOWN", "from the start"
    amphora.deliver(amphora.state([sick[0], sick[1], well], HTTPCHK))
    assert amphora.answers() == {"first"}, "added while HAProxy runs"
    amphora.deliver(amphora.state([*sick, well], [*HTTPCHK, "    fullconn 77"]))
    assert amphora.report().reloads == 1
    assert amphora.answers() == {"first"}, "added with a reload"
    webs[1].healthy = True
    late = amphora.member(webs[1], options="check inter 60s fall 3 rise 3")
    amphora.deliver(amphora.state([*sick, late], [*HTTPCHK, "    fullconn 77"]))
    assert amphora.answers() == {"second"}, "what is replaced at once serves until another one does"
    assert _status(amphora, late) == "UP", "one good check is enough for a new one"
    assert _status(amphora, sick[0]).startswith("DOWN"), "those that failed one need three"


def _status(amphora, server):
    lines = amphora.haproxy("show stat").split("\n")
    return next(line for line in lines if server.name in line).split(",")[17]
