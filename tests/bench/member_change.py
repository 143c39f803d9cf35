"""make bench-member_change: 500 changes of members through the API under a steady load of new connections.

Every change is waited for until it is applied, so that none is coalesced away. Goals: no request fails, HAProxy is
never reloaded (one worker process over the whole run).
"""

import http.client
import itertools
import pathlib
import statistics
import sys
import threading
import time

from tests.bench.report import Goal, conclude, deployment, table
from tests.lab.deployment import eventually, http_get, processes, who_answers

CHANGES = 500
CLIENTS = 4
PAUSE = 0.01  # seconds between the requests of one client
LONGEST = 300.0  # seconds: the load ends by itself, whatever happens

UPDATES = {"weight": {"weight": 5}, "disable": {"admin_state_up": False}, "enable": {"admin_state_up": True}}


class Load:
    """Clients that open a new connection for every request, until told to end."""

    def __init__(self, vip):
        self._vip = vip
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(CLIENTS)]
        self._lock = threading.Lock()
        self.answers, self.failures, self.seconds = {}, {}, []

    def _run(self):
        deadline = time.monotonic() + LONGEST
        while not self._over.wait(PAUSE) and time.monotonic() < deadline:
            began = time.monotonic()
            try:
                status, body = http_get(self._vip, timeout=5)
                found, key = (self.answers, body.strip()) if status == 200 else (self.failures, f"HTTP {status}")
            except (OSError, http.client.HTTPException) as error:
                found, key = self.failures, type(error).__name__
            with self._lock:
                found[key] = found.get(key, 0) + 1
                self.seconds.append(time.monotonic() - began)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join(10)


class Workers:
    """Looks every 20 ms which HAProxy worker processes there are."""

    def __init__(self):
        self.seen = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self._over.wait(0.02):
            haproxy = {pid for pid, name in processes() if name == "haproxy"}
            self.seen |= {pid for pid in haproxy if parent(pid) in haproxy}

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join(10)


def parent(pid):
    try:
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


class Changes:
    """The changes: members come, get another weight, are disabled and enabled, and go."""

    def __init__(self, made, lb, addresses):
        self._made, self._lb = made, lb
        self._place = f"/pools/{lb['pools'][0]['id']}/members"
        self._addresses = addresses
        self.seconds = {}

    def run(self):
        kinds = itertools.cycle(["add", "weight", "disable", "enable", "remove"])
        addresses = itertools.cycle(self._addresses)
        member = None
        for kind in itertools.islice(kinds, CHANGES):
            began = time.monotonic()
            if kind == "add":
                body = {"address": next(addresses), "protocol_port": 80}
                member = self._made.call("POST", self._place, {"member": body})["id"]
            elif kind == "remove":
                self._made.call("DELETE", f"{self._place}/{member}")
            else:
                body = {
                    "weight": {"weight": 5},
                    "disable": {"admin_state_up": False},
                    "enable": {"admin_state_up": True},
                }
                self._made.call("PUT", f"{self._place}/{member}", {"member": body[kind]})
            self._applied()
            self.seconds.setdefault(kind, []).append(time.monotonic() - began)

    def _applied(self):
        path = f"/loadbalancers/{self._lb['id']}?fields=provisioning_status"
        eventually(lambda: self._made.call("GET", path)["provisioning_status"] == "ACTIVE", 30, poll=0.01)


def main():
    with deployment(["web1", "web2", "web3", "web4", "web5", "web6"]) as (made, web):
        lb = made.create(web.addresses[:2])
        made.wait_active(lb["id"])
        eventually(lambda: who_answers(lb["vip_address"]) == ["web1", "web2"], 10)
        changes = Changes(made, lb, web.addresses[2:])
        with Workers() as workers, Load(lb["vip_address"]) as load:
            began = time.monotonic()
            changes.run()
            took = time.monotonic() - began
    return show(changes, load, workers, took)


def show(changes, load, workers, took):
    rows = [
        (kind, len(each), 1000 * statistics.median(each), 1000 * max(each)) for kind, each in changes.seconds.items()
    ]
    table("Changes: milliseconds from the API call until ACTIVE", ["", "count", "median", "slowest"], rows)
    done = sum(load.answers.values())
    table("Requests by who answered", ["", "requests"], sorted(load.answers.items()))
    table("Failed requests by kind", ["", "requests"], sorted(load.failures.items()) or [("none", 0)])
    print(f"\n{CHANGES / took:.1f} changes/s, {done / took:.0f} new connections/s, {took:.1f} s in all")
    print(f"slowest request {1000 * max(load.seconds):.1f} ms, HAProxy workers seen: {len(workers.seen)}")
    return conclude(
        [
            Goal("failed requests", sum(load.failures.values()), "requests", 0, exact=True),
            Goal("reloads", len(workers.seen) - 1, "reloads", 0, exact=True),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
