"""One `lictor up` per state directory."""

import os
import pathlib
import select
import signal
import subprocess
import sys

import pytest

from lictor.cli.lockfile import Locked, LockFile

HOLD = (
    "import sys, pathlib, time; from lictor.cli.lockfile import LockFile; lock = LockFile(pathlib.Path(sys.argv[1]));"
)
HOLD += "lock.acquire(); print('held', flush=True); time.sleep(60)"


@pytest.fixture
def holder(tmp_path: pathlib.Path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "lock"], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_lock_that_another_process_holds_is_refused_and_names_it(holder, tmp_path):
    lock = LockFile(tmp_path / "lock")
    assert lock.holder() == holder.pid
    with pytest.raises(Locked) as refused:
        lock.acquire()
    assert refused.value.pid == holder.pid


def test_a_lock_ends_with_its_process_however_it_ends(holder, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait(10)
    lock = LockFile(tmp_path / "lock")
    assert lock.holder() is None
    lock.acquire()
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    lock.release()


def test_nobody_holds_a_lock_that_was_never_taken(tmp_path):
    assert LockFile(tmp_path / "nowhere" / "lock").holder() is None
    assert not (tmp_path / "nowhere").exists()


def test_children_that_outlive_the_process_do_not_keep_its_lock(tmp_path):
    orphan = HOLD.replace("time.sleep(60)", "").replace("print('held', flush=True);", "")
    orphan += "import subprocess; print(subprocess.Popen(['sleep', '60'], close_fds=False, stdout=2).pid)"
    parent = subprocess.run(
        [sys.executable, "-c", orphan, tmp_path / "lock"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert LockFile(tmp_path / "lock").holder() is None
    finally:
        os.kill(int(parent.stdout), signal.SIGKILL)


SHARE = HOLD.replace("(sys.argv[1]))", "(sys.argv[1]), shared=True)")


def held(tmp_path, program):
    process = subprocess.Popen([sys.executable, "-c", program, tmp_path / "lock"], stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline()


def test_many_share_a_lock_and_keep_out_who_wants_it_alone(tmp_path):
    sharing = [held(tmp_path, SHARE) for _ in range(2)]
    try:
        assert [words for _, words in sharing] == ["held\n"] * 2
        assert LockFile(tmp_path / "lock", shared=True).holder() is None
        alone = LockFile(tmp_path / "lock")
        assert alone.holder() in [process.pid for process, _ in sharing]
        with pytest.raises(Locked):
            alone.acquire()
    finally:
        for process, _ in sharing:
            process.kill()
            process.communicate()


def test_who_has_a_lock_alone_keeps_out_who_would_share_it(holder, tmp_path):
    shared = LockFile(tmp_path / "lock", shared=True)
    assert shared.holder() == holder.pid
    with pytest.raises(Locked) as refused:
        shared.acquire()
    assert refused.value.pid == holder.pid


def test_one_at_a_time_makes_what_all_share(tmp_path):
    making = SHARE.replace("print('held'", "making = lock.making(); making.__enter__(); print('held'")
    first, words = held(tmp_path, making)
    assert words == "held\n"
    second = subprocess.Popen([sys.executable, "-c", making, tmp_path / "lock"], stdout=subprocess.PIPE, text=True)
    try:
        assert select.select([second.stdout], [], [], 1.0)[0] == []
        first.kill()
        assert second.stdout.readline() == "held\n"
    finally:
        for process in (first, second):
            process.kill()
            process.communicate()
