"""Condemned amphorae: another one first, then they go; and never more of them than that."""

import datetime

import pytest
from sqlalchemy import select, update

from lictor import config
from lictor.amphora.client import AgentClient, AgentUnreachable
from lictor.amphora.pki import Authority
from lictor.control import provision, settle
from lictor.control.converge import CONVERGE
from lictor.control.lease import LeaseLostError
from lictor.control.task import Task, Tools
from lictor.control.upkeep.housekeeping import Housekeeper
from lictor.control.vault import Vault
from lictor.drivers.compute.noop import NoopCompute
from lictor.drivers.network.base import PortRequest
from lictor.drivers.network.local import LocalNetwork
from lictor.drivers.secrets.noop import NoopSecrets
from lictor.model import Amphora, AmphoraHealth, Event, LoadBalancer, Replacement, changes, history, now, replacement

from .conftest import add_load_balancer, begin_task


class Silent(NoopCompute):
    """Instances without an agent behind their address, which yet should have one."""

    has_agents = True


class Loop:
    """Passes of the loop over one load balancer on the embedded network, with agents that must be spoken for."""

    def __init__(self, store, tmp_path, **overrides):
        self.store = store
        self.conf = config.load(lictor__state_dir=str(tmp_path), **overrides)
        self.networking = LocalNetwork(self.conf, store)
        authority = Authority.open(tmp_path / "pki")
        agents = AgentClient(authority, 1, 0.1, 0.1)
        compute = Silent(self.conf, self.networking)
        self.tools = Tools(
            self.conf, store, compute, self.networking, authority, agents, b"secret", Vault(NoopSecrets(self.conf))
        )
        add_load_balancer(store)
        self.change(Amphora, id="first")
        subnet = self.networking.subnets()[0]
        self.change(LoadBalancer, vip_subnet_id=subnet.id, vip_network_id=subnet.network_id, vip_address="198.18.0.9")
        self.steps("amphora_rows", "ports", "instances")
        self.served()

    def change(self, table, **values):
        self.store.write(lambda session: session.execute(update(table).values(**values)))

    def task(self):
        """Claim the load balancer for one pass."""
        self.store.write(lambda session: changes.begin(session, "lb"))
        self.change(LoadBalancer, lease_expires_ms=0)
        found = begin_task(self.store, self.conf)
        return Task(self.tools, found.claim, found.load_balancer)

    def steps(self, *names, task=None):
        """Take these steps of a pass."""
        task = task or self.task()
        for step in [step for step in CONVERGE if step.__name__ in names]:
            step(task)
        return task

    def amphorae(self):
        with self.store.read() as session:
            return list(session.scalars(select(Amphora).order_by(Amphora.created_at)))

    def served(self):
        """Write down what ``deliver`` does when agents have answered."""

        def transaction(session):
            for amphora in session.scalars(select(Amphora)):
                amphora.status = "ALLOCATED"
                session.merge(AmphoraHealth(amphora_id=amphora.id, boot_id="boot"))

        self.store.write(transaction)

    def ports(self):
        return {port.name for port in self.networking.ports()}


@pytest.fixture
def loop(store, tmp_path):
    return Loop(store, tmp_path)


def test_another_amphora_with_a_port_of_its_own_comes_before_the_condemned_one_goes(loop):
    loop.change(Amphora, condemned=True)
    task = loop.steps("amphora_rows", "ports", "instances")
    first, second = loop.amphorae()
    assert (first.id, first.status, second.status) == ("first", "ALLOCATED", "BOOTING")
    assert first.role == second.role
    assert loop.ports() == {f"octavia-lb-vrrp-{each.id}" for each in (first, second)}
    loop.served()
    loop.steps("leftovers", task=task)
    assert [each.id for each in loop.amphorae()] == [second.id]
    assert loop.ports() == {f"octavia-lb-vrrp-{second.id}"}
    with loop.store.read() as session:
        assert session.get(AmphoraHealth, "first") is None
        assert "amphora_replaced" in session.scalars(select(Event.kind)).all()


def test_what_is_condemned_during_a_pass_is_not_left_without_another_one(loop):
    task = loop.task()
    loop.change(Amphora, condemned=True)
    loop.steps("amphora_rows", "ports", "instances", "leftovers", task=task)
    assert [each.id for each in loop.amphorae()] == ["first"]
    loop.steps("amphora_rows")
    assert len(loop.amphorae()) == 2


def test_a_replacement_that_never_served_goes_at_once_however_often_that_fails(loop):
    for _ in range(5):
        loop.change(Amphora, condemned=True)
        loop.steps("amphora_rows", "ports", "instances")
        first, second = loop.amphorae()
        assert (first.id, first.condemned, second.condemned) == ("first", True, False)
        assert len(loop.ports()) == 2


