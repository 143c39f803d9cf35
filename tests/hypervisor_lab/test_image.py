"""The amphora image as a server: we reach its agent over ``lb-mgmt``, and its heartbeats reach us there."""

import base64
import contextlib
import socket
import time
import uuid

import msgspec
import pytest

from lictor import wire
from lictor.amphora.client import AgentClient, AgentUnreachable
from lictor.amphora.pki import Authority
from tests.bench.processes import eventually

HEARTBEATS = 5555
KEY = "5a" * 32
BOOT = 600.0
"""Seconds until the agent answers; on an idle machine it takes half a minute."""


@pytest.fixture
def image(admin):
    found = next(admin.image.images(tag="amphora"), None)
    return found or pytest.skip("no build/amphora.qcow2 when the cloud was started: make image")


@pytest.fixture
def port(service):
    network = service.network.find_network("lb-mgmt", ignore_missing=False)
    group = service.network.create_security_group(name="amphora")
    service.network.create_security_group_rule(
        security_group_id=group.id, direction="ingress", protocol="tcp", ethertype="IPv4",
        port_range_min=wire.AGENT_PORT, port_range_max=wire.AGENT_PORT,
    )  # fmt: skip
    port = service.network.create_port(network_id=network.id, security_group_ids=[group.id])
    yield port
    service.network.delete_port(port)
    service.network.delete_security_group(group)


@contextlib.contextmanager
def booted(service, image, port, steps):
    flavor = service.compute.find_flavor("lb.small", ignore_missing=False)
    server = service.compute.create_server(
        name="amphora", image_id=image.id, flavor_id=flavor.id, networks=[{"port": port.id}], config_drive=True,
        user_data=base64.b64encode(msgspec.json.encode(steps)).decode(),
    )  # fmt: skip
    try:
        yield service.compute.wait_for_server(server, wait=BOOT, interval=0.5)
    finally:
        service.compute.delete_server(server)
        service.compute.wait_for_delete(server, interval=0.5, wait=120)


def first_steps(authority, amphora, port, address):
    papers = authority.issue_server(amphora, 3600)
    management = wire.Interface(name="eth0", mac=port.mac_address, mtu=0, addresses=[f"{address}/24"])
    return wire.FirstSteps(
        amphora_id=amphora, certificate=papers.certificate, private_key=papers.private_key,
        client_ca=authority.ca_pem, management=management,
    )  # fmt: skip


def test_the_agent_of_an_amphora_answers_and_its_heartbeats_arrive(tmp_path, service, image, port, controller):
    authority, amphora = Authority.open(tmp_path / "ca"), str(uuid.uuid4())
    client = AgentClient(authority, wire.AGENT_PORT, 3.0, 30.0)
    address = port.fixed_ips[0]["ip_address"]
    began = time.monotonic()

    def answers():
        with contextlib.suppress(AgentUnreachable):
            return client.report(address, amphora)

    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener,
        booted(service, image, port, first_steps(authority, amphora, port, address)) as server,
    ):
        active = time.monotonic() - began
        try:
            eventually(answers, BOOT, f"{address} answers")
        except AssertionError as error:
            error.add_note(service.compute.get_server_console_output(server)["output"][-3000:])
            raise
        answered = time.monotonic() - began
        listener.bind((controller, HEARTBEATS))
        listener.settimeout(60)
        target = wire.HeartbeatTarget(addresses=[f"{controller}:{HEARTBEATS}"], key=KEY, interval=1)
        state = wire.DesiredState(
            amphora_id=amphora, loadbalancer_id=str(uuid.uuid4()), generation=1, epoch=1, heartbeat=target
        )
        client.deliver(address, state)
        assert wire.unseal(listener.recv(65536), bytes.fromhex(KEY)).amphora_id == amphora
        heard = time.monotonic() - began
    print(f"\namphora: ACTIVE after {active:.1f} s, answers after {answered:.1f} s, heard after {heard:.1f} s")
