"""Hosts on the cloud's networks that are no virtual machines: a network namespace with a port of Neutron's."""

import json
import pathlib
import subprocess
import sys

from tests.lab import web
from tests.lab.deployment import eventually
from tests.lab.hypervisor import settings, wires


class Host:
    """A tenant's machine: it has a web server (``tests.lab.web``), and sends requests.

    The agent of the network on the first host plugs in whatever has the name that follows from the port's id.
    """

    def __init__(self, neutron, subnet, name):
        """``neutron`` must be allowed to say where a port is."""
        mtu = neutron.get_network(subnet.network_id).mtu
        self.name, self.subnet, self._neutron = name, subnet, neutron
        self.port = neutron.create_port(
            name=name, network_id=subnet.network_id, fixed_ips=[{"subnet_id": subnet.id}],
            binding_host_id=settings.name(1), is_port_security_enabled=False,
        )  # fmt: skip
        self.address = self.port.fixed_ips[0]["ip_address"]
        self._plug(f"tap{self.port.id[:11]}", mtu)
        self._server = web.Server(name, self.address, name)
        self._server.start()

    def _plug(self, tap, mtu):
        _ip("netns", "add", self.name)
        peer = ["type", "veth", "peer", "name", "eth0", "netns", self.name]
        _ip("link", "add", tap, "mtu", mtu, *peer)
        _ip("link", "set", tap, "up")
        inside = ["-n", self.name]
        _ip(*inside, "link", "set", "lo", "up")
        _ip(*inside, "link", "set", "eth0", "address", self.port.mac_address, "mtu", mtu, "up")
        _ip(*inside, "address", "add", f"{self.address}/{self.subnet.cidr.partition('/')[2]}", "dev", "eth0")
        if self.subnet.gateway_ip:
            _ip(*inside, "route", "add", "default", "via", self.subnet.gateway_ip)
        wired = wires.PATIENCE
        eventually(lambda: self._neutron.get_port(self.port.id).status == "ACTIVE", wired, f"{self.name} is plugged in")

    def close(self):
        """Take it away, and its port."""
        self._server.stop()
        _ip("netns", "delete", self.name)
        self._neutron.delete_port(self.port.id)

    def get(self, url, *options):
        """What curl prints; an ``AssertionError`` with its words if it could not have it."""
        command = ["ip", "netns", "exec", self.name, "curl", "--silent", "--show-error", "--max-time", "3"]
        done = subprocess.run([*command, *options, url], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def neighbour(self, address):
        """The MAC address that answers for an address."""
        (found,) = json.loads(_ip("-json", "-n", self.name, "neigh", "show", address))
        return found["lladdr"]


class Asker:
    """Asks an address over and over from a host, each time on a new connection, and knows when it was not answered."""

    def __init__(self, host, url):
        program = [sys.executable, "-P", pathlib.Path(__file__).with_name("asker.py"), url]
        self._process = subprocess.Popen(
            ["ip", "netns", "exec", host.name, *program],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def end(self):
        """The longest time in seconds between two answers, and how many there were."""
        out, _ = self._process.communicate("", timeout=30)
        gap, answers = out.split()
        return float(gap), int(answers)


def _ip(*words):
    return subprocess.run(["ip", *map(str, words)], check=True, capture_output=True, text=True).stdout
