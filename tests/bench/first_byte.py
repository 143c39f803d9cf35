"""How long a user waits for the first byte through a new virtual IP, how much of it is Lictor, and the memory it costs.

One sample is one call to the API that makes a fully populated load balancer (HTTP listener, pool, two members, health
monitor), timed from the start of the POST to the end of the first good HTTP answer through the VIP. They all stay,
so that the n-th is made next to n-1 others.

"Lictor's own work" is what is left when the inevitable is taken away. The inevitable is measured right after each
sample by the shortest way there is: two namespaces, two veth pairs, haproxy on a minimal configuration, first 200.
"""

import http.client
import ipaddress
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from tests.bench.report import Goal, conclude, deployment, ip, table
from tests.lab.deployment import http_get

COUNT = 20
WARM_UP = 1
"""Samples left out of the medians (and shown): the first finds nothing in any cache."""

MONITOR = {"type": "HTTP", "delay": 5, "timeout": 1, "max_retries": 2, "url_path": "/healthy"}
BASELINE_ADDRESS = "198.18.0.240"
MIB = 1024.0

MINIMAL = """
defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s
frontend in
    bind {address}:80
    default_backend out
backend out
{servers}
"""


def main():
    with deployment(["web1", "web2"]) as (lictor, web):
        samples, memory = [], []
        for number in range(1, COUNT + 1):
            samples.append((*load_balancer(lictor, web, number), baseline(web)))
            if number in (1, COUNT):
                # What is paid for in the first second (start-up garbage, lazy imports) and after the first heartbeats.
                time.sleep(4)
                memory.append(amphorae(lictor))
        return show(samples, memory)


# --- time ---


def load_balancer(lictor, web, number):
    """Seconds until the API answered, and until the first byte came."""
    began = time.monotonic()
    made = lictor.create(web.addresses, name=f"lb{number}", healthmonitor=MONITOR)
    answered = time.monotonic()
    await_first_byte(made["vip_address"])
    served = time.monotonic()
    lictor.wait_active(made["id"])
    return answered - began, served - began


