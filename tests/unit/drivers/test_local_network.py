"""The embedded network driver: its address book, on a real SQLite file."""

import concurrent.futures
import ipaddress
import pathlib
import uuid

import pytest

from lictor import config
from lictor.drivers.network.base import AddressUnavailable, InvalidAddress, NetworkError, Port, PortRequest
from lictor.drivers.network.local import BadNetworkConfiguration, LocalNetwork, mac_address
from lictor.model.base import Base
from lictor.model.store import Store


def network(directory: pathlib.Path, **overrides: object) -> LocalNetwork:
    conf = config.load(lictor__state_dir=str(directory), **{f"local_network__{k}": v for k, v in overrides.items()})
    directory.mkdir(exist_ok=True)
    store = Store(config.database_url(conf))
    Base.metadata.create_all(store.engine)
    return LocalNetwork(conf, store)


@pytest.fixture
def local(tmp_path: pathlib.Path) -> LocalNetwork:
    return network(tmp_path)


def request(local: LocalNetwork, name: str, address: str = "", **more: str) -> PortRequest:
    return PortRequest(name, local.subnets()[0].id, address, **more)


def make(local: LocalNetwork, wanted: PortRequest) -> Port:
    (port,) = local.create_ports([wanted])
    return port


def test_there_is_one_network_with_one_subnet_whose_lower_quarter_is_the_operators(local: LocalNetwork) -> None:
    (net,), (subnet,) = local.networks(), local.subnets()
    assert (net.name, subnet.name, subnet.cidr) == ("private", "private-subnet", "198.18.0.0/20")
    assert subnet.gateway_ip == "198.18.0.1"
    assert subnet.allocation_pools == (("198.18.4.0", "198.18.15.254"),)
    assert net.subnet_ids == (subnet.id,) and subnet.network_id == net.id
    assert local.network(net.id) == net and local.subnet(subnet.id) == subnet


def test_ids_stay_for_one_state_directory_and_differ_for_another(tmp_path: pathlib.Path) -> None:
    one, again, other = network(tmp_path / "a"), network(tmp_path / "a"), network(tmp_path / "b")
    assert one.subnets() == again.subnets() and one.networks() == again.networks()
    assert one.subnets()[0].id != other.subnets()[0].id
    assert one.management_subnet.id not in {one.subnets()[0].id, other.management_subnet.id}
    uuid.UUID(one.subnets()[0].id)


def test_ids_stay_when_the_network_is_renamed(tmp_path: pathlib.Path) -> None:
    renamed = network(tmp_path, subnet_name="blue", network_name="sky")
    assert renamed.subnets()[0].id == network(tmp_path).subnets()[0].id
    assert (renamed.networks()[0].name, renamed.subnets()[0].name) == ("sky", "blue")


def test_a_port_gets_an_address_of_the_pool_and_is_found_by_id(local: LocalNetwork) -> None:
    port = make(local, request(local, "vip", device_id="lb-1", project_id="p"))
    assert ipaddress.ip_address("198.18.4.0") <= ipaddress.ip_address(port.ip_address)
    assert port.ip_address != "198.18.15.255"
    assert (port.device_id, port.device_owner, port.project_id) == ("lb-1", "Octavia", "p")
    assert local.port(port.id) == port
    assert local.ports() == [port]


def test_a_port_made_twice_is_one_port(local: LocalNetwork) -> None:
    port = make(local, request(local, "vip"))
    assert make(local, request(local, "vip")) == port
    assert make(local, request(local, "vip", "198.18.0.9")) == port
    assert len(local.ports()) == 1


def test_a_port_made_again_after_its_removal_has_the_same_id_and_mac(local: LocalNetwork) -> None:
    port = make(local, request(local, "vip"))
    local.delete_port(port.id)
    local.delete_port(port.id)
    assert local.port(port.id) is None
    again = make(local, request(local, "vip"))
    assert (again.id, again.mac_address) == (port.id, port.mac_address)


