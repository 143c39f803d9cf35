"""make bench-member_change: 500 changes of members through the API under a steady load of new connections.

Most changes are waited for until they are applied, so that they are not coalesced away; every fifth round of changes is
sent in one go, as impatient users do. Some of the load asks for slow answers, so that members are removed while they
serve a request. Goals: no request fails, HAProxy is never reloaded: by the agent's own count, and by its processes.
"""

import collections
import itertools
import statistics
import sys
import time

from tests.bench.report import Goal, conclude, deployment, table
from tests.bench.traffic import Load, Workers, applied, fresh, reloads
from tests.lab.deployment import eventually, who_answers

CHANGES = 500
CLIENTS = 4
SLOW_CLIENTS = 3
SLOW = "/slow?s=0.5"
BURST = 5  # every fifth round is only waited for at its end

KINDS = ("add", "weight", "disable", "enable", "remove")
UPDATES = {"weight": {"weight": 5}, "disable": {"admin_state_up": False}, "enable": {"admin_state_up": True}}


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
                applied(self._lictor, self._lb["id"])
                self.seconds[kind].append(time.monotonic() - began)
        applied(self._lictor, self._lb["id"])
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


def main():
    with deployment(["web1", "web2", "web3", "web4", "web5", "web6"]) as (lictor, web):
        lb = lictor.create(web.addresses[:2])
        lictor.wait_active(lb["id"])
        vip = lb["vip_address"]
        eventually(lambda: who_answers(vip) == ["web1", "web2"], 10)
        changes = Changes(lictor, lb, web.servers[2:])
        with Workers() as workers, Load(fresh(vip), CLIENTS) as load, Load(fresh(vip, path=SLOW), SLOW_CLIENTS) as slow:
            began = time.monotonic()
            changes.run()
            took = time.monotonic() - began
        return show(changes, load, slow, workers, took, reloads(lictor))


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