def test_with_no_address_left_the_condemned_one_makes_room(store, tmp_path):
    loop = Loop(store, tmp_path, local_network__cidr="198.18.0.0/28")
    subnet = loop.networking.subnets()[0]
    left = loop.networking.free_addresses(subnet.id)
    loop.networking.create_ports([PortRequest(f"other-{number}", subnet.id) for number in range(left)])
    loop.change(Amphora, condemned=True)
    loop.steps("amphora_rows", "ports")
    (second,) = loop.amphorae()
    assert second.id != "first"
    assert second.vrrp_port_id
    assert loop.networking.free_addresses(subnet.id) == 0


def test_an_amphora_that_is_given_up_is_in_error_until_it_is_replaced(loop):
    loop.conf.set_override("error_after", 1, group="controller_worker")
    loop.change(AmphoraHealth, silent_since_ms=1)
    settle.failure(loop.task(), AgentUnreachable("no answer"), "no answer")
    (first,) = loop.amphorae()
    assert (first.status, first.condemned) == ("ERROR", True)


def test_what_is_to_go_and_breaks_meanwhile_goes_before_what_is_well(loop):
    def condemn(by):
        return loop.store.write(lambda session: replacement.condemn(session, "lb", by, "It is.", "first"))

    assert [condemn(replacement.OPERATOR), condemn(replacement.OPERATOR)] == [["first"], []]
    assert loop.amphorae()[0].status == "ALLOCATED"
    assert [condemn(replacement.SILENCE), condemn(replacement.SILENCE)] == [["first"], []]
    (first,) = loop.amphorae()
    assert (first.status, first.condemned_by) == ("ERROR", "silence")


@pytest.mark.parametrize("condemned", [False, True], ids=["and stays", "and is condemned itself"])
def test_one_whose_successor_took_its_place_never_serves_again_whatever_the_budget_says(loop, condemned):
    loop.change(Amphora, condemned=True)
    loop.steps("amphora_rows", "ports", "instances")
    loop.served()  # and then the pass ends early, before the first one is removed
    _, second = loop.amphorae()
    loop.store.write(
        lambda session: session.execute(update(Amphora).where(Amphora.id == second.id).values(condemned=condemned))
    )
    loop.store.write(lambda session: replacement.give_back(session, "lb"))
    spent = Replacement(load_balancer_id="other", amphora_id="other", reason="silence", started_ms=2**50)
    loop.store.write(lambda session: session.add(spent))
    loop.conf.set_override("replacements_per_minute", 1, group="controller_worker")
    task = loop.steps("amphora_rows")
    assert task.turnover.replacing == {"first"}
    assert [each.id for each in provision.serving(task)] == [second.id]


def test_an_amphora_that_does_not_answer_but_is_not_missed_is_kept(loop):
    loop.conf.set_override("error_after", 1, group="controller_worker")
    settle.failure(loop.task(), AgentUnreachable("no answer"), "no answer")
    (first,) = loop.amphorae()
    assert (first.status, first.condemned) == ("ALLOCATED", False)


def test_events_of_what_is_gone_are_kept_for_a_week_and_those_of_what_is_there_for_ever(loop):
    old = now() - datetime.timedelta(days=8)

    def write(session):
        there = session.get(LoadBalancer, "lb")
        for balancer in (there, LoadBalancer(id="gone", project_id="p", generation=1)):
            history.record(session, balancer, "old", "It was long ago.")
        session.flush()
        session.execute(update(Event).values(created_at=old))
        history.record(session, LoadBalancer(id="gone", project_id="p", generation=1), "new", "It is not.")

    loop.store.write(write)
    Housekeeper(loop.conf, loop.store, loop.tools.compute, loop.networking).forget()
    with loop.store.read() as session:
        left = set(
            session.execute(select(Event.load_balancer_id, Event.kind).where(Event.kind.in_(["old", "new"]))).all()
        )
    assert left == {("lb", "old"), ("gone", "new")}


def test_of_two_with_one_role_the_one_that_serves_stays(loop):
    loop.store.write(lambda session: session.add(Amphora(id="other", load_balancer_id="lb", role="STANDALONE")))
    loop.steps("amphora_rows")
    first, other = loop.amphorae()
    assert (first.condemned, other.condemned, other.condemned_by) == (False, True, "surplus")


def test_a_worker_that_lost_its_lease_adds_no_amphora(loop):
    task = loop.task()
    loop.change(LoadBalancer, lease_owner="another")
    loop.store.write(lambda session: session.execute(update(Amphora).values(role="NONE")))
    with pytest.raises(LeaseLostError):
        loop.steps("amphora_rows", task=task)
    assert len(loop.amphorae()) == 1
