"""What clients know of, how they speak to the API, and what they found wrong."""

import contextlib
import dataclasses
import http.client
import json
import threading
import time
from typing import Any

from tests.crash.random.history import History

BATCHED = "198.18.1.2"
"""The address of members whose whole set is given at once."""

PATIENCE = 20.0
"""Seconds after which a client gives an answer up."""


@dataclasses.dataclass(frozen=True)
class Thing:
    """An object that a client was told of. ``path`` are the names of what it hangs on, and its own."""

    kind: str
    id: str
    path: str
    pool_id: str = ""

    @property
    def url(self) -> str:
        """Where it is shown, changed and deleted."""
        if self.kind == "member":
            return f"/pools/{self.pool_id}/members/{self.id}"
        return f"/{PLURALS[self.kind]}/{self.id}"


PLURALS = {
    "loadbalancer": "loadbalancers",
    "listener": "listeners",
    "pool": "pools",
    "healthmonitor": "healthmonitors",
    "l7policy": "l7policies",
    "l7rule": "l7rules",
}
ATTRIBUTES = {
    "loadbalancer": "description",
    "listener": "connection_limit",
    "pool": "description",
    "member": "weight",
    "healthmonitor": "delay",
    "l7policy": "description",
}
"""What is changed of each kind."""


class Garden:
    """What all clients know of, and what went wrong."""

    def __init__(self, history: History, addresses: list[str], subnet_id: str, pairs: str) -> None:
        """``pairs`` is the flavor of load balancers with two amphorae."""
        self.history, self.addresses, self.subnet_id, self.pairs = history, addresses, subnet_id, pairs
        self.violations: list[str] = []
        self._lock = threading.Lock()
        self._things: dict[str, Thing] = {}
        self._numbers = 0
        self._began = time.monotonic()

    def number(self) -> int:
        """One that nobody had before."""
        with self._lock:
            self._numbers += 1
            return self._numbers

    def add(self, thing: Thing) -> None:
        """There is something new."""
        with self._lock:
            self._things[thing.path] = thing

    def forget(self, path: str) -> None:
        """It is gone, or may be, with all that hangs on it."""
        with self._lock:
            for other in [each for each in self._things if each == path or each.startswith(f"{path}/")]:
                del self._things[other]

    def all(self, kind: str) -> list[Thing]:
        """The things of a kind, in a fixed order."""
        with self._lock:
            return sorted((each for each in self._things.values() if each.kind == kind), key=lambda each: each.path)

    def accuse(self, sentence: str) -> None:
        """Something happened that must not."""
        with self._lock:
            self.violations.append(f"at {time.monotonic() - self._began:.1f} s: {sentence}")


class Unknown(Exception):
    """No answer, or one that leaves open whether something was changed."""


def request(port: int, method: str, path: str, body: Any = None, base: str = "/v2.0/lbaas") -> tuple[int, Any]:
    """Status and decoded body. Raises ``ConnectionRefusedError`` (nothing was sent) and ``Unknown``."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    with contextlib.closing(connection):
        try:
            connection.connect()
            headers = {"Content-Type": "application/json"}
            connection.request(method, base + path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        except ConnectionRefusedError:
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unknown(repr(error)) from error
