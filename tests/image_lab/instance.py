"""An instance as the control plane has it: who it is, its papers, what it was told, and how to reach its agent."""

import contextlib
import os
import shutil
import socket
import time
import uuid

import pytest

from lictor import wire
from lictor.amphora.client import AgentClient, AgentUnreachable
from lictor.amphora.pki import Authority
from tests.image_lab.machine import ADDRESS, HOST, MAC, Machine, config_drive

IMAGE = os.environ.get("LICTOR_IMAGE", "")
PATIENCE = 300.0
KEY = "5a" * 32

needs_image = [
    pytest.mark.skipif(
        not IMAGE or os.environ.get("LICTOR_SEALED") != "1" or not shutil.which("qemu-system-x86_64"),
        reason="needs the laboratory, QEMU and an image: make test-image FILE=…",
    ),
    pytest.mark.timeout(900),  # of a machine that is emulated, on a host with other things to do
]

TOLD = wire.Interface(
    name="eth0", mac=MAC, addresses=[f"{ADDRESS}/24"], routes=[wire.Route(destination="0.0.0.0/0", gateway=HOST)]
)
DHCP = {
    "links": [{"id": "tap0", "type": "ovs", "mtu": 1500, "ethernet_mac_address": MAC}],
    "networks": [{"id": "network0", "type": "ipv4_dhcp", "link": "tap0"}],
}


class Instance:
    """Its machine is ``machine`` once it was booted; ``heartbeats`` is where it is told to send them."""

    def __init__(self, directory, management=TOLD, network=None, **meta):
        self.id, self.directory, self.port = str(uuid.uuid4()), directory, free_port()
        self.authority = authority = Authority.open(directory / "ca")
        papers = authority.issue_server(self.id, 3600)
        steps = wire.FirstSteps(
            amphora_id=self.id, certificate=papers.certificate, private_key=papers.private_key,
            client_ca=authority.ca_pem, management=management,
        )  # fmt: skip
        self.drive = config_drive(directory, steps, network or {}, **meta)
        self.client = AgentClient(authority, self.port, 30.0, 60.0)
        self.heartbeats = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.heartbeats.bind(("127.0.0.1", 0))
        self.heartbeats.settimeout(60)

    def boot(self, image=IMAGE, **options):
        self.machine = Machine(image, self.drive, self.directory, self.port, **options)
        return self.machine

    def until_it_answers(self):
        """The agent's first report. Raises ``AssertionError`` if there is none in time."""
        return self._until_reached(lambda: self.client.report("127.0.0.1", self.id))

    def deliver(self, **fields):
        """Have it take a state, and try again when it could not, as the control plane does; its report."""
        target = wire.HeartbeatTarget(addresses=[f"{HOST}:{self.heartbeats.getsockname()[1]}"], key=KEY, interval=1)
        fields = {"generation": 1, "epoch": 1, "loadbalancer_id": str(uuid.uuid4()), **fields}
        state = wire.DesiredState(amphora_id=self.id, heartbeat=target, **fields)
        return self._until_reached(lambda: self.client.deliver("127.0.0.1", state))

    def _until_reached(self, call):
        deadline = time.monotonic() + PATIENCE
        why = None
        while time.monotonic() < deadline:
            assert self.machine.process.poll() is None, "the machine ended by itself"
            try:
                return call()
            except AgentUnreachable as error:
                why = error
                time.sleep(0.3)
        raise AssertionError(f"no answer within {PATIENCE:.0f} s: {why}")

    def heartbeat(self):
        """The next heartbeat that comes in."""
        return wire.unseal(self.heartbeats.recv(65536), bytes.fromhex(KEY))

    def close(self):
        self.heartbeats.close()
        if hasattr(self, "machine"):
            self.machine.close()


@contextlib.contextmanager
def running(instance, **options):
    """Booted, and ended whatever happens; what it said last is shown."""
    try:
        instance.boot(**options)
        yield instance
    finally:
        print(instance.machine.said()[-3000:])
        instance.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