def test_an_address_can_be_asked_for_also_outside_the_pool(local: LocalNetwork) -> None:
    assert make(local, request(local, "a", "198.18.0.77")).ip_address == "198.18.0.77"


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("198.18.0.0", "is the network address"),
        ("198.18.15.255", "is the broadcast address"),
        ("198.18.0.1", "is the gateway"),
        ("198.18.16.0", "is not in the subnet 198.18.0.0/20"),
        ("::ffff:198.18.1.1", "is not in the subnet"),
        ("fd00::1", "is not in the subnet"),
        ("198.18.1", "is not an IP address"),
        ("tomorrow", "is not an IP address"),
    ],
)
def test_an_address_no_port_may_have_is_refused_with_the_reason(local: LocalNetwork, address: str, words: str) -> None:
    with pytest.raises(InvalidAddress, match=words) as caught:
        make(local, request(local, "a", address))
    assert address in str(caught.value)
    assert local.ports() == []


def test_a_taken_address_is_refused_and_the_holder_named(local: LocalNetwork) -> None:
    make(local, request(local, "first", "198.18.1.1", device_id="lb-7"))
    with pytest.raises(AddressUnavailable, match=r"198.18.1.1 is already taken by port first .*lb-7"):
        make(local, request(local, "second", "198.18.1.1"))
    assert [port.name for port in local.ports()] == ["first"]


def test_an_unknown_subnet_is_refused(local: LocalNetwork) -> None:
    with pytest.raises(NetworkError, match="no subnet nowhere"):
        make(local, PortRequest("a", "nowhere"))


def test_a_full_pool_is_said_and_a_freed_address_is_used_again(tmp_path: pathlib.Path) -> None:
    local = network(tmp_path, cidr="10.9.8.0/28")
    ports = [make(local, request(local, f"p{i}")) for i in range(11)]
    assert {port.ip_address for port in ports} == {f"10.9.8.{i}" for i in range(4, 15)}
    with pytest.raises(AddressUnavailable, match=r"pool 10.9.8.4 - 10.9.8.14 of the subnet 10.9.8.0/28"):
        make(local, request(local, "one more"))
    local.delete_port(ports[3].id)
    assert make(local, request(local, "one more")).ip_address == ports[3].ip_address


def test_ports_are_made_together_or_not_at_all(tmp_path: pathlib.Path) -> None:
    local = network(tmp_path, cidr="10.9.8.0/28")
    for number in range(10):
        make(local, request(local, f"p{number}"))
    with pytest.raises(AddressUnavailable):
        local.create_ports([request(local, "vip"), request(local, "amphora")])
    assert {port.name for port in local.ports()} == {f"p{number}" for number in range(10)}


def test_processes_that_choose_at_the_same_time_get_different_addresses(tmp_path: pathlib.Path) -> None:
    drivers = [network(tmp_path, cidr="10.9.8.0/26") for _ in range(4)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(make, drivers[i % 4], request(drivers[0], f"p{i % 40}")) for i in range(80)]
        ports = {job.result(timeout=60) for job in jobs}
    assert len(ports) == len({port.ip_address for port in ports}) == len({port.mac_address for port in ports}) == 40


def test_an_ipv6_range_works_too(tmp_path: pathlib.Path) -> None:
    local = network(tmp_path, cidr="fd00:5::/64")
    (subnet,) = local.subnets()
    assert (subnet.gateway_ip, subnet.allocation_pools) == (
        "fd00:5::1", (("fd00:5:0:0:4000::", "fd00:5::ffff:ffff:ffff:ffff"),),
    )  # fmt: skip
    port = make(local, request(local, "chosen"))
    assert ipaddress.ip_address(port.ip_address) in ipaddress.ip_network("fd00:5::/64")
    assert make(local, request(local, "asked", "FD00:5:0::00AB")).ip_address == "fd00:5::ab"
    with pytest.raises(AddressUnavailable, match="port asked"):
        make(local, request(local, "again", "fd00:5::ab"))
    with pytest.raises(InvalidAddress, match="network address"):
        make(local, request(local, "anycast", "fd00:5::"))
    with pytest.raises(InvalidAddress):
        make(local, request(local, "scoped", "fd00:5::7%eth0"))


