"""What the kernel says of a process: whether it does anything, and which signals it hears."""

import pathlib
import re

_SWITCHES = re.compile(r"ctxt_switches:\s*(\d+)")
_CAUGHT = re.compile(r"^SigCgt:\s*([0-9a-f]+)", re.MULTILINE)


def activity(pid: int) -> int:
    """A figure that rises whenever the process does anything (proc(5)); -1 if it is gone, or runs or wants to.

    By that one that hangs is told from one that waits for its turn.
    """
    total = 0
    try:
        for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
            fields = (thread / "stat").read_text().rpartition(")")[2].split()
            if fields[0] == "R":
                return -1
            switches = _SWITCHES.findall((thread / "status").read_text())
            total += int(fields[11]) + int(fields[12]) + sum(map(int, switches))
    except OSError:
        return -1
    return total


def catches(pid: int, number: int) -> bool:
    """Whether the process has a handler for this signal (proc(5), ``SigCgt``). One that it ignores would be lost."""
    try:
        found = _CAUGHT.search(pathlib.Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return False
    return bool(found and int(found[1], 16) >> (number - 1) & 1)
