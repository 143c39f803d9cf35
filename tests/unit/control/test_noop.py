"""The loop where nothing runs: load balancers settle, and amphorae are rows."""

import pytest
from sqlalchemy import select

from lictor import config
from lictor.amphora.client import AgentClient
from lictor.amphora.pki import Authority
from lictor.control import settle
from lictor.control.converge import converge
from lictor.control.task import Task, Tools
from lictor.control.vault import Vault
from lictor.drivers.compute.noop import NoopCompute
from lictor.drivers.network.noop import NoopNetwork
from lictor.drivers.secrets.noop import NoopSecrets
from lictor.model import Amphora, Listener, LoadBalancer, Member, Pool
from lictor.model.changes import begin

from .conftest import add_load_balancer, begin_task, row


@pytest.fixture
def conf(tmp_path):
    return config.load(lictor__state_dir=str(tmp_path), controller_worker__compute_driver="noop")


@pytest.fixture
def work(tmp_path, store, conf):
    """One pass of the loop over whatever needs it."""
    networking = NoopNetwork(conf, store)
    authority = Authority.open(tmp_path / "pki")
    # Nobody listens on port 1: a pass that spoke with an agent would fail.
    agents = AgentClient(authority, 1, 0.1, 0.1)
    compute, vault = NoopCompute(conf, networking), Vault(NoopSecrets(conf))
    tools = Tools(conf, store, compute, networking, authority, agents, b"secret", vault)

    def once():
        found = begin_task(store, conf)
        task = Task(tools, found.claim, found.load_balancer)
        converge(task)
        (settle.deleted if task.deleting else settle.success)(task)

    return once


def add(store, **values):
    add_load_balancer(store, members=1)

    def complete(session):
        for amphora in session.scalars(select(Amphora)):
            session.delete(amphora)
        load_balancer = session.get(LoadBalancer, "lb")
        load_balancer.vip_subnet_id, load_balancer.vip_network_id = "subnet", "network"
        load_balancer.vip_address, load_balancer.vip_port_id = "198.18.0.9", "port"
        for name, value in values.items():
            setattr(load_balancer, name, value)

    store.write(complete)


def amphorae(store):
    with store.read() as session:
        return list(session.scalars(select(Amphora).order_by(Amphora.role)))


def test_a_load_balancer_becomes_active_without_an_agent(store, work):
    add(store)
    work()
    for table, key in ((LoadBalancer, "lb"), (Listener, "lb-listener"), (Member, "lb-member-0")):
        found = row(store, table, key)
        assert found.provisioning_status == "ACTIVE"
        assert found.updated_at is not None
    (amphora,) = amphorae(store)
    assert (amphora.status, amphora.role) == ("ALLOCATED", "STANDALONE")
    assert (amphora.ha_ip, amphora.ha_port_id) == ("198.18.0.9", "port")
    assert amphora.compute_id and amphora.lb_network_ip and amphora.vrrp_ip and amphora.vrrp_port_id


def test_operating_statuses_stay_as_they_were_as_nobody_measures_them(store, work):
    add(store)
    measured = ((LoadBalancer, "lb"), (Listener, "lb-listener"), (Pool, "lb-pool"), (Member, "lb-member-0"))
    before = [row(store, table, key).operating_status for table, key in measured]
    work()
    assert [row(store, table, key).operating_status for table, key in measured] == before


def test_a_pair_has_two_amphorae(store, work):
    add(store, topology="ACTIVE_STANDBY")
    work()
    backup, master = amphorae(store)
    assert (backup.role, master.role) == ("BACKUP", "MASTER")
    assert backup.vrrp_priority < master.vrrp_priority
    assert backup.vrrp_ip != master.vrrp_ip
    assert {backup.status, master.status} == {"ALLOCATED"}


def test_a_second_pass_changes_no_amphora(store, work):
    add(store)
    work()
    before = amphorae(store)[0]
    store.write(lambda session: begin(session, "lb"))
    work()
    (after,) = amphorae(store)
    assert (after.id, after.updated_at) == (before.id, before.updated_at)
    assert row(store, LoadBalancer, "lb").observed_generation == 2


def test_a_deleted_load_balancer_leaves_nothing(store, work, conf):
    add(store)
    work()
    store.write(lambda session: setattr(begin(session, "lb"), "provisioning_status", "PENDING_DELETE"))
    work()
    assert row(store, LoadBalancer, "lb") is None
    assert amphorae(store) == []
    assert NoopNetwork(conf, store).ports() == []
