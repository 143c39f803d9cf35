"""An amphora's process 1: found again after a restart of ours, and ended without ever hitting another process.

Its command line is ``sh -s lictor-<tag>-<amphora id>``, and it is process 1 of a pid namespace just below ours. That is
all there is to know: no pid file can be stale, and nothing is lost with the state directory.
"""

import contextlib
import dataclasses
import os
import pathlib
import select
import signal

from lictor.drivers.compute.base import ComputeError
from lictor.drivers.compute.netns.names import Names

_PROC = pathlib.Path("/proc")

KILL_TIMEOUT = 10.0
"""Seconds for the kernel to end all processes of an amphora."""


@dataclasses.dataclass(frozen=True)
class Process:
    """A process for good: a pid may be given again, but not with the same start time (clock ticks since boot)."""

    pid: int
    started: int

    def alive(self) -> bool:
        """Whether it still runs (a zombie does not)."""
        return _observe(self.pid) == self

    def within(self, namespace: pathlib.Path) -> bool:
        """Whether it is in the network namespace that the file names: both lead to the same inode (namespaces(7))."""
        try:
            return namespace.samefile(_PROC / str(self.pid) / "ns" / "net")
        except OSError:
            return False


def argument(names: Names, amphora_id: str) -> list[str]:
    """The command line of an amphora's process 1, by which it is found."""
    return ["sh", "-s", names.namespace(amphora_id)]


def scan(names: Names) -> dict[str, Process]:
    """All running process 1s of the deployment's amphorae, by amphora id."""
    found = {}
    for pid in [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]:
        amphora_id = _amphora(names, pid)
        process = _observe(pid) if amphora_id is not None else None
        if amphora_id is not None and process is not None:
            found[amphora_id] = process
    return found


def _amphora(names: Names, pid: int) -> str | None:
    words = _read(pid, "cmdline").split("\0")
    if words[:2] != ["sh", "-s"] or len(words) != 4:
        return None
    # Children of the shell look the same until they exec; only process 1 is process 1. Two numbers: its pid here and
    # in the namespace below; more would be an amphora of a Lictor in a container on this host.
    for line in _read(pid, "status").splitlines():
        if line.startswith("NSpid:"):
            return names.amphora(words[2]) if line.split()[2:] == ["1"] else None
    return None


def _read(pid: int, name: str) -> str:
    with contextlib.suppress(OSError):
        return (_PROC / str(pid) / name).read_text(errors="replace")
    return ""


def _observe(pid: int) -> Process | None:
    # proc(5), stat: the name in brackets may hold anything; state is the first field after it, starttime the 20th.
    fields = _read(pid, "stat").rpartition(")")[2].split()
    if len(fields) < 20 or fields[0] in "ZX":
        return None
    return Process(pid, int(fields[19]))


def readable(descriptor: int, seconds: float) -> bool:
    """Wait until there is something to read. (select() knows no descriptors above 1023, which we may well have.)"""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def kill(process: Process) -> None:
    """End the process, and with it all of its pid namespace; return when they are gone. Raises ``ComputeError``."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        # Looked at after the handle was opened: from here on it means this process, whatever becomes of the pid.
        if not process.alive():
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        if not readable(handle, KILL_TIMEOUT):
            raise ComputeError(f"Process {process.pid} does not end, though it was killed {KILL_TIMEOUT:.0f} s ago.")
    finally:
        os.close(handle)
