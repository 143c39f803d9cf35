"""`make demo`: a load balancer from nothing to the first byte, with the stock client, and nothing left afterwards.

Runs inside tests/lab/sealed, whose network has no way out. Exit status 0 only if everything went as it should.
"""

import collections
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

from tests.lab.deployment import Deployment, eventually, http_get, world
from tests.lab.web import WebServers

SERVERS = ["web1", "web2"]
REQUESTS = 10
TOO_LONG = 60
"""Seconds after which a command is taken as hanging."""

COMMANDS = """
openstack loadbalancer create --name test_1 --vip-subnet-id private-subnet --wait
openstack loadbalancer listener create --name listener_1 --protocol HTTP --protocol-port 80 --wait test_1
openstack loadbalancer pool create --name test_pool_1 --protocol HTTP --listener listener_1 --lb-algorithm ROUND_ROBIN --wait
openstack loadbalancer member create --name member_1 --subnet-id private-subnet --address {0} --protocol-port 80 --wait test_pool_1
openstack loadbalancer member create --name member_2 --subnet-id private-subnet --address {1} --protocol-port 80 --wait test_pool_1
openstack loadbalancer healthmonitor create --delay 1 --timeout 1 --max-retries 2 --type HTTP --url-path /healthy --wait test_pool_1
openstack loadbalancer status show test_1
"""  # noqa: E501 - as they stand in the README

HEALTH_MONITOR = {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 2, "url_path": "/healthy"}

Answers = collections.Counter[str]


def main() -> int:
    """Show it, clean up, and say how long the first byte took."""
    if os.environ.get("LICTOR_SEALED") != "1":
        print("the demo makes links and addresses: start it with `make demo`, which seals it off", file=sys.stderr)
        return 2
    before = world()
    with tempfile.TemporaryDirectory(prefix="lictor-demo-") as directory:
        deployment = Deployment(pathlib.Path(directory) / "state")
        try:
            seconds, answers = show(deployment)
        except Exception:
            print(deployment.log.read_text() if deployment.log.exists() else "", file=sys.stderr)
            raise
        finally:
            clean_up(deployment)
        check_nothing_is_left(deployment, before)
    say("The second load balancer, made by one call, was answered by")
    print_table(answers)
    print(f"first byte: {seconds:.2f} s after the create request")
    return 0


def show(deployment: Deployment) -> tuple[float, Answers]:
    """Everything there is to see. Returns how long the first byte took, and who answered."""
    say("Lictor starts: API, workers and health manager in one process")
    print(f"$ lictor up --state-dir {deployment.state_dir} &", flush=True)
    deployment.start()
    with WebServers(deployment.state_dir, names=SERVERS) as web:
        say(f"The stock client makes a load balancer for two web servers, {' and '.join(SERVERS)}")
        for command in COMMANDS.format(*web.addresses).strip().splitlines():
            print(type_in(deployment, command))
        vip = type_in(deployment, "openstack loadbalancer show -f value -c vip_address test_1").strip()
        say(f"{REQUESTS} requests to its virtual IP, {vip}")
        print_table(curl(vip))
        return in_one_call(deployment, web.addresses)


def in_one_call(deployment: Deployment, addresses: list[str]) -> tuple[float, Answers]:
    """A whole load balancer in one POST. Returns the seconds from that to the first good answer, and who answers."""
    say("A second one in one call: listener, pool, two members, health monitor")
    started = time.monotonic()
    vip = deployment.create(addresses, name="test_2", healthmonitor=HEALTH_MONITOR)["vip_address"]
    eventually(lambda: http_get(vip, timeout=0.1)[0] == 200, 30, f"an answer from {vip}", poll=0.005)
    seconds = time.monotonic() - started
    return seconds, curl(vip)


def type_in(deployment: Deployment, command: str) -> str:
    """Run a command as a user would who has sourced openrc. Returns what it prints; raises if it fails."""
    print(f"$ {command}", flush=True)
    environment = {**os.environ, **deployment.credentials()}
    result = subprocess.run(
        shlex.split(command),
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TOO_LONG,
    )
    if result.returncode != 0:
        raise RuntimeError(f"exit status {result.returncode}: {result.stdout}{result.stderr}")
    return result.stdout


def curl(vip: str) -> Answers:
    """Who answers how many of ten requests. Raises if one fails."""
    command = ["curl", "--silent", "--show-error", "--fail", "--max-time", "5", f"http://{vip}/"]
    runs = (subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(REQUESTS))
    return collections.Counter(run.stdout.strip() for run in runs)


def clean_up(deployment: Deployment) -> None:
    """As an operator would who has seen enough."""
    say("Everything is taken away again")
    print(f"$ lictor down --purge --state-dir {deployment.state_dir}", flush=True)
    print(deployment.down("--purge").stdout, end="", flush=True)


def check_nothing_is_left(deployment: Deployment, before: dict[str, set[object]]) -> None:
    """Raises if a namespace, link, process or file is there that was not there before."""
    left = {kind: sorted(map(str, now - before[kind])) for kind, now in world().items()}
    left["shells"] = [str(pid) for pid in amphora_shells()]
    left["files"] = [str(deployment.state_dir)] if deployment.state_dir.exists() else []
    if any(left.values()):
        raise RuntimeError(f"something is left: {left}")
    print("checked: no namespace, link, process or file of it is there any more", flush=True)


def amphora_shells() -> list[int]:
    """Processes that look like an amphora's first one."""
    found = []
    for proc in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = proc.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[:2] == [b"sh", b"-s"] and words[2].startswith(b"lictor-"):
            found.append(int(proc.parent.name))
    return found


def say(words: str) -> None:
    """A headline."""
    print(f"\n== {words}", flush=True)


def print_table(answers: Answers) -> None:
    """Who answered how often."""
    width = max(map(len, answers))
    for name, count in sorted(answers.items()):
        print(f"  {name:{width}}  {count:3}  {'#' * count}", flush=True)


if __name__ == "__main__":
    if shutil.which("openstack") is None:
        sys.exit("the stock client is not in PATH: start the demo with `make demo`")
    sys.exit(main())
