"""What carrying traffic costs: a Lictor amphora beside a hand-written minimal HAProxy, nginx, and no balancer at all.

All have the same member behind them: nginx, with two files. Sides take turns; a figure is the median of all rounds.
The processor time per request is that of the balancer's own processes, kernel included as far as it works for them.
An amphora with UDP listeners has the kernel look at more of each packet: that has a row of its own.
"""

import contextlib
import dataclasses
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.bench import rivals
from tests.bench.report import Goal, conclude, deployment, table
from tests.lab.deployment import eventually, processes
from tests.unit.certs import Identity, key_pem, pem

ROUNDS = 7
SECONDS = 2
"""Of load in each round, for each side."""

CONNECTIONS = 16

CONFIG = """
[certificates]
storage_path = {directory}/secrets
"""


@dataclasses.dataclass(frozen=True)
class Row:
    """One kind of load: ``limit`` is the goal for Lictor's time per request, as a share of the minimal HAProxy's.

    ``mixed`` if Lictor's amphora is to have a UDP listener as well.
    """

    name: str
    url: str
    close: bool = False
    limit: float = 1.03
    mixed: bool = False


ROWS = (
    Row("HTTP, 1 KiB", "http://{}:80/1k"),
    Row("HTTP, 64 KiB", "http://{}:80/64k", limit=0.6),
    Row("HTTP, new connections", "http://{}:80/1k", close=True),
    Row("HTTP, 1 KiB, beside UDP", "http://{}:80/1k", mixed=True),
    Row("HTTP, new connections, beside UDP", "http://{}:80/1k", close=True, mixed=True),
    Row("TCP, 1 KiB", "http://{}:81/1k"),
    Row("TLS RSA, kept alive", "https://{}:443/1k"),
    Row("TLS ECDSA, kept alive", "https://{}:444/1k"),
    Row("TLS RSA, new connections", "https://{}:443/1k", close=True),
    Row("TLS ECDSA, new connections", "https://{}:444/1k", close=True),
)


def main():
    with tempfile.TemporaryDirectory(prefix="lictor-bench-") as name:
        directory = pathlib.Path(name)
        certificates(directory)
        with (
            deployment([], CONFIG.format(directory=directory)) as (lictor, web),
            rivals.sides(directory, str(web.network), web.bridge) as sides,
        ):
            member, subnet = sides["direct"].address, lictor.subnet()
            carried = {"Lictor": amphora(lictor, plain(subnet, member)), **sides}
            return show(*measure(carried, {**carried, "Lictor": amphora(lictor, mixed(subnet, member))}))


def certificates(directory):
    """rsa.pem and ecdsa.pem: for the rivals, and as secrets for Lictor."""
    (directory / "secrets").mkdir(mode=0o700)
    keys = {"rsa": rsa.generate_private_key(65537, 2048), "ecdsa": ec.generate_private_key(ec.SECP256R1())}
    for name, key in keys.items():
        made = Identity("bench.example", key=key, alternative=("bench.example",))
        for place in (directory / f"{name}.pem", directory / "secrets" / f"{name}.pem"):
            place.write_bytes(pem(made.certificate) + key_pem(made.key))


def amphora(lictor, wanted):
    """A load balancer, and the processes that carry its traffic."""
    there = {pid for pid, name in processes() if name == "haproxy"}
    made = lictor.call("POST", "/loadbalancers", {"loadbalancer": wanted})
    lictor.wait_active(made["id"])
    mine = {pid for pid, name in processes() if name == "haproxy"} - there
    return rivals.Side("Lictor", made["vip_address"], lambda: mine)


def pool(name, protocol, member, port):
    members = [{"address": member, "protocol_port": port}]
    return {"name": name, "protocol": protocol, "lb_algorithm": "ROUND_ROBIN", "members": members}


def plain(subnet, member):
    """Listeners for all that HAProxy carries."""
    ports = rivals.PORTS
    tls = {"protocol": "TERMINATED_HTTPS", "default_pool": {"name": "http"}}
    listeners = [
        {"protocol": "HTTP", "protocol_port": ports["http"], "default_pool": pool("http", "HTTP", member, 80)},
        {"protocol": "TCP", "protocol_port": ports["tcp"], "default_pool": pool("tcp", "TCP", member, 80)},
        *({**tls, "protocol_port": ports[name], "default_tls_container_ref": name} for name in ("rsa", "ecdsa")),
    ]
    return {"name": "bench", "vip_subnet_id": subnet, "listeners": listeners}


