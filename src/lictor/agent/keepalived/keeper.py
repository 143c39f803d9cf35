"""Keeps the amphora's keepalived as the state wants it: started, told of changes and of HAProxy, restarted."""

import contextlib
import pathlib
import signal
import threading
import time
from collections.abc import Callable

from lictor import wire
from lictor.agent import interfaces
from lictor.agent.command import inside, run
from lictor.agent.daemon import Daemon
from lictor.agent.errors import Broken
from lictor.agent.keepalived.presence import Presence
from lictor.agent.keepalived.vigil import Vigil
from lictor.agent.reviver import Reviver
from lictor.agent.store import replace, write

_START = 5.0
_STEP = 0.005


class Keeper:
    """One keepalived, or none where no VIP is shared. ``lock`` is the agent's: whoever changes anything holds it.

    ``changed`` is called when the VIPs came or went.
    """

    def __init__(
        self, directory: pathlib.Path, namespace: str, lock: threading.RLock, changed: Callable[[], None]
    ) -> None:
        self.daemon = Daemon(directory / "keepalived.pid", directory / "keepalived.log")
        self.presence = Presence(namespace, changed)
        self._directory = directory
        self._namespace = namespace
        self._wanted: list[wire.Interface] = []
        self._serving = False
        self.reviver = Reviver("keepalived", self.daemon, lock, lambda: bool(self._wanted), self._start)
        self.vigil = Vigil(self.daemon, directory, lambda: not self.presence.standby(), lambda: self._serving)

    def check(self, place: pathlib.Path) -> None:
        """Ask keepalived about a staged configuration. Raises ``CommandFailed`` with its words."""
        write(place / "check-vrrp.cfg", section(self._directory, place))
        run(["keepalived", "-t", "-f", str(place / "check-vrrp.cfg")])

    def retire(self) -> None:
        """End it in order: it tells the other amphora, which takes over at once, and takes the VIPs away."""
        self._wanted = []
        self.presence.follow([])
        self.reviver.wake()
        if self.daemon.pidfd >= 0:
            self.daemon.end()

    def converge(self, old: wire.DesiredState | None, new: wire.DesiredState, force: bool) -> None:
        """See that ``current`` is what runs. Raises ``AgentError``."""
        self._wanted = new.interfaces
        self.presence.follow(new.interfaces)
        changed = self._write_section()
        if not self.daemon.running():
            self._start()
        elif force or changed or old is None or old.keepalived != new.keepalived:
            self.daemon.signal(signal.SIGHUP)
        self.reviver.wake()

    def want(self, wanted: list[wire.Interface]) -> None:
        """Have the reviver start what ``current`` names, and go on trying."""
        self._wanted = wanted
        self.presence.follow(wanted)
        self.reviver.wake()

    def tell(self, serving: bool) -> None:
        """Say whether HAProxy serves here: if not, the other amphora takes the VIPs within milliseconds."""
        self._serving = serving
        with contextlib.suppress(OSError):
            write(self._directory / "haproxy.track", f"{int(not serving)}\n")

    def _start(self) -> None:
        """Start it as one that waits to hear another: VIPs that a dead one left here may be another's by now."""
        self.reviver.starting()
        self.daemon.bury()
        self.daemon.kill_strays()
        interfaces.withdraw(self._wanted, self._namespace)
        ready = self._directory / "vrrp.pid"
        for stale in (ready, self._directory / "keepalived.pid"):
            stale.unlink(missing_ok=True)
        self.daemon.trim_log()
        self.daemon.launch(inside(self._namespace, self._arguments(ready)))
        deadline = time.monotonic() + _START
        # Until then a signal to read the configuration again would end it.
        while not ready.exists():
            if not self.daemon.running() or time.monotonic() > deadline:
                self.daemon.end()
                raise Broken("keepalived did not start, keepalived.log says why")
            time.sleep(_STEP)

    def _arguments(self, ready: pathlib.Path) -> list[str]:
        # -R: when the process that speaks VRRP dies all of it ends, and is ours to start again.
        home = self._directory
        files = ["-f", f"{home}/vrrp.cfg", "-p", f"{home}/keepalived.pid", "-r", str(ready)]
        return ["keepalived", "-P", "-n", "-l", "-R", *files]

    def _write_section(self) -> bool:
        file = self._directory / "vrrp.cfg"
        text = section(self._directory, self._directory / "current")
        if file.exists() and file.read_text() == text:
            return False
        replace(file, text)
        return True


def section(directory: pathlib.Path, place: pathlib.Path) -> str:
    """What depends on the machine, not on the load balancer; ``place`` is where the delivered configuration stands.

    Two that had the VIPs while the network between them was cut: the one that gives way says a last word, upon which
    the other one announces the VIPs again. Else neighbours would go on speaking to the one that has them no more.

    A weight of 0 makes anything but 0 in the file a fault, which gives the VIPs up at once, with nopreempt as well.
    """
    return f"""global_defs {{
    router_id lictor
    vrrp_version 3
    vrrp_priority -20
    max_auto_priority -1
    dynamic_interfaces
    vrrp_higher_prio_send_advert
}}

track_file haproxy {{
    file "{directory}/haproxy.track"
    weight 0
}}

include {place}/keepalived.conf
"""
