"""make bench-churn: a thousand changes of everything that can change, under steady traffic of all kinds.

Most changes are of what Lictor keeps as data (members, weights, certificates, the values of L7 rules, allowed CIDRs,
connection limits): HAProxy must not be reloaded for them. The others (listeners, timeouts, policies) may cost a reload
each, and no request either. Goals: no request fails; no reload for data; at most one for each structural change.
"""

import collections
import contextlib
import itertools
import pathlib
import ssl
import statistics
import sys
import tempfile
import time

from tests.bench.report import Goal, conclude, deployment, table
from tests.bench.traffic import PATIENCE, Load, Workers, applied, fresh, fresh_tls, kept, reloads
from tests.lab.deployment import eventually, who_answers
from tests.unit.certs import Identity, key_pem, pem

DATA, STRUCTURAL = 900, 100
RARELY = 30
"""One change of data in so many is a new certificate, which the loop notices by looking: about a second for each."""

CLIENTS = 2
"""Of each kind of traffic."""

RENEWAL = 1
"""Seconds between the loop's looks at the secrets."""

CONFIG = """
[certificates]
storage_path = {directory}
renewal_interval = {renewal}
"""


class Changes:
    """The changes; ``seconds`` is how long each took from the API call until it was applied, by kind."""

    def __init__(self, lictor, lb, servers, secrets):
        self._lictor, self._lb, self._secrets = lictor, lb, secrets
        self._servers = itertools.cycle(servers)
        self._pool = lb["pools"][0]["id"]
        self._listeners = {each["protocol_port"]: each["id"] for each in lb["listeners"]}
        self._numbers = itertools.count(1)
        self._rule = ""
        self.seconds = collections.defaultdict(list)

    def prepare(self):
        """An L7 policy whose rule changes."""
        policy = {"listener_id": self._listeners[80], "action": "REDIRECT_TO_POOL", "redirect_pool_id": self._pool}
        policy_id = self._lictor.call("POST", "/l7policies", {"l7policy": policy})["id"]
        rule = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/0"}
        self._rule = f"/l7policies/{policy_id}/rules"
        self._rule += "/" + self._lictor.call("POST", self._rule, {"rule": rule})["id"]
        applied(self._lictor, self._lb["id"])

    def data(self, count):
        """Changes that need no reload, in turns."""
        kinds = (self.member, self.weight, self.l7_value, self.cidrs, self.limit)
        for number, kind in zip(range(count), itertools.cycle(kinds), strict=False):
            self._timed(self.certificate if number % RARELY == RARELY - 1 else kind, number)

    def structural(self, count):
        """Changes that may need one, in turns."""
        kinds = (self.timeout, self.listener)
        for number, kind in zip(range(count), itertools.cycle(kinds), strict=False):
            self._timed(kind, number)

    def _timed(self, kind, number):
        began = time.monotonic()
        kind(number)
        applied(self._lictor, self._lb["id"])
        self.seconds[kind.__name__].append(time.monotonic() - began)

    # --- data ---

    def member(self, number):
        """One comes, and the one before goes, in one request."""
        members = [{"address": server.address, "protocol_port": 80} for server in itertools.islice(self._servers, 2)]
        self._lictor.call("PUT", f"/pools/{self._pool}/members", {"members": members})

    def weight(self, number):
        """Of one of them."""
        path = f"/pools/{self._pool}/members"
        first = self._lictor.call("GET", path)[0]["id"]
        self._lictor.call("PUT", f"{path}/{first}", {"member": {"weight": 1 + number % 100}})

    def l7_value(self, number):
        """What a rule compares with."""
        self._lictor.call("PUT", self._rule, {"rule": {"value": f"/{number}"}})

    def cidrs(self, number):
        """Who may connect."""
        cidrs = ["0.0.0.0/0", f"198.51.100.{number % 250}/32"]
        self._lictor.call("PUT", f"/listeners/{self._listeners[80]}", {"listener": {"allowed_cidrs": cidrs}})

    def limit(self, number):
        """How many may be connected."""
        change = {"connection_limit": 2000 + number}
        self._lictor.call("PUT", f"/listeners/{self._listeners[80]}", {"listener": change})

    def certificate(self, number):
        """Another one under the same name, as whoever renews it would put it there; until clients meet it."""
        made = write(self._secrets, number)
        vip = self._lb["vip_address"]
        eventually(lambda: ssl.get_server_certificate((vip, 443), timeout=PATIENCE) == made, 30)

    # --- structure ---

    def timeout(self, number):
        """Of a listener."""
        change = {"timeout_client_data": 50_000 + number}
        self._lictor.call("PUT", f"/listeners/{self._listeners[80]}", {"listener": change})

    def listener(self, number):
        """One comes, or goes."""
        if 8080 in self._listeners:
            self._lictor.call("DELETE", f"/listeners/{self._listeners.pop(8080)}")
            return
        body = {"protocol": "HTTP", "protocol_port": 8080, "loadbalancer_id": self._lb["id"]}
        self._listeners[8080] = self._lictor.call("POST", "/listeners", {"listener": body})["id"]


