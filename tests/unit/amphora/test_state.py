"""The whole desired state of one amphora."""

import dataclasses

import msgspec
import pytest

from lictor.amphora.state import Nic, Place, Settings, Wiring, desired_state
from lictor.drivers.network.base import Port, Subnet
from lictor.model import AdditionalVip, Amphora, LoadBalancer, new_id
from lictor.wire import DesiredState, Route

from . import trees

SETTINGS = Settings(("192.0.2.1:5555",), "ab" * 32, 3.0, 50000)


def subnet(cidr: str, gateway: str) -> Subnet:
    return Subnet(new_id(), "", "network", cidr, gateway, ())


def place(ip: str, cidr: str, gateway: str = "") -> Place:
    return Place(Port(new_id(), "", "network", "", ip, "fa:16:3e:00:00:01"), subnet(cidr, gateway))


def nic(name: str, ip: str, cidr: str, gateway: str = "") -> Nic:
    return Nic(name, (place(ip, cidr, gateway),), 1450)


VIP_NIC = nic("eth1", "198.18.0.5", "198.18.0.0/20", "198.18.0.1")


@pytest.fixture
def root() -> LoadBalancer:
    root = trees.load_balancer()
    trees.listener(root, default_pool=trees.pool(root))
    return root


def state(root: LoadBalancer, wiring: Wiring, amphora: Amphora | None = None) -> DesiredState:
    return desired_state(root, amphora or Amphora(id=new_id()), wiring, SETTINGS, 4)


def test_a_state_says_for_whom_it_is_and_how_new_it_is(root: LoadBalancer) -> None:
    amphora = Amphora(id=new_id())
    made = state(root, Wiring((VIP_NIC,)), amphora)
    assert (made.amphora_id, made.loadbalancer_id) == (amphora.id, root.id)
    assert (made.generation, made.epoch) == (7, 4)


def test_the_vip_is_a_lone_address_beside_the_amphoras_own(root: LoadBalancer) -> None:
    [interface] = state(root, Wiring((VIP_NIC,))).interfaces
    assert (interface.name, interface.mac, interface.mtu) == ("eth1", "fa:16:3e:00:00:01", 1450)
    assert interface.addresses == ["198.18.0.5/20", "198.18.0.10/32"]
    assert interface.routes == [Route(destination="0.0.0.0/0", gateway="198.18.0.1")]


def test_a_vip_of_ipv6_is_one_of_128_bits(root: LoadBalancer) -> None:
    root.vip_address = "fd00::10"
    [interface] = state(root, Wiring((nic("eth1", "fd00::5", "fd00::/64", "fd00::1"),))).interfaces
    assert interface.addresses == ["fd00::5/64", "fd00::10/128"]
    assert interface.routes == [Route(destination="::/0", gateway="fd00::1")]


def test_a_subnet_without_a_gateway_has_no_default_route(root: LoadBalancer) -> None:
    [interface] = state(root, Wiring((nic("eth1", "198.18.0.5", "198.18.0.0/20"),))).interfaces
    assert interface.routes == []


def test_additional_vips_share_the_nic_and_each_family_has_one_default_route(root: LoadBalancer) -> None:
    root.additional_vips = [AdditionalVip(ip_address="fd00::10", position=0), AdditionalVip(ip_address="10.1.0.9")]
    more = (place("fd00::5", "fd00::/64", "fd00::1"), place("10.1.0.5", "10.1.0.0/24", "10.1.0.1"))
    [interface] = state(root, Wiring((Nic("eth1", VIP_NIC.places + more, 1450),))).interfaces
    own = ["198.18.0.5/20", "fd00::5/64", "10.1.0.5/24"]
    assert interface.addresses == [*own, "198.18.0.10/32", "fd00::10/128", "10.1.0.9/32"]
    assert interface.routes == [
        Route(destination="0.0.0.0/0", gateway="198.18.0.1"),
        Route(destination="::/0", gateway="fd00::1"),
    ]


def test_a_members_subnet_is_reached_by_its_own_nic(root: LoadBalancer) -> None:
    _, second = state(root, Wiring((VIP_NIC, nic("eth2", "10.2.0.5", "10.2.0.0/24", "10.2.0.1")))).interfaces
    assert (second.name, second.addresses, second.routes) == ("eth2", ["10.2.0.5/24"], [])


def test_equal_arguments_give_equal_states_and_the_fence_is_not_in_the_digest(root: LoadBalancer) -> None:
    amphora, wiring = Amphora(id=new_id()), Wiring((VIP_NIC,))
    first = state(root, wiring, amphora)
    assert state(root, wiring, amphora) == first
    root.generation += 1
    assert state(root, wiring, amphora).digest() == first.digest()


def test_a_state_crosses_the_wire_unchanged(root: LoadBalancer) -> None:
    made = state(root, Wiring((VIP_NIC,)))
    assert msgspec.json.decode(msgspec.json.encode(made), type=DesiredState) == made


def test_heartbeats_go_where_the_deployment_says(root: LoadBalancer) -> None:
    heartbeat = state(root, Wiring((VIP_NIC,))).heartbeat
    assert heartbeat is not None
    assert (heartbeat.addresses, heartbeat.key, heartbeat.interval) == (["192.0.2.1:5555"], "ab" * 32, 3.0)


def test_the_heartbeat_key_is_not_printed() -> None:
    assert "ab" * 32 not in repr(dataclasses.replace(SETTINGS))