def test_a_network_may_have_further_subnets_and_there_may_be_further_networks(tmp_path: pathlib.Path) -> None:
    more = {"further_subnets": ["2001:2::/64", "198.18.16.0/24"], "further_networks": ["198.18.32.0/24"]}
    local = network(tmp_path, **more)
    names = ["private-subnet", "private-subnet-2", "private-subnet-3", "private-2-subnet"]
    assert [subnet.name for subnet in local.subnets()] == names
    assert [(each.name, len(each.subnet_ids)) for each in local.networks()] == [("private", 3), ("private-2", 1)]
    one, six, *_, other = local.subnets()
    assert one.network_id == six.network_id != other.network_id
    assert local.subnets()[0] == network(tmp_path).subnets()[0], "it is the same with and without them"
    ports = local.create_ports([PortRequest("vip", each.id) for each in local.subnets()])
    assert [port.network_id for port in ports] == [each.network_id for each in local.subnets()]
    assert ipaddress.ip_address(ports[1].ip_address) in ipaddress.ip_network("2001:2::/64")
    assert sorted(local.ports(), key=lambda port: port.id) == sorted(ports, key=lambda port: port.id)
    assert local.port(ports[3].id) == ports[3]


def test_subnets_keep_their_ids_when_others_come_and_go(tmp_path: pathlib.Path) -> None:
    both = network(tmp_path, further_subnets=["2001:2::/64", "198.18.16.0/24"]).subnets()
    one = network(tmp_path, further_subnets=["198.18.16.0/24"]).subnets()
    assert both[2].id == one[1].id != both[1].id


def test_management_ports_are_not_shown_to_users(local: LocalNetwork) -> None:
    amphora = str(uuid.uuid4())
    port = local.create_management_port(amphora)
    assert local.create_management_port(amphora) == port == local.management_port(amphora)
    assert ipaddress.ip_address(port.ip_address) in ipaddress.ip_network("198.19.0.0/20")
    assert local.management_ports() == [port] and port.device_id == amphora
    assert local.ports() == [] and local.port(port.id) is None
    assert local.subnet(local.management_subnet.id) is None and local.network(local.management_network.id) is None
    local.delete_port(port.id)
    assert local.management_port(amphora) is None


def test_mac_addresses_are_unicast_and_locally_administered() -> None:
    for _ in range(200):
        mac = mac_address(str(uuid.uuid4()))
        assert int(mac[:2], 16) & 3 == 2 and len(mac) == 17


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("cidr", "tomorrow", "is not a network"),
        ("cidr", "198.18.0.0", "is not a network"),
        ("cidr", "198.18.0.0/33", "is not a network"),
        ("cidr", "", "is not a network"),
        ("cidr", "198.18.0.5/20", "host bits set; the network is 198.18.0.0/20"),
        ("cidr", "10.0.0.0/29", "has 8 addresses; give a /28 or larger"),
        ("cidr", "fd00::/126", "has 4 addresses; give a /124 or larger"),
        ("management_cidr", "127.0.0.0/16", "overlaps 127.0.0.0/8"),
        ("management_cidr", "0.0.0.0/0", "overlaps"),
        ("management_cidr", "ff02::/64", "overlaps ff00::/8"),
        ("management_cidr", "198.18.8.0/24", "overlaps cidr = 198.18.0.0/20"),
        ("management_cidr", "198.19.0.0/24", "room for 253 amphorae, and cidr = 198.18.0.0/20 for 2000"),
        ("further_subnets", "198.18.1.0/24", "overlaps cidr = 198.18.0.0/20"),
        ("further_networks", "nonsense", "is not a network"),
        ("mtu", 70000, "from 1280 to 65535"),
    ],
)
def test_an_option_that_cannot_work_is_named_with_its_value(
    tmp_path: pathlib.Path, option: str, value: object, words: str
) -> None:
    with pytest.raises(BadNetworkConfiguration, match=words) as caught:
        network(tmp_path, **{option: [value] if option.startswith("further") else value})
    assert f"[local_network] {option} = {value}" in str(caught.value)


def test_a_range_that_was_changed_under_living_ports_is_refused(tmp_path: pathlib.Path) -> None:
    port = make(network(tmp_path), PortRequest("vip", network(tmp_path).subnets()[0].id))
    network(tmp_path).check_ports()
    with pytest.raises(BadNetworkConfiguration, match=port.ip_address):
        network(tmp_path, cidr="10.9.8.0/24").check_ports()
