"""The units for systemd: it takes them, and a stop leaves the amphorae alone."""

import configparser
import pathlib
import shutil
import socket
import subprocess
import sys

import pytest

from lictor.cli.main import parser

UNITS = sorted((pathlib.Path(__file__).parents[3] / "deploy" / "systemd").glob("*.service"))

WATCHED = """
import contextlib, sys, threading, time
from lictor.cli import notify
from lictor.control import pulse

def thread():
    with contextlib.suppress(ValueError), pulse.lasting():
        sys.stdin.readline()
        raise ValueError

notify.Watchdog().start()
turning = threading.Thread(target=thread)
turning.start()
turning.join()
time.sleep(0.3)
notify.ready()
threading.Event().wait()
"""


def service(unit):
    read = configparser.RawConfigParser(strict=False)
    read.optionxform = str
    read.read(unit)
    return read["Service"]


def test_there_is_one_for_each_command_that_serves():
    houses = {unit.stem.removeprefix("lictor-").removesuffix("@") for unit in UNITS}
    assert houses == {"up", "api", "worker", "health", "housekeeping"}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_finds_nothing_wrong_with_it(unit, tmp_path):
    copy = tmp_path / unit.name.replace("@", "@1")
    copy.write_text(unit.read_text().replace("/usr/bin/lictor", shutil.which("true")))
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True, timeout=60, check=False
    )
    said = [line for line in verified.stderr.splitlines() if unit.stem.partition("@")[0] in line]
    assert (verified.returncode, said) == (0, [])


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_its_command_line_is_one_that_lictor_takes(unit):
    program, *words = service(unit)["ExecStart"].replace("%i", "1").split()
    assert program == "/usr/bin/lictor"
    assert parser().parse_args(words).config_file == ["/etc/lictor/lictor.conf"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_where_amphorae_are_children_only_the_main_process_is_ended_and_nothing_is_mounted_privately(unit):
    if unit.stem in ("lictor-api", "lictor-health"):
        return
    options = service(unit)
    assert options["KillMode"] == "process"
    assert not {"PrivateTmp", "ProtectSystem", "ProtectHome", "RestrictNamespaces", "PrivateMounts"} & set(options)


def test_systemd_is_told_when_a_process_is_ready_and_when_it_stops(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(10)
        code = "from lictor.cli import notify; notify.ready(); notify.stopping()"
        subprocess.run(
            [sys.executable, "-c", code], check=True, timeout=30, env={"NOTIFY_SOCKET": str(tmp_path / "notify")}
        )
        assert [listening.recv(100) for _ in range(2)] == [b"READY=1", b"STOPPING=1"]


def test_systemd_is_told_over_and_over_that_all_threads_turn_until_one_dies(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(20)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "100000"}
        with subprocess.Popen(
            [sys.executable, "-c", WATCHED], env=environment, stdin=subprocess.PIPE, text=True
        ) as process:
            assert [listening.recv(100) for _ in range(5)] == [b"WATCHDOG=1"] * 5
            process.stdin.write("die\n")
            process.stdin.flush()
            while listening.recv(100) != b"READY=1":
                pass
            listening.settimeout(0.5)
            with pytest.raises(TimeoutError):
                listening.recv(100)
            process.kill()


def test_what_is_started_below_a_watched_process_does_not_speak_for_it(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(10)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}
        code = "import time; from lictor.cli import notify; notify.Watchdog().start(); time.sleep(0.1); notify.ready()"
        subprocess.run([sys.executable, "-c", code], check=True, timeout=30, env=environment)
        assert listening.recv(100) == b"READY=1"
