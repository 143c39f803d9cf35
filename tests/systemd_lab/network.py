"""A network of its own for a machine, where several are to have the same ports."""

import pathlib
import subprocess
import uuid


class Network:
    """The laboratory reaches the machine at ``address``; the machine finds ``ports`` of our 127.0.0.1 at its own."""

    def __init__(self, address, ports):
        self.address, self.name = address, f"wire-{uuid.uuid4().hex[:8]}"
        wire = pathlib.Path(__file__).parent / "wire"
        subprocess.run([wire, self.name, address, *map(str, ports)], check=True, timeout=60)

    @property
    def path(self):
        """By which ``nsenter`` knows it."""
        return f"/run/netns/{self.name}"

    def remove(self):
        """When the machine has ended: the wire goes with the namespace."""
        subprocess.run(["nft", "delete", "table", "ip", self.name], check=True)
        subprocess.run(["ip", "netns", "delete", self.name], check=True)
