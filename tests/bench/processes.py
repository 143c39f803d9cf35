"""Background processes of a benchmark: they end with it, and their memory is counted."""

import contextlib
import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

PAGE = os.sysconf("SC_PAGE_SIZE")
TICK = os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def background(command: list[Any], log: pathlib.Path, **options: Any) -> "Iterator[subprocess.Popen[bytes]]":
    """A process in a session of its own for the length of the block; nothing of the session is left afterwards."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            **options,
        )
    try:
        yield process
    finally:
        end(process)


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a process that ``background`` began, in order if it goes."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(15)


def run(*command: Any, **options: Any) -> str:
    """Run a command to its end; what it printed. Raises with what it said if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(words)} failed:\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def eventually(answer: Callable[[], Any], seconds: float, what: str) -> Any:
    """Ask until the answer is true, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := answer()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.1)
    return found


def descendants(process: "subprocess.Popen[bytes]") -> list[int]:
    """The ids of a process and of all that it started, directly or not."""
    children: dict[int, list[int]] = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found = [process.pid]
    for pid in found:
        found.extend(children.get(pid, []))
    return found


def resident(process: "subprocess.Popen[bytes]") -> float:
    """MiB of memory (RSS) of a process and its descendants."""
    pages = [int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in descendants(process)]
    return sum(pages) * PAGE / 2**20


def busy(process: "subprocess.Popen[bytes]", seconds: float) -> float:
    """Per cent of a processor that a process and its descendants use when they are left alone for so long."""

    def used() -> float:
        fields = [
            pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in descendants(process)
        ]
        return sum(int(each[11]) + int(each[12]) for each in fields) / TICK

    before = used()
    time.sleep(seconds)
    return 100 * (used() - before) / seconds
