"""What may go wrong, one thing after the other and at times two at once; each is over when its function returns."""

import contextlib
import os
import pathlib
import random
import signal
import subprocess
import threading
import time
from collections import Counter

from tests.crash.random import amphorae, databases
from tests.crash.random.site import HEALTH_PORTS, Process, Site

SKEWS = (-3600, -40, 40, 3600)
"""Seconds by which a process's clock may be wrong."""

UP = 60.0
"""Seconds in which a process is up."""

MANAGEMENT = "198.19.0.0/20"


class Faults(threading.Thread):
    """Makes something go wrong until told to stop; by then all is in order again, but for what heals by itself."""

    def __init__(self, site: Site, seed: int, accuse) -> None:
        super().__init__(name="faults", daemon=True)
        self._site, self._accuse = site, accuse
        self._random = random.Random(f"{seed} faults")
        self.stopping = threading.Event()
        self.counts: Counter[str] = Counter()
        self.log: list[str] = []
        self._began = time.monotonic()
        self._busy = {process.name: threading.Lock() for process in site.processes}

    def run(self) -> None:
        """Until ``stopping``."""
        choices = {
            self.kill: 8, self.freeze: 4, self.skew: 2, self.cut: 5, self.unplug: 2, self.slow_agent: 4,
            self.kill_agent: 3, self.kill_haproxy: 3, self.kill_amphora: 3, self.fill_disk: 2, self.restart_database: 3,
            self.kill_keepalived: 1,
        }  # fmt: skip
        if isinstance(self._site.database, databases.Sqlite):
            del choices[self.restart_database]
        while not self.stopping.is_set():
            count = 2 if self._random.random() < 0.3 else 1
            chosen = self._random.choices(list(choices), list(choices.values()), k=count)
            threads = [threading.Thread(target=self._run, args=(work,), daemon=True) for work in set(chosen)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(240)  # a node of Galera that comes back may take minutes on a busy machine
                if thread.is_alive():
                    self._accuse(f"a fault does not end: {[work.__name__ for work in chosen]}")
            self.stopping.wait(self._random.uniform(0.1, 1.0))

    def _run(self, work) -> None:
        self.counts[work.__name__] += 1
        try:
            work()
        except ProcessLookupError:
            pass  # what was to be killed was just gone
        except Exception as error:
            self._accuse(f"after the fault {work.__name__}: {error!r}")

    def _say(self, text: str) -> None:
        self.log.append(f"{time.monotonic() - self._began:7.2f} {text}")

    def _pause(self, longest: float = 4.0) -> int:
        time.sleep(self._random.uniform(0.2, longest))
        return self._random.randrange(1000)

    @contextlib.contextmanager
    def _chosen(self, *houses: str):
        """A process that no other fault is at."""
        names = houses or ("worker", "worker", "health", "api", "housekeeping")
        process = self._random.choice(self._site.of(self._random.choice(names)))
        with self._busy[process.name]:
            yield process

    # --- the control plane ---

    def kill(self) -> None:
        """kill -9 of a process, which somebody starts again."""
        with self._chosen() as process:
            self._say(f"kill {process.name}")
            process.kill()
            self._pause()
            again(self._site, process)

    def freeze(self) -> None:
        """A process stands still, at times for longer than its leases last."""
        with self._chosen() as process:
            self._say(f"freeze {process.name}")
            process.send(signal.SIGSTOP)
            self._pause(9.0)
            process.send(signal.SIGCONT)

    def skew(self) -> None:
        """A process is killed and comes back with a clock that is wrong; later the next start puts it right."""
        with self._chosen("worker", "health", "housekeeping") as process:
            skew = self._random.choice(SKEWS)
            self._say(f"clock of {process.name} {skew:+d} s")
            process.kill()
            again(self._site, process, skew)
            self._pause(6.0)
            process.kill()
            again(self._site, process)

    def restart_database(self) -> None:
        """The server, or a node of Galera, ends, in order or not, and comes back."""
        number = self._random.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM))
        if self._site.database.kind == "postgresql" and number == signal.SIGTERM:
            number = signal.SIGINT
        self._say(f"database ends by {number!r}")
        self._site.database.restart(number, self._pause)
        self._say("database is back")

    def fill_disk(self) -> None:
        """Nothing can be written to the state directory, and on SQLite to the database."""
        self._say("disk full")
        filler = self._site.disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(bytes(2**16)):
                pass
        self._pause()
        filler.unlink()

    # --- between the control plane and its amphorae ---

    def cut(self) -> None:
        """Packets to or from agents, or both, or only heartbeats, are lost."""
        rule = self._random.choice(
            (
                f"ip daddr {MANAGEMENT} tcp dport 9443",
                f"ip saddr {MANAGEMENT} tcp sport 9443",
                f"ip saddr {MANAGEMENT} udp dport {{ {HEALTH_PORTS[0]}, {HEALTH_PORTS[1]} }}",
                f"ip saddr {MANAGEMENT} udp dport {HEALTH_PORTS[0]}",
                f"ip saddr {MANAGEMENT} ip daddr {MANAGEMENT}",
            )
        )
        self._say(f"cut {rule}")
        chains = "".join(
            f"chain {hook} {{ type filter hook {hook} priority -300; {rule} drop; }}\n" for hook in ("input", "output")
        )
        table = f"chaos{threading.get_ident()}"
        subprocess.run(["nft", "-f", "-"], input=f"table ip {table} {{\n{chains}}}\n".encode(), check=True)
        self._pause(8.0)
        subprocess.run(["nft", "delete", "table", "ip", table], check=True)

    def unplug(self) -> None:
        """The link of one amphora to the management network is down, and up again."""
        links = [name for name in _links() if name.startswith("l") and _master(name).startswith("licm")]
        if links:
            link = self._random.choice(sorted(links))
            self._say(f"unplug {link}")
            subprocess.run(["ip", "link", "set", link, "down"], capture_output=True)
            self._pause(5.0)
            subprocess.run(["ip", "link", "set", link, "up"], capture_output=True)  # unless it was replaced meanwhile

    # --- amphorae ---

    def _one(self, found: list[int], what: str) -> int | None:
        if not found:
            return None
        pid = self._random.choice(found)
        self._say(f"{what} {pid}")
        return pid

    def slow_agent(self) -> None:
        """An agent stands still for seconds."""
        pid = self._one(amphorae.pids("lictor-agent"), "freeze agent")
        if pid:
            os.kill(pid, signal.SIGSTOP)
            self._pause(9.0)
            os.kill(pid, signal.SIGCONT)

    def _kill_one(self, found: list[int], what: str) -> None:
        pid = self._one(found, what)
        if pid:
            os.kill(pid, signal.SIGKILL)

    def kill_agent(self) -> None:
        """kill -9."""
        self._kill_one(amphorae.pids("lictor-agent"), "kill agent")

    def kill_haproxy(self) -> None:
        """kill -9 of a master or a worker."""
        self._kill_one(amphorae.pids("haproxy"), "kill haproxy")

    def kill_keepalived(self) -> None:
        """kill -9, where there are pairs."""
        self._kill_one(amphorae.pids("keepalived"), "kill keepalived")

    def kill_amphora(self) -> None:
        """All of its processes at once; at times its namespace goes too."""
        self._kill_one(amphorae.shells(), "kill amphora")