def write(directory, number):
    made = Identity(f"number-{number}", alternative=("bench.example",))
    file = pathlib.Path(directory) / "churn.pem"
    new = file.with_suffix(".new")
    new.write_bytes(pem(made.certificate) + key_pem(made.key))
    new.replace(file)
    return pem(made.certificate).decode()


def create(lictor, addresses):
    members = [{"address": address, "protocol_port": 80} for address in addresses]
    pool = {"name": "web", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": members}
    tcp = {**pool, "name": "tcp", "protocol": "TCP"}
    listeners = [
        {"protocol": "HTTP", "protocol_port": 80, "default_pool": pool},
        {"protocol": "TCP", "protocol_port": 81, "default_pool": tcp},
        {
            "protocol": "TERMINATED_HTTPS",
            "protocol_port": 443,
            "default_pool": {"name": "web"},
            "default_tls_container_ref": "churn",
        },
    ]
    body = {"name": "churn", "vip_subnet_id": lictor.subnet(), "listeners": listeners}
    made = lictor.call("POST", "/loadbalancers", {"loadbalancer": body})
    lictor.wait_active(made["id"])
    made["pools"].sort(key=lambda each: each["name"] != "web")
    return made


def main():
    with tempfile.TemporaryDirectory(prefix="lictor-bench-secrets-") as secrets:
        write(secrets, 0)
        config = CONFIG.format(directory=secrets, renewal=RENEWAL)
        with deployment(["web1", "web2", "web3", "web4"], config) as (lictor, web):
            lb = create(lictor, web.addresses[:2])
            vip = lb["vip_address"]
            eventually(lambda: who_answers(vip) == ["web1", "web2"], 10)
            changes = Changes(lictor, lb, web.servers, secrets)
            changes.prepare()
            kinds = {
                "HTTP, new connections": fresh(vip),
                "HTTP, kept connections": kept(vip),
                "TCP, new connections": fresh(vip, 81),
                "TLS, new connections": fresh_tls(vip),
            }
            loads = {name: Load(kind, CLIENTS) for name, kind in kinds.items()}
            return show(changes, loads, *run(lictor, changes, loads))


def run(lictor, changes, loads):
    """Reloads for data, for structure, and the workers that were seen while data changed."""
    with contextlib.ExitStack() as traffic:
        for load in loads.values():
            traffic.enter_context(load)
        start = reloads(lictor)
        with Workers() as workers:
            changes.data(DATA)
        middle = reloads(lictor)
        changes.structural(STRUCTURAL)
        end = reloads(lictor)
    return max(middle - start, len(workers.seen) - 1), end - middle


def show(changes, loads, for_data, for_structure):
    rows = [
        (kind, len(each), 1000 * statistics.median(each), 1000 * max(each)) for kind, each in changes.seconds.items()
    ]
    table("Changes: ms from the API call until ACTIVE", ["", "count", "median", "slowest"], rows)
    rows = [(name, len(load.served), len(load.failures)) for name, load in loads.items()]
    table("Requests", ["", "answered", "failed"], rows)
    failures = collections.Counter(failure for load in loads.values() for failure in load.failures)
    if failures:
        table("Failed requests by kind", ["", "requests"], sorted(failures.items()))
    return conclude(
        [
            Goal("failed requests", failures.total(), "requests", 0, exact=True),
            Goal("reloads while data changed", for_data, "reloads", 0, exact=True),
            Goal("reloads for each structural change", for_structure / STRUCTURAL, "reloads", 1.001),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
