"""What a process does, as the kernel counts it: by that one that hangs is told from one that waits for its turn."""

import pathlib
import re

_SWITCHES = re.compile(r"ctxt_switches:\s*(\d+)")


def activity(pid: int) -> int:
    """A figure that rises whenever the process does anything (proc(5)); -1 if it is gone, or runs or wants to."""
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
