"""make bench-member_change: 500 changes of members through the API under a steady load of new connections.

Most changes are waited for until they are applied, so that they are not coalesced away; every fifth round of changes is
sent in one go, as impatient users do. Some of the load asks for slow answers, so that members are removed while they
serve a request. Goals: no request fails, HAProxy is never reloaded: by the agent's own count, and by its processes.
"""

import collections
import http.client
import itertools
import pathlib
import statistics
import sys
import threading
import time

from lictor import config
from lictor.amphora.client import AgentClient
from lictor.amphora.pki import Authority
from lictor.model import Amphora
from lictor.model.store import Store
from tests.bench.report import Goal, conclude, deployment, table
from tests.lab.deployment import eventually, http_get, processes, who_answers

CHANGES = 500
CLIENTS = 4
PAUSE = 0.01  # seconds between the requests of one client
SLOW_CLIENTS = 3
SLOW = "/slow?s=0.5"
LONGEST = 300.0  # seconds: the load ends by itself, whatever happens
BURST = 5  # every fifth round is only waited for at its end

KINDS = ("add", "weight", "disable", "enable", "remove")
UPDATES = {"weight": {"weight": 5}, "disable": {"admin_state_up": False}, "enable": {"admin_state_up": True}}


class Load:
    """Clients that open a new connection for every request, until told to end. ``served`` is who answered when."""

    def __init__(self, vip, clients, path="/"):
        self._vip, self._path = vip, path
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]
        self.served, self.failures = [], []

    def _run(self):
        deadline = time.monotonic() + LONGEST
        while not self._over.wait(PAUSE) and time.monotonic() < deadline:
            began = time.monotonic()
            try:
                status, body = http_get(self._vip, path=self._path, timeout=5)
                failure = "" if status == 200 else f"HTTP {status}"
            except (OSError, http.client.HTTPException) as error:
                body, failure = "", type(error).__name__
            # Appending is atomic: no lock is needed.
            if failure:
                self.failures.append(failure)
            else:
                self.served.append((body.strip(), began, time.monotonic()))

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join(10)


class Workers:
    """Looks now and then which HAProxy worker processes there are: a reload would leave a new one behind."""

    def __init__(self):
        self.seen = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self._over.wait(0.2):
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

    def __init__(self, lictor, lb, servers):
        self._lictor, self._lb = lictor, lb
        self._place = f"/pools/{lb['pools'][0]['id']}/members"
        self._servers = itertools.cycle(servers)
        self.seconds = {kind: [] for kind in KINDS}
        self.removed = []  # name, when the call was sent, when the removal was applied
        self.count = 0

    def run(self):
        for number, server in zip(range(CHANGES // len(KINDS)), self._servers, strict=False):
            self._round(server, patient=number % BURST != BURST - 1)

    def _round(self, server, patient):
        member, began = None, 0.0
        for kind in KINDS:
            began = time.monotonic()
            member = self._change(kind, member, server)
            self.count += 1
            if patient:
                self._applied()
                self.seconds[kind].append(time.monotonic() - began)
        self._applied()
        self.removed.append((server.name, began, time.monotonic()))

    def _change(self, kind, member, server):
        if kind == "add":
            body = {"address": server.address, "protocol_port": 80}
            return self._lictor.call("POST", self._place, {"member": body})["id"]
        if kind == "remove":
            self._lictor.call("DELETE", f"{self._place}/{member}")
        else:
            self._lictor.call("PUT", f"{self._place}/{member}", {"member": UPDATES[kind]})
        return member

    def _applied(self):
        path = f"/loadbalancers/{self._lb['id']}?fields=provisioning_status"
        eventually(lambda: self._lictor.call("GET", path)["provisioning_status"] == "ACTIVE", 30, poll=0.01)


def main():
    with deployment(["web1", "web2", "web3", "web4", "web5", "web6"]) as (lictor, web):
        lb = lictor.create(web.addresses[:2])
        lictor.wait_active(lb["id"])
        vip = lb["vip_address"]
        eventually(lambda: who_answers(vip) == ["web1", "web2"], 10)
        changes = Changes(lictor, lb, web.servers[2:])
        with Workers() as workers, Load(vip, CLIENTS) as load, Load(vip, SLOW_CLIENTS, SLOW) as slow:
            began = time.monotonic()
            changes.run()
            took = time.monotonic() - began
        return show(changes, load, slow, workers, took, reloads(lictor))


def reloads(lictor):
    """How many reloads the agents count; asked as the control plane asks them."""
    conf = config.load([str(lictor.config)], lictor__state_dir=str(lictor.state_dir))
    client = AgentClient(Authority.open(lictor.state_dir / "pki"), conf.haproxy_amphora.bind_port, 5.0, 5.0)
    with Store(config.database_url(conf)).read() as session:
        amphorae = [(row.lb_network_ip, row.id) for row in session.query(Amphora)]
    return sum(client.report(*amphora).reloads for amphora in amphorae)


def interrupted(removed, served):
    """Slow requests that a member was serving when its removal was sent, and still was when that had been applied."""
    return sum(
        any(name == who and began < sent and applied < ended for name, sent, applied in removed)
        for who, began, ended in served
    )


def show(changes, load, slow, workers, took, reloaded):
    patient = [
        (kind, len(each), 1000 * statistics.median(each), 1000 * max(each)) for kind, each in changes.seconds.items()
    ]
    table(
        "Changes that were waited for: ms from the API call until ACTIVE", ["", "count", "median", "slowest"], patient
    )
    answers = collections.Counter(who for who, _, _ in load.served + slow.served)
    table("Requests by who answered", ["", "requests"], sorted(answers.items()))
    failures = collections.Counter(load.failures + slow.failures)
    table("Failed requests by kind", ["", "requests"], sorted(failures.items()) or [("none", 0)])
    slowest = max(ended - began for _, began, ended in load.served)
    print(f"\n{changes.count} changes in {took:.1f} s: {changes.count / took:.1f} changes/s")
    print(
        f"{answers.total() / took:.0f} new connections/s; the slowest of the fast requests took {1000 * slowest:.0f} ms"
    )
    print(f"{interrupted(changes.removed, slow.served)} requests were answered by a member removed before their answer")
    print(f"HAProxy's workers seen: {len(workers.seen)}; reloads by the agent's count: {reloaded}")
    return conclude(
        [
            Goal("failed requests", failures.total(), "requests", 0, exact=True),
            Goal("reloads", max(reloaded, len(workers.seen) - 1), "reloads", 0, exact=True),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
