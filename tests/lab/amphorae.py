"""The amphorae of one load balancer, from outside and from within: who has the VIP, and what can be done to them."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import threading
import time

from lictor.drivers.compute.netns.names import Names
from tests.lab.deployment import eventually

PROC = pathlib.Path("/proc")


class Amphora:
    """One of them. ``pid`` is its process 1."""

    def __init__(self, row):
        self.id, self.role, self.address, self.vip = row["id"], row["role"], row["vrrp_ip"], row["ha_ip"]
        self.port, self.status = row["vrrp_port_id"], row["status"]
        self._outer = row["compute_id"] or "not there yet"
        self._names = Names(self._outer.split("-")[1] if row["compute_id"] else "")

    @property
    def pid(self):
        command = ["pgrep", "-f", f"^sh -s {self._outer}$"]
        pids = [int(pid) for pid in subprocess.run(command, capture_output=True, text=True).stdout.split()]
        return min((pid for pid in pids if _space(pid) != _space(os.getpid())), default=0)

    def pids(self, word):
        """Its processes with this word in their command line, parents first."""
        first = self.pid
        mine = _space(first) if first else None
        found = [int(entry.name) for entry in PROC.glob("[0-9]*") if mine and _space(entry.name) == mine]
        return sorted(pid for pid in found if pid != first and word in _line(pid))

    def inner(self, command):
        """Run a command in the inner namespace; what it prints."""
        words = ["nsenter", "-t", str(self.pid), "-m", "ip", "netns", "exec", "amphora-haproxy", *command.split()]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout

    def addresses(self):
        """All that it has on its networks; none if it is gone."""
        try:
            links = json.loads(self.inner("ip -json address show"))
        except subprocess.CalledProcessError:
            return set()
        return {each["local"] for link in links for each in link["addr_info"]}

    def carries(self, vip=""):
        return (vip or self.vip) in self.addresses()

    def refused(self, counter):
        """Packets that a counter of the filter has kept out."""
        found = json.loads(self.inner(f"nft -j list counter inet lictor {counter}"))["nftables"]
        return next(each["counter"]["packets"] for each in found if "counter" in each)

    # --- what can happen to it

    def kill(self, word):
        """kill -9 of the first of its processes of this name."""
        os.kill(self.pids(word)[0], signal.SIGKILL)

    def die(self):
        """As if its host lost power: all of its processes, and with them its inner namespace, are gone at once."""
        os.kill(self.pid, signal.SIGKILL)

    def cut(self):
        """Take its NIC on the VIP's network off the bridge. It does not notice."""
        subprocess.run(["ip", "link", "set", self._link, "nomaster"], check=True)

    def join(self):
        """Put it back."""
        subprocess.run(["ip", "link", "set", self._link, "master", self._names.private_bridge], check=True)

    @property
    def _link(self):
        return self._names.link(self.id, self.port)


def amphorae(deployment, lb):
    """Those that the API shows, masters by role first."""
    status, answer = deployment.request("GET", f"/v2.0/octavia/amphorae?loadbalancer_id={lb.id}")
    assert status == 200
    return [Amphora(row) for row in sorted(answer["amphorae"], key=lambda row: str(row["role"]), reverse=True)]


def carrier(deployment, lb, vip=""):
    """The amphora that has the VIP, and the other one; waits until there is just one that has it."""

    def one():
        found = amphorae(deployment, lb)
        having = [each for each in found if each.carries(vip)]
        if len(having) == 1 and len(found) > 1:
            return having[0], next(each for each in found if each.id != having[0].id)
        return None

    return eventually(one, 15, f"one amphora has the VIP of {lb.id}")


def has_the_vip(deployment, lb, amphora):
    """See that this one of two has it."""
    if not amphora.carries():
        carrier(deployment, lb)[0].kill("keepalived")
        eventually(amphora.carries, 10, "it has the VIP")


def go_without_sharing(deployment, lb, going, seconds, meanwhile=lambda: None):
    """Wait until those of these ids are gone. A take-over explains that two have the VIP at some looks, not at ten."""
    deadline, together = time.monotonic() + seconds, 0
    while (found := amphorae(deployment, lb)) and going & {each.id for each in found}:
        together = together + 1 if sum(each.carries() for each in found) > 1 else 0
        assert together < 10, "two had the VIP for many looks"
        assert time.monotonic() < deadline, "they are not replaced"
        meanwhile()


class Watch(threading.Thread):
    """Looks all the time at who has the VIP. ``both`` counts the looks at which two had it, one after the other."""

    def __init__(self, watched):
        super().__init__(daemon=True)
        self._watched, self.over, self.looks, self.both = watched, threading.Event(), 0, 0

    def run(self):
        while not self.over.is_set():
            having = [each.id for each in self._watched if each.carries()]
            # A look takes a while, in which the VIP may go from one to the other: both must have it in two looks.
            if len(having) > 1:
                time.sleep(0.05)
                having = [each.id for each in reversed(self._watched) if each.carries()]
            self.looks += 1
            self.both += len(having) > 1

    @classmethod
    @contextlib.contextmanager
    def of(cls, watched):
        watch = cls(watched)
        watch.start()
        try:
            yield watch
        finally:
            watch.over.set()
            watch.join()


def _space(pid):
    try:
        return (PROC / str(pid) / "ns" / "pid").readlink()
    except OSError:
        return None


def _line(pid):
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
