"""One API to be measured, whoever serves it: a client that waits for each answer, and wrk for throughput."""

import dataclasses
import http.client
import json
import math
import pathlib
import re
import statistics
import subprocess
import time
import urllib.parse
import uuid
from typing import Any

CONNECTIONS = 4
"""Of wrk: two for each process, so that none waits for a request to come."""

PROJECT = {size: f"{size:032x}" for size in (10, 100, 1000)}
OWN_PROJECT = "b" * 32
SUBNET = "7a1f1b5c-0000-4000-8000-000000000001"
LOAD_BALANCERS = "/v2/lbaas/loadbalancers"


def tree(members: int, project: str = OWN_PROJECT) -> dict[str, Any]:
    """A load balancer with two listeners, two pools, and so many members in both together, as one request."""

    def listener(number: int) -> dict[str, Any]:
        each = [{"address": f"192.0.2.{1 + n % 250}", "protocol_port": 8000 + number} for n in range(members // 2)]
        pool = {"name": f"pool{number}", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": each}
        return {"name": f"listener{number}", "protocol": "HTTP", "protocol_port": 80 + number, "default_pool": pool}

    name = f"lb-{uuid.uuid4().hex[:6]}"
    whole = {"name": name, "project_id": project, "vip_subnet_id": SUBNET, "listeners": [listener(0), listener(1)]}
    return {"loadbalancer": whole}


@dataclasses.dataclass(frozen=True)
class Figures:
    """What was measured of one kind of request: milliseconds of one client that waits, and requests a second."""

    p50: float
    p99: float
    rate: float


class Endpoint:
    """An API at a URL."""

    def __init__(self, name: str, url: str) -> None:
        self.name, self.url = name, url
        self._netloc = urllib.parse.urlsplit(url).netloc

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One request on a connection of its own; the JSON of its answer. Raises unless that is a success."""
        connection = http.client.HTTPConnection(self._netloc, timeout=120)
        headers = {"Content-Type": "application/json", "Accept": "application/json", "X-Project-Id": OWN_PROJECT}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if answer.status >= 300:
            raise AssertionError(f"{self.name}: {method} {path}: {answer.status} {content[:300]!r}")
        return json.loads(content) if content else None

    def create(self, members: int) -> Any:
        """A new load balancer."""
        return self.call("POST", LOAD_BALANCERS, tree(members))["loadbalancer"]

    def until_active(self, load_balancer_id: str, pause: float = 0.01) -> None:
        """Wait for the workers."""
        deadline = time.monotonic() + 120
        while (state := self._state(load_balancer_id)) != "ACTIVE":
            if state == "ERROR" or time.monotonic() > deadline:
                raise AssertionError(f"{self.name}: load balancer {load_balancer_id} is {state}")
            time.sleep(pause)

    def _state(self, load_balancer_id: str) -> str:
        shown = self.call("GET", f"{LOAD_BALANCERS}/{load_balancer_id}")
        return str(shown["loadbalancer"]["provisioning_status"])


def timed(action: Any) -> float:
    """Milliseconds that an action took."""
    began = time.perf_counter()
    action()
    return 1000 * (time.perf_counter() - began)


def serial(action: Any, seconds: float, most: int = 200) -> list[float]:
    """Milliseconds of one after the other, at least five, for about so long."""
    action()
    end, times = time.monotonic() + seconds, list[float]()
    while len(times) < 5 or (len(times) < most and time.monotonic() < end):
        times.append(timed(action))
    return times


def throughput(url: str, seconds: float, body: Any = None) -> float:
    """Requests a second by wrk. Raises if one of them failed."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{math.ceil(seconds)}s", "--timeout=60s"]
    command += ["-H", f"X-Project-Id: {OWN_PROJECT}", "-H", "Content-Type: application/json"]
    if body is not None:
        script = pathlib.Path(f"/tmp/lictor-bench-{uuid.uuid4().hex}.lua")
        script.write_text(f"wrk.method = 'POST'\nwrk.body = [[{json.dumps(body)}]]\n")
        command += ["-s", str(script)]
    text = subprocess.run([*command, url], check=True, capture_output=True, text=True).stdout
    if body is not None:
        script.unlink()
    if "Non-2xx" in text:
        raise AssertionError(f"{url}: {text}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", text)
    assert found is not None, text
    return float(found[1])


def figures(times: list[float], rates: list[float]) -> Figures:
    """Of several runs, the times together and the middle one of the rates."""
    ordered = sorted(times)
    return Figures(statistics.median(ordered), ordered[math.ceil(0.99 * len(ordered)) - 1], statistics.median(rates))
