"""Housekeeping: what nobody owns goes after a grace, what anybody owns stays, however many look at once."""

import datetime
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from lictor import config
from lictor.control import lease
from lictor.control.upkeep.housekeeping import DEAD_MS, Housekeeper
from lictor.drivers.compute.noop import NoopCompute
from lictor.drivers.network.base import PortRequest, amphora_port, vip_port
from lictor.drivers.network.noop import NoopNetwork
from lictor.model import Event, ListenerStatistics, LoadBalancer, LocalPort, now
from lictor.model.clock import clock_ms

from .conftest import add_load_balancer, row


@pytest.fixture
def conf(tmp_path):
    return config.load(lictor__state_dir=str(tmp_path), house_keeping__orphan_expiry_age=0.0)


@pytest.fixture
def network(conf, store):
    return NoopNetwork(conf, store)


@pytest.fixture
def keepers(conf, store, network):
    """Two of them, as if of two processes."""
    return [Housekeeper(conf, store, NoopCompute(conf, network), network) for _ in range(2)]


SUBNET = "00000004-0000-4000-8000-000000000001"


def make(network, *requests):
    return [port.id for port in network.create_ports(requests)]


def ports(store):
    with store.read() as session:
        return set(session.scalars(select(LocalPort.id)))


def test_ports_of_nobody_go_and_those_of_load_balancers_amphorae_and_users_stay(store, network, keepers):
    add_load_balancer(store)
    vip, lost_vip, amphora, lost_amphora, theirs = make(
        network,
        vip_port("lb", SUBNET, "p"),
        vip_port("gone", SUBNET, "p"),
        amphora_port("lb-amphora", SUBNET, "p"),  # made a moment ago: no row has its id yet
        amphora_port("no-amphora", SUBNET, "p"),
        PortRequest(name="octavia-lb-is-what-i-call-it", subnet_id=SUBNET, device_owner="compute:nova"),
    )
    store.write(lambda session: setattr(session.get(LoadBalancer, "lb"), "vip_port_id", vip))
    keepers[0].collect()
    assert ports(store) == {vip, amphora, theirs}
    assert not {lost_vip, lost_amphora} & ports(store)


def test_what_is_young_is_left_alone(store, network, conf):
    conf.set_override("orphan_expiry_age", 3600.0, group="house_keeping")
    keeper = Housekeeper(conf, store, NoopCompute(conf, network), network)
    made = make(network, vip_port("coming", SUBNET, "p"))
    keeper.collect()
    keeper.collect()
    assert ports(store) == set(made)


def test_two_at_once_remove_the_same_things_and_neither_fails(store, network, keepers):
    make(network, *(vip_port(f"gone-{n}", SUBNET, "p") for n in range(20)))
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda keeper: keeper.turn(), keepers * 2))
    assert ports(store) == set()


def test_rows_of_no_use_go_and_others_stay(store, keepers, conf):
    add_load_balancer(store)
    old = now() - datetime.timedelta(seconds=conf.house_keeping.load_balancer_expiry_age + 60)

    def fill(session):
        for owner in ("lb", "gone"):
            event = {"project_id": "p", "generation": 1, "kind": "x", "message": "x", "created_at": old}
            session.add(Event(load_balancer_id=owner, **event))
            session.add(ListenerStatistics(listener_id=f"{owner}-l", amphora_id="a", load_balancer_id=owner))

    store.write(fill)
    keepers[0].forget()
    with store.read() as session:
        assert session.scalars(select(Event.load_balancer_id)).all() == ["lb"]
        assert session.scalars(select(ListenerStatistics.load_balancer_id)).all() == ["lb"]
        assert session.scalar(select(func.count()).select_from(LoadBalancer)) == 1


def test_a_dead_worker_is_forgotten_and_one_that_may_live_is_not(store, keepers):
    add_load_balancer(store)
    held = lease.claim(store, "worker", 15.0)
    keepers[0].forget()
    assert row(store, LoadBalancer, "lb").lease_owner == "worker"
    ended = {"lease_expires_ms": clock_ms() - DEAD_MS - 1}
    assert lease._update(store, held, **ended)
    keepers[0].forget()
    assert row(store, LoadBalancer, "lb").lease_owner is None
