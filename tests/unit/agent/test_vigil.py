"""A process that hangs is told from one that works, from one that waits for a processor, and from one that answers."""

import os
import signal
import subprocess
import sys
import time

import pytest

from lictor.agent.daemon import Daemon
from lictor.agent.haproxy.vigil import Vigil

PROGRAM = """
import os, signal, socket, sys, time
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[1])
listening.listen(100)
if os.fork():
    signal.pause()
print("ready", flush=True)
if sys.argv[2] == "sleeps":
    signal.pause()
elif sys.argv[2] == "runs":
    while True: pass
elif sys.argv[2] == "works":
    while True:
        time.sleep(0.05)
        sum(range(2_000_000))
while True:
    time.sleep(float(sys.argv[2]))
    asking, _ = listening.accept()
    try:
        asking.sendall(b"admin\\n")
    except OSError:
        pass  # on a busy host the question may have been given up: it was seen to want a processor
"""


class Haproxy:
    """Two processes, as HAProxy has them, of which the second one behaves as it is told."""

    def __init__(self, home, behaviour):
        self.socket, pid_file = home / "s", home / "haproxy.pid"
        argv = [sys.executable, "-c", PROGRAM, str(self.socket), behaviour, "-p", str(pid_file)]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True)
        assert self.process.stdout.readline() == b"ready\n"
        self.daemon, self.told = Daemon(pid_file, home / "log"), []
        self.vigil = Vigil(self.daemon, self.socket, lambda: self.told.append(self.vigil.hangs))

    def lives(self):
        return len(self.daemon._processes()) == 2

    def end(self):
        self.daemon.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def haproxy(tmp_path):
    made = []

    def make(behaviour):
        made.append(Haproxy(tmp_path, behaviour))
        return made[-1]

    yield make
    for each in made:
        each.end()


def test_one_that_sleeps_and_does_not_answer_is_ended(haproxy):
    one = haproxy("sleeps")
    one.vigil.ask()
    one.process.wait(5)
    assert not one.lives()
    assert one.told == [True]


@pytest.mark.parametrize("behaviour", ["runs", "works"])
def test_one_that_is_at_work_is_left_alone_though_it_does_not_answer(haproxy, behaviour):
    one = haproxy(behaviour)
    one.vigil.ask()
    assert one.lives()
    assert one.told == []


def test_one_that_answers_late_is_left_alone(haproxy):
    one = haproxy("0.7")
    one.vigil.ask()
    assert one.lives()
    assert one.told == []


def test_one_that_was_stopped_is_ended_and_its_successor_is_known_to_answer(haproxy, tmp_path):
    one = haproxy("0")
    one.vigil.ask()
    os.kill(one.daemon.newest_child(), signal.SIGSTOP)
    one.vigil.ask()
    assert one.vigil.hangs
    one.process.wait(5)
    one.socket.unlink()
    other = haproxy("0")
    one.vigil.ask()
    assert other.lives()
    assert one.told == [True, False]


def test_where_nobody_listens_nobody_hangs(tmp_path):
    vigil = Vigil(Daemon(tmp_path / "pid", tmp_path / "log"), tmp_path / "s", lambda: None)
    began = time.monotonic()
    with pytest.raises(OSError):
        vigil.ask()
    assert time.monotonic() - began < 1
    assert not vigil.hangs
