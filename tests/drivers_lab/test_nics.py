"""NICs of amphorae on the private network, and the web servers that tests put beside them."""

import http.client
import socket
import ssl
import urllib.request

import pytest

from lictor.drivers.compute.base import ComputeError
from lictor.drivers.compute.netns import links
from tests.drivers_lab.conftest import Deployment, sh
from tests.lab.web import WebServers


def outer(deployment: Deployment, amphora: str, command: str) -> str:
    return sh(f"ip -n {deployment.names.namespace(amphora)} {command}")


def test_a_nic_appears_in_the_outer_namespace_with_the_ports_mac_and_mtu(make) -> None:
    deployment = make(local_network__mtu=1400)
    deployment.compute.prepare()
    amphora, port = deployment.create(), deployment.port("vip")
    deployment.compute.attach(amphora, port)
    shown = outer(deployment, amphora, "-o link")
    assert port.mac_address in shown and f"{port.mac_address} " in shown
    assert "mtu 1400 " in shown
    name = deployment.names.link(amphora, port.id)
    assert f"master {deployment.names.private_bridge}" in sh(f"ip link show {name}")


def test_attaching_twice_makes_one_nic_also_when_the_agent_has_moved_and_renamed_it(deployment: Deployment) -> None:
    amphora, port = deployment.create(), deployment.port("vip")
    deployment.compute.attach(amphora, port)
    name = deployment.names.link(amphora, port.id)
    index = socket.if_nametoindex(name)
    deployment.compute.attach(amphora, port)
    sh("ip netns add inner")
    outer(deployment, amphora, f"link set {name} netns inner name eth1 up")
    deployment.restart()
    deployment.compute.attach(amphora, port)
    assert socket.if_nametoindex(name) == index
    assert port.mac_address not in outer(deployment, amphora, "-o link")
    sh(f"ip -n inner addr add {port.ip_address}/20 dev eth1")
    sh(f"ping -c 1 -W 2 {port.ip_address}")
    sh("ip netns del inner")


def test_a_nic_that_lost_its_bridge_or_is_down_is_put_right(deployment: Deployment) -> None:
    amphora, port = deployment.create(), deployment.port("vip")
    deployment.compute.attach(amphora, port)
    name = deployment.names.link(amphora, port.id)
    sh(f"ip link set {name} nomaster down")
    deployment.compute.attach(amphora, port)
    assert f"master {deployment.names.private_bridge}" in sh(f"ip link show {name}")
    assert ",UP" in sh(f"ip link show {name}")


def test_detaching_removes_the_nic_and_can_be_repeated(deployment: Deployment) -> None:
    amphora, port = deployment.create(), deployment.port("vip")
    before = links.names("l")
    deployment.compute.attach(amphora, port)
    deployment.compute.detach(amphora, port)
    assert links.names("l") == before
    deployment.compute.detach(amphora, port)
    assert port.mac_address not in outer(deployment, amphora, "-o link")


def test_attaching_to_an_amphora_that_is_not_there_is_an_error(deployment: Deployment) -> None:
    nobody = "00000000-0000-4000-8000-000000000000"
    with pytest.raises(ComputeError, match=f"{nobody} is gone"):
        deployment.compute.attach(nobody, deployment.port("vip"))
    assert links.names(deployment.names.link_prefix) == []


def test_a_strangers_link_of_the_same_name_is_neither_used_nor_removed(deployment: Deployment) -> None:
    amphora, port = deployment.create(), deployment.port("vip")
    name = deployment.names.link(amphora, port.id)
    sh(f"ip link add {name} type veth peer name other && ip link set {name} alias somebodys")
    with pytest.raises(ComputeError, match="is for something else"):
        deployment.compute.attach(amphora, port)
    deployment.compute.detach(amphora, port)
    deployment.compute.delete(amphora)
    assert name in links.names("l")
    sh(f"ip link del {name}")


def test_an_ipv6_private_network_works(make) -> None:
    deployment = make(local_network__cidr="fd00:66::/64")
    deployment.compute.prepare()
    amphora, port = deployment.create(), deployment.port("vip")
    deployment.compute.attach(amphora, port)
    name = deployment.names.link(amphora, port.id)
    outer(deployment, amphora, f"addr add {port.ip_address}/64 dev {name} nodad")
    outer(deployment, amphora, f"link set {name} up")
    with WebServers(deployment.directory, names=["six"], cidr="fd00:66::/64") as web:
        assert urllib.request.urlopen(web.servers[0].url(), timeout=5).read() == b"six\n"
        sh(f"ip netns exec {deployment.names.namespace(amphora)} ping -c 1 -W 2 {web.addresses[0]}")
    sh(f"ping -c 1 -W 2 {port.ip_address}")


def test_web_servers_stand_beside_the_amphorae_and_can_be_switched(deployment: Deployment) -> None:
    with WebServers(deployment.directory, names=["blue", "green"]) as web:
        blue, green = web.servers
        connection = http.client.HTTPConnection(blue.address, timeout=5)
        for path in ("/", "/anything", "/headers", "/bytes?n=100000"):
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200 and answer.headers["X-Server"] == "blue"
        assert len(body) == 100_000
        connection.close()
        green.healthy(False)
        with pytest.raises(urllib.error.HTTPError, match="503"):
            urllib.request.urlopen(green.url("/healthy"), timeout=5)
        green.healthy()
        assert urllib.request.urlopen(green.url("/healthy"), timeout=5).status == 200
        assert (blue.hits(), green.hits()) == (4, 0)
        green.stop()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((green.address, 80), 5)
        green.start()
        with socket.create_connection((green.address, 7), 5) as echo:
            assert echo.recv(100) == b"green\n"
            echo.sendall(b"hello")
            assert echo.recv(100) == b"hello"
        unchecked = ssl._create_unverified_context()
        assert urllib.request.urlopen(f"https://{blue.address}/", timeout=5, context=unchecked).read() == b"blue\n"
    assert sh("ip netns list") == ""