def await_first_byte(address, seconds=30.0):
    """Ask until the first 200. Attempts are short: one that was lost in a bridge would be repeated a second later."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if http_get(address, timeout=0.1)[0] == 200:
                return
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.002)
    raise AssertionError(f"no answer through {address} within {seconds} s")


def baseline(web):
    """Seconds for the inevitable: what a person would type who knows all names and addresses."""
    with tempfile.TemporaryDirectory() as directory:
        servers = "\n".join(f"    server s{n} {address}:80" for n, address in enumerate(web.addresses))
        file = pathlib.Path(directory) / "haproxy.cfg"
        file.write_text(MINIMAL.format(address=BASELINE_ADDRESS, servers=servers))
        process = None
        began = time.monotonic()
        try:
            plug(web)
            command = ["ip", "netns", "exec", "bench-inner", "haproxy", "-W", "-f", str(file)]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            await_first_byte(BASELINE_ADDRESS)
            return time.monotonic() - began
        finally:
            if process:
                process.terminate()
                process.wait(10)
            unplug()


def plug(web):
    """An outer namespace for management and an inner one for traffic, each on its bridge, as an amphora has them."""
    mtu = pathlib.Path(f"/sys/class/net/{web.bridge}/mtu").read_text().strip()
    management = web.bridge.replace("licp", "licm")
    prefix = ipaddress.ip_network(web.network).prefixlen
    ip(
        "netns add bench-outer",
        "netns add bench-inner",
        f"link add benchm mtu {mtu} type veth peer name eth0 mtu {mtu} netns bench-outer",
        f"link add benchp mtu {mtu} type veth peer name eth1 mtu {mtu} netns bench-inner",
        f"link set benchm master {management} up",
        f"link set benchp master {web.bridge} up",
    )
    ip("link set lo up", "addr add 198.19.15.240/20 dev eth0", "link set eth0 up", namespace="bench-outer")
    ip(
        "link set lo up",
        f"addr add {BASELINE_ADDRESS}/{prefix} dev eth1",
        "link set eth1 up",
        namespace="bench-inner",
    )


def unplug():
    for command in (["link", "del", "benchm"], ["link", "del", "benchp"]):
        subprocess.run(["ip", *command], stderr=subprocess.DEVNULL, check=False)
    for namespace in ("bench-outer", "bench-inner"):
        subprocess.run(["ip", "netns", "del", namespace], stderr=subprocess.DEVNULL, check=False)
    subprocess.run(["ip", "neigh", "flush", "to", BASELINE_ADDRESS], stderr=subprocess.DEVNULL, check=False)


# --- memory ---


def amphorae(lictor):
    """For each amphora: KiB of PSS by role. Who belongs to it is told by its pid namespace."""
    found = {}
    for proc in pathlib.Path("/proc").glob("[0-9]*"):
        words = command_line(proc)
        if words[:2] == ["sh", "-s"] and words[2].startswith("lictor-"):
            found[(proc / "ns" / "pid_for_children").readlink()] = {}
    for proc in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            mine = found.get((proc / "ns" / "pid").readlink())
            if mine is not None:
                role = role_of(proc)
                mine[role] = mine.get(role, 0) + pss(proc)
        except OSError:
            continue
    return list(found.values())


def role_of(proc):
    words = command_line(proc)
    if "lictor.agent.main" in words:
        return "agent"
    if words[0].endswith("haproxy"):
        return "haproxy worker" if "haproxy" in parent_name(proc) else "haproxy master"
    return "sh, process 1"


def parent_name(proc):
    parent = (proc / "stat").read_text().rpartition(")")[2].split()[1]
    return pathlib.Path(f"/proc/{parent}/comm").read_text()


def command_line(proc):
    try:
        return [*(proc / "cmdline").read_text().split("\0"), "", ""]
    except OSError:
        return ["", "", ""]


def pss(proc):
    lines = (proc / "smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


# --- what came of it ---


def show(samples, memory):
    milliseconds = [[1000 * seconds for seconds in sample] for sample in samples]
    counted = milliseconds[WARM_UP:]
    api, total, inevitable = (statistics.median(column) for column in zip(*counted, strict=True))
    rows = [(f"load balancer {n}", *row) for n, row in enumerate(milliseconds, 1) if n in (1, 2, COUNT)]
    rows.append((f"median of {WARM_UP + 1}-{COUNT}", api, total, inevitable))
    rows.append((f"slowest of {WARM_UP + 1}-{COUNT}", *(max(column) for column in zip(*counted, strict=True))))
    table("Milliseconds after the POST", ["", "API answered", "first byte", "the inevitable alone"], rows)
    alone = show_memory(memory)
    return conclude(
        [
            Goal("first byte, median", total / 1000, "s", 1.0),
            Goal("first byte, load balancer 1", samples[0][1], "s", 1.0),
            Goal("Lictor's own work, median", (total - inevitable) / 1000, "s", 0.5),
            Goal("agent + haproxy of one amphora, PSS", alone, "MiB", 45.0),
        ]
    )


def show_memory(memory):
    """Print it by role; returns agent + haproxy of an amphora that is the only one (shared pages count most then)."""
    roles = ["sh, process 1", "agent", "haproxy master", "haproxy worker"]
    columns = [[statistics.median(one.get(role, 0) for one in each) / MIB for role in roles] for each in memory]
    rows = [(role, *(column[n] for column in columns)) for n, role in enumerate(roles)]
    rows.append(("all", *(sum(column) for column in columns)))
    headings = ["", *(f"{len(each)} amphora{'e' if len(each) > 1 else ''}" for each in memory)]
    table("MiB of PSS per amphora (medians)", headings, rows)
    return sum(columns[0][1:])


if __name__ == "__main__":
    sys.exit(main())