def _up(site: Site, process: Process) -> bool:
    try:
        return site.is_up(process)
    except RuntimeError:
        return False


def _links() -> list[str]:
    return sorted(path.name for path in pathlib.Path("/sys/class/net").iterdir())


def _master(link: str) -> str:
    try:
        return pathlib.Path(f"/sys/class/net/{link}/master").resolve().name
    except OSError:
        return ""


def again(site: Site, process: Process, skew: int = 0) -> None:
    """Start a process; where the database is away, it says so and is started again, as systemd would."""
    process.start(skew)
    await_up(site, process, skew)


def await_up(site: Site, process: Process, skew: int = 0) -> None:
    """Until a process is up; what has ended is started."""
    deadline = time.monotonic() + UP
    while not _up(site, process):
        if time.monotonic() > deadline:
            raise AssertionError(f"{process.name} does not come up; see {process.log}")
        if process.died() is not None:
            time.sleep(0.3)
            process.start(skew)
        time.sleep(0.05)


def settle(site: Site, accuse) -> None:
    """All processes run, whatever was going on."""
    for process in site.processes:
        if process.died() is None:
            process.send(signal.SIGCONT)
    for process in site.processes:
        try:
            await_up(site, process)
        except AssertionError as error:
            accuse(f"after the last fault: {error}")