def mixed(subnet, member):
    """A listener of each kind: HAProxy's, and the kernel's."""
    port = rivals.PORTS["udp"]
    listeners = [
        {"protocol": "HTTP", "protocol_port": 80, "default_pool": pool("http", "HTTP", member, 80)},
        {"protocol": "UDP", "protocol_port": port, "default_pool": pool("udp", "UDP", member, port)},
    ]
    return {"name": "mixed", "vip_subnet_id": subnet, "listeners": listeners}


# --- measuring -------------------------------------------------------------------------------------------------------


def measure(plainly, mixedly):
    """By row and side, requests a second and microseconds of the balancer's processor a request; datagrams by side.

    The sides of both are the same, but for the amphora.
    """
    for side in (*plainly.values(), mixedly["Lictor"]):
        eventually(lambda side=side: load(ROWS[0], side, 1)[0] > 0, 30, f"{side.name} answers")
    found = {row.name: {name: [] for name in plainly} for row in ROWS}
    datagrams = {name: [] for name in plainly if name != "minimal"}  # HAProxy does not balance UDP.
    for _ in range(ROUNDS):
        for row in ROWS:
            for name, side in (mixedly if row.mixed else plainly).items():
                if not (name == "direct" and row.name.startswith("TCP")):
                    found[row.name][name].append(load(row, side, SECONDS))
        for name, rates in datagrams.items():
            rates.append(flood(mixedly[name]))
    return found, {name: statistics.median(rates) for name, rates in datagrams.items()}


def load(row, side, seconds):
    """Requests a second, and seconds of processor time a request. Raises if a request failed."""
    header = ["-H", "Connection: close"] if row.close else []
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", *header, row.url.format(side.address)]
    before, began = side.seconds(), time.monotonic()
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    took, used = time.monotonic() - began, side.seconds() - before
    if "Non-2xx" in printed or "Socket errors" in printed:
        raise AssertionError(f"{side.name}, {row.name}: {printed}")
    requests = int(re.search(r"(\d+) requests in", printed).group(1))
    return requests / took, used / requests


def flood(side):
    """Datagrams a second that come through to the member, while as many processes send as there are processors."""
    command = [sys.executable, "-m", "tests.bench.udp", side.address, str(rivals.PORTS["udp"]), str(SECONDS)]
    before, began = rivals.arrived(), time.monotonic()
    for process in [subprocess.Popen(command) for _ in range(os.cpu_count())]:
        if process.wait(60) != 0:
            raise AssertionError(f"{side.name}: a sender failed")
    took = time.monotonic() - began
    return (rivals.arrived() - before) / took


# --- what came of it -------------------------------------------------------------------------------------------------


def show(found, datagrams):
    names = list(next(iter(found.values())))
    balancers = [name for name in names if name != "direct"]
    lines, ratios = [], {}
    for row in ROWS:
        samples = found[row.name]
        rates = [round(statistics.median([rate for rate, _ in samples[name]] or [0])) or "-" for name in names]
        costs = {name: 1e6 * statistics.median(used for _, used in samples[name]) for name in balancers}
        # Both sides of a pair were measured within seconds: what else went on meanwhile weighs on both alike.
        pairs = zip(samples["Lictor"], samples["minimal"], strict=True)
        ratios[row.name] = statistics.median(ours / theirs for (_, ours), (_, theirs) in pairs)
        lines.append((row.name, *rates, *costs.values(), f"{ratios[row.name]:.3f}"))
    headings = ["", *(f"{name}, requests/s" for name in names), *(f"{name}, us/request" for name in balancers), "ratio"]
    table("Requests, and microseconds of the balancer's processor; the ratio is Lictor's to minimal's", headings, lines)
    packets = [(name, round(rate)) for name, rate in datagrams.items()]
    table("UDP: datagrams a second that arrive, offered without a limit", ["", "packets/s"], packets)
    goals = [Goal(f"{row.name}, processor time", ratios[row.name], "x minimal HAProxy", row.limit) for row in ROWS]
    goals.append(Goal("UDP", datagrams["Lictor"] / datagrams["nginx"], "x nginx stream", 5.0, least=True))
    return conclude(goals)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
