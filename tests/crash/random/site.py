"""A control plane of many processes, each of which can be killed, stopped, and started with a clock of its own."""

import contextlib
import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import sys

from tests.crash.random import databases
from tests.lab.deployment import eventually

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
AWAKE = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *left) {
    return syscall(SYS_clock_nanosleep, clock, flags, until, left) ? errno : 0;
}
"""
"""libfaketime 0.9.10 that leaves the monotonic clock alone takes its times for wrong ones: every sleep failed."""

GATEWAY = "198.19.0.1"
API_PORTS = (9876, 9877)
HEALTH_PORTS = (5555, 5556)

CONFIG = f"""
[DEFAULT]
default_log_levels = lictor.control.worker=DEBUG,sqlalchemy=WARN
[lictor]
metrics_bind = none
[database]
connection = {{url}}
[api_settings]
auth_strategy = noauth
[controller_worker]
workers = 3
lease_duration = 4
poll_interval = 0.3
retry_interval = 0.3
retry_max = 2
replacements_per_minute = 0
replacement_pause = 0
[haproxy_amphora]
rest_request_conn_timeout = 2
rest_request_read_timeout = 10
connection_timeout = 15
[health_manager]
bind_ip = 0.0.0.0
controller_ip_port_list = {",".join(f"{GATEWAY}:{port}" for port in HEALTH_PORTS)}
heartbeat_interval = 1
heartbeat_timeout = 6
[house_keeping]
cleanup_interval = 1
orphan_expiry_age = 8
"""


@dataclasses.dataclass
class Process:
    """One process of the control plane. ``name`` is unique: its log is ``NAME.log``."""

    name: str
    command: list[str]
    log: pathlib.Path
    awake: pathlib.Path
    running: "subprocess.Popen[bytes] | None" = None
    starts: int = 0

    def start(self, skew: int = 0) -> None:
        """Start it, with a clock that is wrong by ``skew`` seconds."""
        preloaded = f"{self.awake}:{FAKETIME}"
        fake = {"LD_PRELOAD": preloaded, "FAKETIME": f"{skew:+d}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        clock = fake if skew else {}
        self.starts += 1
        with self.log.open("a") as log:
            log.write(f"--- start {self.starts} of {self.name}, clock {skew:+d} s\n")
            log.flush()
            self.running = subprocess.Popen(
                self.command,
                env={**os.environ, **clock},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End it by this signal, and wait for that."""
        assert self.running is not None
        self.running.send_signal(number)
        try:
            self.running.wait(40)
        except subprocess.TimeoutExpired:
            self.running.kill()
            self.running.wait(10)
            if number != signal.SIGKILL:
                raise AssertionError(f"{self.name} does not heed signal {number}") from None

    def send(self, number: int) -> None:
        """For SIGSTOP and SIGCONT."""
        assert self.running is not None
        self.running.send_signal(number)

    def died(self) -> int | None:
        """Its exit status if it ended by itself."""
        return self.running.poll() if self.running else None


class Site:
    """Two of each: API, worker, health manager, housekeeping; a database; and a state directory on a small disk."""

    def __init__(self, directory: pathlib.Path, kind: str) -> None:
        self.directory = directory
        self.disk = directory / "disk"
        self.disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m,mode=755", "tmpfs", str(self.disk)], check=True)
        self.state_dir = self.disk / "state"
        self.state_dir.mkdir(mode=0o700)
        self._awake = directory / "awake.so"
        compiler = ["gcc", "-shared", "-fPIC", "-x", "c", "-o", str(self._awake), "-"]
        subprocess.run(compiler, input=AWAKE.encode(), check=True)
        self.database = databases.of(kind, self.state_dir)
        houses = ("worker", "health", "api", "housekeeping")
        self.processes = [self._process(house, n) for house in houses for n in (0, 1)]
        self._lictor(["db", "upgrade", "--config-file", str(self._config(0))])

    def _config(self, number: int) -> pathlib.Path:
        file = self.directory / f"lictor{number}.conf"
        file.write_text(CONFIG.format(url=self.database.url(number)))
        return file

    def _lictor(self, words: list[str]) -> None:
        subprocess.run(self._words(words), check=True, stdin=subprocess.DEVNULL, timeout=120, capture_output=True)

    def _words(self, words: list[str]) -> list[str]:
        return [sys.executable, "-m", "lictor.cli.main", *words, "--state-dir", str(self.state_dir)]

    def _process(self, house: str, n: int) -> Process:
        number = {"worker": 0, "health": 1, "api": 2, "housekeeping": 0}[house] + n
        port = {"api": ["--port", str(API_PORTS[n])], "health": ["--port", str(HEALTH_PORTS[n])]}.get(house, [])
        words = [house, "--config-file", str(self._config(number)), *port]
        return Process(f"{house}{n}", self._words(words), self.directory / f"{house}{n}.log", self._awake)

    def of(self, house: str) -> list[Process]:
        """The processes of one kind."""
        return [process for process in self.processes if process.name.startswith(house)]

    def start(self) -> None:
        """Start all; they wait for each other where they must."""
        for process in self.processes:
            process.start()
        for process in self.processes:
            eventually(lambda process=process: self.is_up(process), 60, f"{process.name} is up; {process.log}")

    def is_up(self, process: Process) -> bool:
        """Whether it said so since it was started last."""
        if process.died() is not None:
            raise RuntimeError(f"{process.name} ended with {process.died()}: {process.log.read_text()[-2000:]}")
        last = process.log.read_text(errors="replace").rpartition("--- start")[2]
        return "is up" in last

    def stop(self) -> None:
        """End all in order, and remove what there is on this host."""
        for process in self.processes:
            if process.died() is None and process.running:
                process.send(signal.SIGCONT)
                process.kill(signal.SIGTERM)

    def remove(self) -> None:
        """Everything, also after a failure."""
        for process in self.processes:
            if process.running and process.died() is None:
                with contextlib.suppress(AssertionError):
                    process.kill()
        self._lictor(["down", "--purge", "--config-file", str(self._config(0))])
        self.database.stop()

    def claims(self) -> list[tuple[str, int, str]]:
        """(load balancer, epoch, process and its start) of every claim that a worker's log tells of."""
        found = []
        for process in self.of("worker"):
            for start, text in enumerate(process.log.read_text(errors="replace").split("--- start")[1:], 1):
                for lb, epoch in re.findall(r"Load balancer (\S+) is ours with epoch (\d+)", text):
                    found.append((lb, int(epoch), f"{process.name}.{start}"))
        return found
