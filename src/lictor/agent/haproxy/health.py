"""What the agent does about the health of servers: pings, and the first checks of new ones."""

import pathlib
import time
from collections.abc import Callable

from lictor import wire
from lictor.agent.errors import log
from lictor.agent.haproxy import statistics
from lictor.agent.haproxy.nursery import Nursery
from lictor.agent.haproxy.pinger import Key, Pinger
from lictor.agent.haproxy.runtime import RuntimeFailed, Session

_PATIENCE = 0.5
_STEP = 0.01


class Health:
    """Both of them. ``changed`` is called when statuses are worth a look."""

    def __init__(self, haproxy: pathlib.Path, namespace: str, changed: Callable[[], None]) -> None:
        self._haproxy = haproxy
        self.pinger = Pinger(haproxy, namespace, changed)
        self.nursery = Nursery(haproxy, changed)

    def follow(self, new: wire.HAProxy | None, fresh: set[Key]) -> None:
        """HAProxy is now as ``new``; it has just learnt of the fresh servers, and takes them for down.

        Returns when each backend with fresh servers has one that is up, or cannot have one, or half a second is over:
        what is reported as applied should serve if it can.
        """
        ready = [server for server in new.servers if server.state is wire.ServerState.READY] if new else []
        pinged = {key_of(server): server.ping for server in ready if server.ping}
        known = {key_of(server) for server in ready}
        self.pinger.follow(pinged, fresh)
        self.nursery.admit(fresh - pinged.keys(), known)
        deadline = time.monotonic() + _PATIENCE
        try:
            while fresh and not self._settled(known, fresh) and time.monotonic() < deadline:
                time.sleep(_STEP)
        except RuntimeFailed as error:
            log(f"first checks are not waited for: {error}")

    def _settled(self, known: set[Key], fresh: set[Key]) -> bool:
        pinged = self.pinger.states()
        with Session(self._haproxy) as session:
            rows = {(row.proxy, row.server): row for row in statistics.parse(session.ask("show stat"))}
        waiting = {key for key in fresh & rows.keys() if pinged.get(key) is None and not rows[key].judged}
        serving = {key[0] for key in known & rows.keys() if rows[key].serves}
        return {backend for backend, _ in waiting} <= serving


def key_of(server: wire.Server) -> Key:
    """How HAProxy and we call a server."""
    return server.backend, server.name


def is_watched(server: wire.Server) -> bool:
    """Whether anybody checks it, while it is not in maintenance."""
    return server.state is wire.ServerState.READY and (server.ping is not None or "check" in server.options.split())


def fresh(old: wire.HAProxy | None, new: wire.HAProxy) -> set[Key]:
    """The servers of ``new`` that begin as down: those that are watched and that ``old`` did not have.

    So do pinged ones that come back from maintenance: nobody has pinged them there.
    """
    before = {key_of(server): server for server in old.servers} if old else {}
    found = set()
    for server in filter(is_watched, new.servers):
        known = before.get(key_of(server))
        if known is None or (server.ping and known.state is not wire.ServerState.READY):
            found.add(key_of(server))
    return found
