"""The drivers without a cloud: whatever is named exists, and addresses are those of a real one."""

import concurrent.futures
import ipaddress
import pathlib
import uuid

import pytest

from lictor import config
from lictor.drivers.compute.noop import NoopCompute
from lictor.drivers.network.base import AddressUnavailable, Port, PortRequest
from lictor.drivers.network.noop import NoopNetwork
from lictor.model.base import Base
from lictor.model.store import Store


def network(directory: pathlib.Path) -> NoopNetwork:
    conf = config.load(lictor__state_dir=str(directory))
    store = Store(config.database_url(conf))
    Base.metadata.create_all(store.engine)
    return NoopNetwork(conf, store)


@pytest.fixture
def noop(tmp_path: pathlib.Path) -> NoopNetwork:
    return network(tmp_path)


def any_id() -> str:
    return str(uuid.uuid4())


def make(noop: NoopNetwork, request: PortRequest) -> Port:
    return noop.create_ports([request])[0]


def test_everything_with_an_id_exists_and_nothing_else(noop: NoopNetwork) -> None:
    for look_up in (noop.network, noop.subnet, noop.port, noop.qos_policy, noop.security_group):
        one = any_id()
        found = look_up(one)
        assert found is not None and found.id == one
        assert look_up("my-subnet") is None


def test_a_subnet_is_on_whatever_network_it_is_named_with(noop: NoopNetwork) -> None:
    subnet, net = any_id(), any_id()
    found = noop.subnet(subnet)
    assert found is not None and found.is_on(net)
    port = make(noop, PortRequest("one", subnet, network_id=net))
    assert (port.network_id, port.subnet_id) == (net, subnet)
    assert make(noop, PortRequest("two", subnet)).network_id == noop.networks()[0].id


def test_a_network_has_a_subnet_of_each_family_that_gives_valid_addresses(noop: NoopNetwork) -> None:
    found = noop.network(any_id())
    assert found is not None
    four, six = found.subnet_ids
    address = make(noop, PortRequest("one", four, network_id=found.id)).ip_address
    assert ipaddress.ip_address(address) in ipaddress.ip_network("198.18.0.0/16")
    address = make(noop, PortRequest("one", six, network_id=found.id)).ip_address
    assert ipaddress.ip_address(address) in ipaddress.ip_network("2001:db8::/64")


def test_no_two_ports_of_a_subnet_have_the_same_address_also_from_several_processes(
    noop: NoopNetwork, tmp_path: pathlib.Path
) -> None:
    subnet, others = any_id(), [noop, network(tmp_path)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        made = pool.map(lambda n: make(others[n % 2], PortRequest(f"port-{n}", subnet)), range(600))
    assert len({port.ip_address for port in made}) == 600


def test_the_address_asked_for_is_granted_once(noop: NoopNetwork) -> None:
    subnet = any_id()
    for number, address in enumerate(("203.0.113.9", "2001:db8:33::1")):
        port = make(noop, PortRequest(f"port-{number}", subnet, address))
        assert port.ip_address == address
        with pytest.raises(AddressUnavailable, match=f"{address} is already taken"):
            make(noop, PortRequest("another", subnet, address))
        noop.delete_port(port.id)
        assert make(noop, PortRequest("another", subnet, address)).ip_address == address
        noop.delete_port(make(noop, PortRequest("another", subnet)).id)


def test_a_port_made_twice_is_one_and_every_process_sees_it(noop: NoopNetwork, tmp_path: pathlib.Path) -> None:
    subnet = any_id()
    port = make(noop, PortRequest("one", subnet, device_id="lb-1"))
    other = network(tmp_path)
    assert make(other, PortRequest("one", subnet)) == port == other.port(port.id)
    assert other.ports() == [port]


def test_what_is_made_up_is_made_up_alike_in_every_process(noop: NoopNetwork, tmp_path: pathlib.Path) -> None:
    other, one = network(tmp_path), any_id()
    assert noop.port(one) == other.port(one)
    assert noop.network(one) == other.network(one)
    assert noop.subnets() == other.subnets() and noop.subnets()[0].name == "private-subnet"


def test_an_amphora_is_there_as_soon_as_it_has_an_id(noop: NoopNetwork) -> None:
    compute = NoopCompute(config.load(), noop)
    one, other = compute.find(any_id()), compute.find(any_id())
    assert one is not None and other is not None and one.running
    assert str(uuid.UUID(one.compute_id)) != other.compute_id
    assert ipaddress.ip_address(one.lb_network_ip) in ipaddress.ip_network("198.19.0.0/16")
    assert compute.find(one.amphora_id) == one
