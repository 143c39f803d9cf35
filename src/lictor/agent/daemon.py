"""A program of the amphora that outlives the agent: started, found again, ended."""

import contextlib
import itertools
import os
import pathlib
import select
import signal
import subprocess
import time

_STOP = 5.0
_STEP = 0.005


class Daemon:
    """Its first process, found by its command line: that names our pid file, and no recycled pid can fake it.

    A pid file alone would not do: an agent killed between starting a program and the program's writing of it would
    start a second one. ``log`` is where its words go.
    """

    def __init__(self, pid_file: pathlib.Path, log: pathlib.Path) -> None:
        self._pid_file = str(pid_file)
        self._log = log
        self._child: subprocess.Popen[bytes] | None = None
        self._pidfd = -1
        self._adopt()

    @property
    def pidfd(self) -> int:
        """Becomes readable when the process ends; -1 when none is known."""
        return self._pidfd

    def running(self) -> bool:
        """Whether the process lives. A zombie does not: its pidfd is readable."""
        try:
            return not select.select([self._pidfd], [], [], 0)[0]
        except (OSError, ValueError):
            return False  # none is known, or another thread has just buried it

    def launch(self, argv: list[str]) -> None:
        """Start it, in a session of its own. What is left of a dead one ends first."""
        self.bury()
        self.kill_strays()
        with self._log.open("ab") as words:
            self._log.chmod(0o600)
            self._child = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=words, stderr=words, start_new_session=True
            )
        self._pidfd = os.pidfd_open(self._child.pid)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        signal.pidfd_send_signal(self._pidfd, number)

    def end(self) -> None:
        """End it and all its processes, whatever it takes."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.running():
                self.signal(number)
                select.select([self._pidfd], [], [], _STOP)
        self.bury()
        self.kill_strays()

    def kill(self) -> None:
        """End all its processes at once: those that hang do not end otherwise."""
        for pid in self._processes():
            _kill(pid)

    def first(self) -> int:
        """The pid of its first process; 0 if there is none."""
        return next(iter(self._processes()), 0)

    def newest_child(self) -> int:
        """The pid of the process that its first one forked last; 0 if there is none."""
        found = self._processes()
        return max((pid for pid, parent in found.items() if parent in found), key=_born, default=0)

    def bury(self) -> None:
        """Forget a dead process, and reap it when it was a child of ours."""
        if self.running():
            return
        if self._child is not None:
            self._child.wait()
            self._child = None
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1

    def kill_strays(self) -> None:
        """Children whose parent is gone end by themselves; a stuck one would be in the way of the next."""
        deadline = time.monotonic() + 1.0
        while strays := self._processes():
            if time.monotonic() > deadline:
                for pid in strays:
                    _kill(pid)
            time.sleep(_STEP)

    def log_size(self) -> int:
        """Bytes of its words so far."""
        try:
            return self._log.stat().st_size
        except OSError:
            return 0

    def trim_log(self, longest: int = 256 * 1024) -> None:
        """Keep its words from filling the tmpfs."""
        if self.log_size() > longest:
            os.truncate(self._log, 0)

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
        """Our program's processes, pid to parent's pid, the first one (whose parent is none of them) first."""
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdecimal() and (parent := self._parent(entry)):
                found[int(entry.name)] = parent
        return dict(sorted(found.items(), key=lambda item: item[1] in found))

    def _parent(self, entry: pathlib.Path) -> int:
        """The parent's pid if this is one of our program's live processes, else 0."""
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            named = any(pair == (b"-p", self._pid_file.encode()) for pair in itertools.pairwise(words))
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            return 0
        return int(parent) if named and state != "Z" else 0


def _born(pid: int) -> tuple[int, int]:
    try:
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]), pid
    except OSError:
        return 0, pid


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
