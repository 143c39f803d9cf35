"""The HAProxy of one amphora: started, found again, reloaded, stopped. It outlives the agent."""

import pathlib
import signal
import time
from collections.abc import Callable

from lictor.agent.command import inside
from lictor.agent.daemon import Daemon
from lictor.agent.errors import AgentError
from lictor.agent.haproxy.runtime import RuntimeFailed, worker_pid
from lictor.agent.process import activity, catches

_START = 10.0
_RELOAD = 15.0
_STEP = 0.005
_HEARS = 2.0
"""Seconds in which a master that is told to reload has at least begun to."""


class MasterFailed(AgentError):
    """HAProxy did not start or did not take a new configuration; the message holds its own words."""


class MasterHangs(MasterFailed):
    """HAProxy's master does nothing, whatever it is told: only ending all of it helps."""


class Master(Daemon):
    """HAProxy's master process. Two of them would share the ports (SO_REUSEPORT)."""

    def __init__(self, directory: pathlib.Path, namespace: str) -> None:
        self.socket = directory / "haproxy.sock"
        self._directory = directory
        self._namespace = namespace
        super().__init__(directory / "haproxy.pid", directory / "haproxy.log")

    def start(self) -> None:
        """Start HAProxy and wait until it serves. Raises ``MasterFailed``, and then nothing of it is left running."""
        offset = self.log_size()
        self.launch(inside(self._namespace, self._arguments()))
        try:
            self._await(lambda: worker_pid(self.socket) > 0, _START, offset, "start")
        except MasterFailed:
            self.stop()
            raise

    def reload(self) -> None:
        """Have a new worker take over the listeners. Raises ``MasterFailed``; the old worker goes on then.

        Raises ``MasterHangs`` when there will never be a new one.
        """
        try:
            old = worker_pid(self.socket)
        except RuntimeFailed:
            old = 0  # it is stuck, or still starting: any worker that answers is a better one
        offset, first, begun = self.log_size(), self.first(), time.monotonic()
        before, told = activity(first), False

        def reloaded() -> bool:
            nonlocal told
            # No process is found by its command line in the moment in which it starts itself anew.
            told = told or self._tell(first or self.first())
            if time.monotonic() - begun > _HEARS and activity(first) == before >= 0:
                raise MasterHangs(f"haproxy's master, process {first}, hangs: it was told to reload and does nothing")
            return told and worker_pid(self.socket) != old

        self._await(reloaded, _RELOAD, offset, "reload")

    def _tell(self, pid: int) -> bool:
        """Tell the master to reload, if it hears that: what it is told before its own (re)start is over is lost.

        Its new worker serves before that, so the end of one reload does not mean that it hears of the next one.
        """
        if not catches(pid, signal.SIGUSR2):
            return False
        self.signal(signal.SIGUSR2)
        return True

    def stop(self) -> None:
        """End HAProxy, whatever it takes."""
        self.end()
        self.socket.unlink(missing_ok=True)

    def _arguments(self) -> list[str]:
        home = self._directory
        files = ["-f", f"{home}/global.cfg", "-f", f"{home}/current/haproxy.cfg"]
        return ["haproxy", "-W", "-S", f"{home}/master.sock,mode,600", "-p", self._pid_file, *files]

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
