"""Lictor's processes, one by one, on one database: for benchmarks that start and end some of them."""

import contextlib
import os
import pathlib
import sys

from lictor import config
from lictor.amphora.keys import open_secret
from lictor.cli.statedir import StateDir
from lictor.model import schema
from lictor.model.store import Store
from tests.bench.endpoint import Endpoint
from tests.bench.processes import TICK, background, descendants, eventually
from tests.lab.uwsgi import free_port

LICTOR = pathlib.Path(sys.executable).parent / "lictor"

CONFIG = """
[lictor]
state_dir = {directory}/state
[database]
connection = {url}
[api_settings]
auth_strategy = noauth
bind_port = {port}
[controller_worker]
compute_driver = noop
network_driver = noop
workers = {threads}
replacements_at_once = 50
replacements_per_minute = 0
[certificates]
cert_manager = noop
[health_manager]
bind_ip = 127.0.0.1
bind_port = 5555
heartbeat_interval = 10
heartbeat_timeout = 30
sock_rlimit = 67108864
"""
HEALTH_PORT = 5555


class Plane:
    """A database with Lictor's schema, and the means to start processes on it. Used as a context."""

    def __init__(self, directory, url, server):
        self.directory, self.server = directory, server
        self.log = directory / "plane.log"
        self.port = free_port()
        self.endpoint = Endpoint("Lictor", f"http://127.0.0.1:{self.port}")
        self.config = self._configure("one", url, 1)
        self.crowd = self._configure("four", url, 4)
        self.store = Store(url)
        schema.upgrade(self.store)

    def _configure(self, name, url, threads):
        file = self.directory / f"{name}.conf"
        file.write_text(CONFIG.format(directory=self.directory, url=url, port=self.port, threads=threads))
        return file

    def __enter__(self):
        state = StateDir(config.state_dir(config.load([str(self.config)])), shared=True)
        with state:
            self.secret = open_secret(state.path)
        self.state_dir = state.path
        return self

    def __exit__(self, *failed):
        self.store.dispose()
        if failed[0] is not None and self.log.exists():
            print(self.log.read_text()[-6000:], file=sys.stderr)

    @contextlib.contextmanager
    def house(self, name, wait=True):
        """`lictor NAME`, with one thread where it has many, for the length of the block."""
        with self.started([LICTOR, name, "--config-file", self.config], f"lictor {name} is up", wait) as process:
            yield process

    @contextlib.contextmanager
    def simulated(self, wait=True):
        """A worker with four threads whose compute driver makes simulated amphorae."""
        with self.started([sys.executable, "-m", "tests.bench.simulated", self.crowd], "up", wait) as process:
            yield process

    @contextlib.contextmanager
    def started(self, command, word, wait=True):
        """A process that says a word when it serves."""
        log = self.directory / f"{len(list(self.directory.iterdir()))}.log"
        try:
            with background(command, log) as process:
                if wait:
                    eventually(lambda: _said(log, word, process), 60, f"{word} of {command[0]}")
                yield process
        finally:
            with self.log.open("ab") as whole:
                whole.write(log.read_bytes()[-3000:])


def _said(log, word, process):
    assert process.poll() is None, log.read_text()[-3000:]
    return word in log.read_text()


def used(*processes):
    """Seconds of CPU that processes and their descendants have used so far."""
    total = 0
    for pid in [pid for process in processes for pid in descendants(process)]:
        with contextlib.suppress(OSError):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / TICK


def pin(process, core):
    """Keep a process, with all its threads, on one core; on all of them if it is None."""
    cores = set(range(os.cpu_count())) if core is None else {core % os.cpu_count()}
    for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), cores)
