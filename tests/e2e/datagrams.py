"""UDP servers in the members' namespaces, and clients with addresses of their own."""

import contextlib
import itertools
import json
import pathlib
import socket
import subprocess
import sys

SERVER = """
import selectors, socket, sys
name, *ports = sys.argv[1:]
waiting = selectors.DefaultSelector()
for port in ports:
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(("::", int(port)))
    waiting.register(server, selectors.EVENT_READ)
print("serving", flush=True)
while True:
    for key, _ in waiting.select():
        said, client = key.fileobj.recvfrom(65536)
        if said:
            key.fileobj.sendto(name.encode() + b" " + said, client)
"""


class Member:
    """A UDP server in a namespace: it answers what it hears, with its name before it."""

    def __init__(self, server, *ports):
        self.name, self.address, self._namespace = server.name, server.address, server.namespace
        self._ports, self._process = [str(port) for port in ports], None

    def start(self):
        command = ["ip", "netns", "exec", self._namespace, sys.executable, "-c", SERVER, self.name, *self._ports]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._process.stdout.readline() == b"serving\n"

    def close(self):
        """The same as ``stop``."""
        self.stop()

    def stop(self):
        """From now on its host answers that nobody is there."""
        if self._process is not None:
            with self._process:
                self._process.kill()
        self._process = None


_PORTS = itertools.cycle(range(20000, 60000))
"""Ports of clients: the kernel would sometimes give one again whose connection the amphora still knows."""


class Client:
    """One socket, which is one connection to the kernel. ``ask`` says who answers; None if nobody does in time."""

    def __init__(self, vip, port, source="", seconds=2.0, source_port=0):
        self._socket = socket.socket(socket.AF_INET6 if ":" in vip else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(seconds)
        self._socket.bind((source, source_port or next(_PORTS)))
        self._socket.connect((vip, port))
        self._count = 0

    def ask(self, size=0):
        """Ask with so many bytes, or a few."""
        self._count += 1
        words = b"x" * size or f"question {self._count}".encode()
        try:
            self._socket.send(words)
            name, _, echoed = self._socket.recv(65536).partition(b" ")
        except OSError:
            return None
        assert echoed == words
        return name.decode()

    def close(self):
        self._socket.close()


def ask(vip, port, source="", seconds=2.0, source_port=0):
    """Who answers a new connection."""
    with contextlib.closing(Client(vip, port, source, seconds, source_port)) as client:
        return client.ask()


class Inside:
    """The inner namespace of the amphora that holds a virtual address."""

    def __init__(self, vip):
        for file in pathlib.Path("/proc").glob("[0-9]*/comm"):
            self._pid = file.parent.name
            with contextlib.suppress(OSError, subprocess.CalledProcessError):
                if file.read_text() == "haproxy\n" and f" {vip}/" in self.run("ip address"):
                    return
        raise AssertionError(f"no haproxy runs where {vip} is")

    def run(self, command):
        found = ["nsenter", "-t", self._pid, "-n", *command.split()]
        return subprocess.run(found, capture_output=True, text=True, check=True).stdout

    def refused(self, listener_id):
        """Packets that the listener's allowed_cidrs kept out."""
        name = f"refused_{listener_id.replace('-', '')}"
        return json.loads(self.run(f"nft -j list counter inet lictor {name}"))["nftables"][1]["counter"]["packets"]

    def tracked(self):
        """The protocols in the kernel's table of connections."""
        return {line.split()[0] for line in self.run("conntrack -L").splitlines()}

    def agent(self):
        """The pid of the amphora's agent."""
        spaces = pathlib.Path(f"/proc/{self._pid}/ns/pid").readlink()
        for file in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                same = (file.parent / "ns" / "pid").readlink() == spaces
                if same and file.read_bytes().split(b"\0")[1:4] == [b"-P", b"-m", b"lictor.agent.main"]:
                    return int(file.parent.name)
        raise AssertionError("no agent runs there")
