"""A look into the amphorae from outside: who has a VIP, which epochs agents took, and what their processes are."""

import contextlib
import ipaddress
import pathlib
import re
import threading
import time
from collections import defaultdict

from tests.crash.random.peek import Peek
from tests.lab.deployment import processes

PAIR_PATIENCE = 8.0
"""Seconds for which both of a pair may have the VIP: VRRP cannot forbid it while they cannot hear each other."""


def pids(name: str) -> list[int]:
    """The processes of this name ("lictor-agent", "haproxy", "keepalived") in all amphorae, sorted."""
    own = _space("self")  # Galera has a HAProxy in front of it, which is none of ours
    return sorted(pid for pid, other in processes() if other == name and _space(pid) not in (None, own))


def _space(pid: int | str) -> pathlib.Path | None:
    try:
        return pathlib.Path(f"/proc/{pid}/ns/pid").readlink()
    except OSError:
        return None


def shells() -> list[int]:
    """Process 1 of every amphora."""
    found = []
    for proc in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (proc / "cmdline").read_bytes().split(b"\0")
            status = (proc / "status").read_text()
            pid_lines = [line.split() for line in status.splitlines() if line.startswith("NSpid:")]
            if words[:2] == [b"sh", b"-s"] and pid_lines and pid_lines[0][2:] == ["1"]:
                found.append(int(proc.name))
    return sorted(found)


PAUSE = 0.03
"""Seconds between looks: what is handed over wrongly is soon put right."""

LOOKS = 15
"""How often is looked before it is looked which amphorae there are."""

NOTED = 3.0
"""Seconds after which it is written down what such two say, in case that it lasts."""


Sharing = tuple[str, tuple[tuple[int, int], ...]]
"""An address, and the amphorae that have it: each one's process 1, and when it was given the address."""


class Watch(threading.Thread):
    """Looks for VIPs that two amphorae have, and keeps what agents say before their logs go with them."""

    def __init__(self, state_dir: pathlib.Path, directory: pathlib.Path, violation) -> None:
        """``directory`` is where logs are kept; ``violation`` is called with a sentence."""
        super().__init__(name="watch", daemon=True)
        self._amphorae, self._directory, self._violation = state_dir / "amphorae", directory, violation
        self.stopping = threading.Event()
        self.samples = 0
        self.applied: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self._read: dict[pathlib.Path, int] = defaultdict(int)
        self._shared: dict[Sharing, float] = {}
        self._shells: list[int] = []
        self._accused: set[Sharing] = set()

    def run(self) -> None:
        """Until ``stopping``."""
        self._peek = Peek()
        while not self.stopping.is_set():
            self._shells = shells()
            self.read_logs()
            for _ in range(LOOKS):
                self.sample()
                self.stopping.wait(PAUSE)

    def sample(self) -> None:
        """Look once."""
        self.samples += 1
        first = {shell: self._addresses(shell) for shell in self._shells}
        shared = _shared(first)
        # One that had it before and after the other had it, had it together with the other.
        again = {shell: self._addresses(shell) for _, owners in shared for shell, _ in owners}
        still = [each for each in shared if all(again[shell].get(each[0]) == added for shell, added in each[1])]
        now = time.monotonic()
        self._shared = {each: self._shared.get(each, now) for each in still}
        for sharing, since in self._shared.items():
            if sharing not in self._accused:
                self._judge(sharing, now - since)

    def _judge(self, sharing: Sharing, lasted: float) -> None:
        vip, owners = sharing
        two = [shell for shell, _ in owners]
        pair = any(map(_keepalived, two))
        if not pair or lasted >= NOTED:
            self._keep(vip, two)
        if not pair or lasted >= PAIR_PATIENCE:
            self._accused.add(sharing)
            what = "a pair" if pair else "two amphorae"
            self._violation(f"{vip} was owned by {what} for {lasted:.1f} s, (process 1, since): {owners}")

    def _addresses(self, shell: int) -> dict[str, int]:
        return self._peek.addresses(f"/proc/{shell}/root/run/netns/amphora-haproxy")

    def _keep(self, vip: str, owners: list[int]) -> None:
        """What two that both have a VIP say of it, and what they were told: it goes with them."""
        for shell in owners:
            home = pathlib.Path(f"/proc/{shell}/root/run/lictor")
            for file in (*home.glob("agent/*.log"), *home.glob("agent/vrrp.cfg"), *home.glob("agent/current/*.c*")):
                with contextlib.suppress(OSError):
                    kept = self._directory / "owners" / f"{vip} {shell}" / file.name
                    kept.parent.mkdir(parents=True, exist_ok=True)
                    kept.write_bytes(file.read_bytes())

    def read_logs(self) -> None:
        """Keep the epochs and generations that each agent says that it took."""
        for log in self._amphorae.glob("*/agent.log"):
            with contextlib.suppress(OSError):
                with log.open("rb") as file:
                    file.seek(self._read[log])
                    text = file.read()
                whole = text[: text.rfind(b"\n") + 1]
                self._read[log] += len(whole)
                with (self._directory / f"agent-{log.parent.name}.log").open("ab") as kept:
                    kept.write(whole)
                for generation, epoch in re.findall(rb"generation (\d+) of epoch (\d+) (?:is applied|stood)", whole):
                    self.applied[log.parent.name].append((int(epoch), int(generation)))


def _shared(found: dict[int, dict[str, int]]) -> list[Sharing]:
    owners: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for shell, has in sorted(found.items()):
        for address, added in has.items():
            if not ipaddress.ip_address(address).is_link_local:
                owners[address].append((shell, added))
    return [(address, tuple(who)) for address, who in owners.items() if len(who) > 1]


def _keepalived(shell: int) -> bool:
    """Whether keepalived runs in the amphora of this process 1."""
    return any(_namespace(pid) == _namespace(shell) for pid in pids("keepalived"))


def _namespace(pid: int) -> str:
    """The namespace of processes that it lives in; of one that is gone, its own number."""
    with contextlib.suppress(OSError):
        return str(pathlib.Path(f"/proc/{pid}/ns/pid").readlink())
    return str(pid)
