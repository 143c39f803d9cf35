"""`make test-image FILE=…`: an image that `lictor image build` made boots, and is an amphora.

Prints what the boot spent its time on; emulation is ten times slower than a hypervisor.
"""

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

pytestmark = pytest.mark.skipif(
    not IMAGE or os.environ.get("LICTOR_SEALED") != "1" or not shutil.which("qemu-system-x86_64"),
    reason="needs the laboratory, QEMU and an image: make test-image FILE=…",
)

TOLD = wire.Interface(
    name="eth0", mac=MAC, addresses=[f"{ADDRESS}/24"], routes=[wire.Route(destination="0.0.0.0/0", gateway=HOST)]
)
DHCP = {
    "links": [{"id": "tap0", "type": "ovs", "mtu": 1500, "ethernet_mac_address": MAC}],
    "networks": [{"id": "network0", "type": "ipv4_dhcp", "link": "tap0"}],
}


@pytest.fixture
def heartbeats():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(60)
        yield listener


@pytest.mark.parametrize(("management", "network"), [(TOLD, {}), (None, DHCP)], ids=["address told", "address by DHCP"])
def test_an_image_boots_and_its_agent_obeys_its_owner_and_sends_heartbeats(tmp_path, heartbeats, management, network):
    authority = Authority.open(tmp_path / "ca")
    amphora = str(uuid.uuid4())
    papers = authority.issue_server(amphora, 3600)
    steps = wire.FirstSteps(
        amphora_id=amphora, certificate=papers.certificate, private_key=papers.private_key,
        client_ca=authority.ca_pem, management=management,
    )  # fmt: skip
    drive = config_drive(tmp_path, steps, network)
    start = time.monotonic()
    machine = Machine(IMAGE, drive, tmp_path, port := free_port())
    try:
        client = AgentClient(authority, port, 3.0, 30.0)
        answered = until_it_answers(client, amphora, machine) - start
        client.deliver("127.0.0.1", state(amphora, heartbeats.getsockname()[1]))
        beat = wire.unseal(heartbeats.recv(65536), bytes.fromhex(KEY))
        heard = time.monotonic() - start
        assert (beat.amphora_id, beat.generation) == (amphora, 1)
        assert "this is amphora" in machine.said()
        processor = machine.seconds_of_processor()
        print(
            f"\nanswers after {answered:.1f} s, first heartbeat after {heard:.1f} s; {processor:.1f} s of the processor"
        )
    finally:
        print(machine.said()[-4000:])
        machine.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until_it_answers(client, amphora, machine):
    """The moment at which the agent first answered."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert machine.process.poll() is None, "the machine ended by itself"
        try:
            client.report("127.0.0.1", amphora)
        except AgentUnreachable:
            time.sleep(0.2)
        else:
            return time.monotonic()
    raise AssertionError(f"no answer within {PATIENCE:.0f} s")


def state(amphora, port):
    target = wire.HeartbeatTarget(addresses=[f"{HOST}:{port}"], key=KEY, interval=1)
    return wire.DesiredState(
        amphora_id=amphora, loadbalancer_id=str(uuid.uuid4()), generation=1, epoch=1, heartbeat=target
    )
