"""The HAProxy of one amphora: started, found again, reloaded, stopped. It outlives the agent."""

import contextlib
import itertools
import os
import pathlib
import select
import signal
import subprocess
import time
from collections.abc import Callable

from lictor.agent.command import inside
from lictor.agent.errors import AgentError
from lictor.agent.haproxy.runtime import RuntimeFailed, worker_pid

_START = 10.0
_RELOAD = 15.0
_STOP = 5.0
_STEP = 0.005
_LONGEST_LOG = 256 * 1024


class MasterFailed(AgentError):
    """HAProxy did not start or did not take a new configuration; the message holds its own words."""


class Master:
    """HAProxy's master process, found by its command line: that names our pid file, and no recycled pid can fake it.

    A pid file alone would not do: an agent killed between starting HAProxy and HAProxy's writing of it would start a
    second one, and both would share the ports (SO_REUSEPORT).
    """

    def __init__(self, directory: pathlib.Path, namespace: str) -> None:
        self.socket = directory / "haproxy.sock"
        self._directory = directory
        self._namespace = namespace
        self._pid_file = str(directory / "haproxy.pid")
        self._log = directory / "haproxy.log"
        self._child: subprocess.Popen[bytes] | None = None
        self._pidfd = -1
        self._adopt()

    @property
    def pidfd(self) -> int:
        """Becomes readable when the master ends; -1 when none is known."""
        return self._pidfd

    def running(self) -> bool:
        """Whether the master lives. A zombie does not: its pidfd is readable."""
        try:
            return not select.select([self._pidfd], [], [], 0)[0]
        except (OSError, ValueError):
            return False  # none is known, or another thread has just buried it

    def start(self) -> None:
        """Start HAProxy and wait until it serves. Raises ``MasterFailed``, and then nothing of it is left running."""
        self.bury()
        self._kill_strays()
        offset = self._log_size()
        with self._log.open("ab") as words:
            self._log.chmod(0o600)
            self._child = subprocess.Popen(
                inside(self._namespace, self._arguments()),
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                start_new_session=True,
            )
        self._pidfd = os.pidfd_open(self._child.pid)
        try:
            self._await(lambda: worker_pid(self.socket) > 0, _START, offset, "start")
        except MasterFailed:
            self.stop()
            raise

    def reload(self) -> None:
        """Have a new worker take over the listeners. Raises ``MasterFailed``; the old worker goes on then."""
        try:
            old = worker_pid(self.socket)
        except RuntimeFailed:
            old = 0  # it is stuck, or still starting: any worker that answers is a better one
        offset = self._log_size()
        signal.pidfd_send_signal(self._pidfd, signal.SIGUSR2)
        self._await(lambda: worker_pid(self.socket) != old, _RELOAD, offset, "reload")

    def stop(self) -> None:
        """End HAProxy, whatever it takes."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.running():
                signal.pidfd_send_signal(self._pidfd, number)
                select.select([self._pidfd], [], [], _STOP)
        self.bury()
        self._kill_strays()
        self.socket.unlink(missing_ok=True)

    def bury(self) -> None:
        """Forget a dead master, and reap it when it was a child of ours."""
        if self.running():
            return
        if self._child is not None:
            self._child.wait()
            self._child = None
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1

    def trim_log(self) -> None:
        """Keep HAProxy's own words from filling the tmpfs: it reports each server that goes up or down."""
        if self._log_size() > _LONGEST_LOG:
            os.truncate(self._log, 0)

    def _arguments(self) -> list[str]:
        home = self._directory
        files = ["-f", f"{home}/global.cfg", "-f", f"{home}/current/haproxy.cfg"]
        return ["haproxy", "-W", "-S", f"{home}/master.sock,mode,600", "-p", self._pid_file, *files]

    def _adopt(self) -> None:
        for pid in self._processes():
            try:
                self._pidfd = os.pidfd_open(pid)
            except OSError:
                continue
            if self.running() and pid in self._processes():
                return
            self.bury()

    def _processes(self) -> dict[int, int]:
        """Our HAProxy's processes, pid to parent's pid, the master (whose parent is none of them) first."""
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdecimal() and (parent := self._parent(entry)):
                found[int(entry.name)] = parent
        return dict(sorted(found.items(), key=lambda item: item[1] in found))

    def _parent(self, entry: pathlib.Path) -> int:
        """The parent's pid if this is one of our HAProxy's live processes, else 0."""
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            named = any(pair == (b"-p", self._pid_file.encode()) for pair in itertools.pairwise(words))
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            return 0
        return int(parent) if named and state != "Z" else 0

    def _kill_strays(self) -> None:
        """Workers whose master is gone end by themselves; a stuck one would share the ports with the next."""
        deadline = time.monotonic() + 1.0
        while strays := self._processes():
            if time.monotonic() > deadline:
                for pid in strays:
                    _kill(pid)
            time.sleep(_STEP)

    def _await(self, done: Callable[[], bool], seconds: float, offset: int, what: str) -> None:
        deadline = time.monotonic() + seconds
        while True:
            if not self.running():
                raise MasterFailed(f"haproxy ended at its {what}: {self._words(offset)}")
            if "Loading failure" in self._words(offset):
                raise MasterFailed(f"haproxy did not {what}: {self._words(offset)}")
            try:
                if done():
                    return
            except RuntimeFailed:
                pass
            if time.monotonic() > deadline:
                raise MasterFailed(f"haproxy did not {what} within {seconds:g} s: {self._words(offset)}")
            time.sleep(_STEP)

    def _log_size(self) -> int:
        try:
            return self._log.stat().st_size
        except OSError:
            return 0

    def _words(self, offset: int) -> str:
        """What HAProxy said since: its alerts if there are any."""
        try:
            with self._log.open("rb") as words:
                words.seek(offset)
                lines = words.read(65536).decode(errors="replace").split("\n")
        except OSError:
            return ""
        alerts = [line for line in lines if "[ALERT]" in line or "failure" in line]
        return "\n".join(alerts or lines)[-4000:].strip()


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
