"""Certificates of agents: who is due, what is written down, and authorities that change without anybody locked out."""

import datetime

import pytest
from sqlalchemy import select, update

from lictor import config
from lictor.amphora.client import AgentExpired, AgentUnreachable
from lictor.amphora.pki import Authority
from lictor.control import certificates, settle
from lictor.control.task import Task, Tools
from lictor.control.upkeep import rotation
from lictor.control.upkeep.rotation import Rotation
from lictor.drivers.compute.noop import NoopCompute
from lictor.drivers.network.noop import NoopNetwork
from lictor.model import Amphora, Event, LoadBalancer, new_id, now

from .conftest import add_load_balancer, begin_task, row

DAY = datetime.timedelta(days=1)
AMPHORA = "lb-amphora"


class WithAgents(NoopCompute):
    """Instances that should have an agent."""

    has_agents = True


class Agents:
    """The other end of the wire, as far as it can be seen: the papers that arrived, or why they did not."""

    def __init__(self):
        self.taken, self.trouble = {}, None

    def renew(self, _address, papers):
        if self.trouble:
            raise self.trouble
        self.taken[papers.amphora_id] = papers


class Deployment:
    def __init__(self, store, conf, directory):
        self.store, self.conf, self.woken = store, conf, []
        self.authority = Authority.open(directory / "pki")
        self.agents = Agents()
        compute = WithAgents(conf, NoopNetwork(conf, store))
        self.tools = Tools(conf, store, compute, compute, self.authority, self.agents, b"secret", None)

    def rotation(self, alone=False):
        Rotation(self.conf, self.store, self.authority, lambda: self.woken.append(1), alone).turn()

    def task(self):
        found = begin_task(self.store, self.conf)
        return Task(self.tools, found.claim, found.load_balancer)

    def renew(self):
        """One pass, as far as certificates go."""
        task = self.task()
        certificates.renew(task)
        settle.success(task)

    def amphora(self, **values):
        self.store.write(lambda session: session.execute(update(Amphora).values(**values)))

    def at_rest(self, **values):
        """The load balancer is settled, and its amphora serves with papers of now."""
        self.store.write(lambda session: session.execute(update(LoadBalancer).values(observed_generation=1)))
        defaults = {"status": "ALLOCATED", "lb_network_ip": "192.0.2.9", "papers": self.authority.ring.papers}
        self.amphora(**(defaults | {"cert_expiration": now() + 29 * DAY} | values))

    def asked(self):
        self.rotation()
        return row(self.store, LoadBalancer, "lb").observed_generation == 0

    def events(self):
        with self.store.read() as session:
            return [kind for kind in session.scalars(select(Event.kind)) if kind.startswith("certificate")]


@pytest.fixture
def conf(tmp_path):
    return config.load(lictor__state_dir=str(tmp_path), controller_worker__compute_driver="noop")


@pytest.fixture
def deployment(store, conf, tmp_path, load_balancer):
    made = Deployment(store, conf, tmp_path)
    made.at_rest()
    return made


def test_a_certificate_in_its_first_half_is_left_alone(deployment):
    deployment.amphora(cert_expiration=now() + 16 * DAY)
    assert not deployment.asked()
    assert deployment.woken == []


def test_at_two_thirds_of_its_life_every_certificate_is_due(deployment):
    deployment.amphora(cert_expiration=now() + 10 * DAY - datetime.timedelta(minutes=1))
    assert deployment.asked()
    assert deployment.woken == [1]


@pytest.mark.parametrize("values", [{"cert_busy": True}, {"cert_expiration": None}, {"papers": "of:another"}])
def test_where_it_is_not_known_which_certificate_there_is_another_is_given(deployment, values):
    deployment.amphora(**values)
    assert deployment.asked()
    deployment.renew()
    amphora = row(deployment.store, Amphora, AMPHORA)
    assert (amphora.cert_busy, amphora.papers) == (False, deployment.authority.ring.papers)
    assert amphora.cert_expiration - now() > 29 * DAY
    assert deployment.agents.taken[AMPHORA].epoch > 0
    assert deployment.events() == ["certificate_rotated"]
    assert row(deployment.store, LoadBalancer, "lb").provisioning_status == "ACTIVE"
    assert not deployment.asked(), "once is enough"


@pytest.mark.parametrize("values", [{"status": "BOOTING"}, {"condemned": True}])
def test_what_does_not_serve_yet_or_is_to_go_gets_none(deployment, values):
    deployment.amphora(cert_expiration=now(), **values)
    assert not deployment.asked()


def test_rows_of_an_earlier_release_are_of_the_only_authority_there_was(deployment):
    deployment.amphora(papers=None)
    assert not deployment.asked()


def test_what_was_made_in_one_minute_is_not_due_in_one(deployment):
    ring, made = deployment.authority.ring, now()
    fleet = [Amphora(id=new_id(), status="ALLOCATED", papers=ring.papers, cert_expiration=made) for _ in range(1000)]

    def share(hours):
        moment = made - 12.5 * DAY + datetime.timedelta(hours=hours)
        return sum(certificates.due(each, ring, deployment.conf, moment) for each in fleet)

    assert share(0) <= 1 and share(60) == 1000
    assert all(130 < share(hours + 12) - share(hours) < 270 for hours in range(0, 60, 12))


def test_a_buffer_longer_than_the_life_does_not_renew_over_and_over(deployment):
    deployment.conf.set_override("cert_expiry_buffer", 90 * 86400, group="house_keeping")
    deployment.amphora(cert_expiration=now() + 30 * DAY)
    assert not deployment.asked()


def test_a_certificate_that_cannot_be_renewed_stays_and_users_are_told_once_when_its_end_is_near(deployment):
    deployment.agents.trouble = AgentUnreachable("It does not answer.")
    deployment.amphora(cert_expiration=now() + 9 * DAY)
    assert deployment.asked()
    deployment.renew()
    assert deployment.events() == []
    deployment.amphora(cert_expiration=now() + 7 * DAY)
    for _ in range(3):
        assert deployment.asked()
        deployment.renew()
    assert deployment.events() == ["certificate_expiring"]
    assert row(deployment.store, LoadBalancer, "lb").provisioning_status == "ACTIVE", "it serves"
    assert row(deployment.store, Amphora, AMPHORA).cert_busy


def test_a_worker_that_lost_its_lease_writes_nothing_down(deployment):
    deployment.amphora(cert_busy=True)
    deployment.asked()
    task = deployment.task()
    deployment.store.write(lambda session: session.execute(update(LoadBalancer).values(lease_owner="another")))
    certificates.renew(task)
    assert row(deployment.store, Amphora, AMPHORA).cert_busy
    assert deployment.events() == []


def test_an_agent_whose_certificate_has_run_out_is_replaced(deployment):
    deployment.amphora(cert_expiration=now() - DAY)
    deployment.asked()
    settle.failure(deployment.task(), AgentExpired("It has expired."), "It has expired.")
    amphora = row(deployment.store, Amphora, AMPHORA)
    assert (amphora.condemned, amphora.condemned_by) == (True, "certificate")
    assert "has run out" in amphora.condemned_why
    deployment.task()  # at once


def test_nobody_is_replaced_because_somebody_else_shows_an_old_certificate_or_because_he_is_away(deployment):
    deployment.amphora(cert_busy=True)
    deployment.asked()
    settle.failure(deployment.task(), AgentExpired("It has expired."), "It has expired.")
    deployment.store.write(lambda session: session.execute(update(LoadBalancer).values(retry_at_ms=0)))
    deployment.amphora(cert_expiration=now() - DAY)
    settle.failure(deployment.task(), AgentUnreachable("It is away."), "It is away.")
    assert not row(deployment.store, Amphora, AMPHORA).condemned


# --- authorities


def test_authorities_change_in_steps_and_each_waits_for_every_amphora(deployment):
    authority, old = deployment.authority, deployment.authority.ring
    assert not rotation.advance(deployment.store, authority), "nobody asked for it"
    assert authority.replace(old, old.next())
    stages = []
    for _ in range(3):
        stages.append(authority.ring.stage)
        papers = row(deployment.store, Amphora, AMPHORA).papers
        assert papers != authority.ring.papers
        if authority.ring.stage != "settled":
            assert not rotation.advance(deployment.store, authority), "an amphora stands in the way"
        assert deployment.asked()
        deployment.renew()
        assert row(deployment.store, Amphora, AMPHORA).papers == authority.ring.papers
        deployment.rotation(alone=True)
    assert stages == ["announced", "moving", "settled"]
    new = authority.ring
    assert new.stage == "settled" and old.names[0] not in new.names
    assert deployment.agents.taken[AMPHORA].client_ca.count("BEGIN CERTIFICATE") == 1


def test_an_amphora_that_is_being_made_holds_the_next_step_up(deployment):
    authority = deployment.authority
    authority.replace(authority.ring, authority.ring.next())
    deployment.amphora(papers=authority.ring.papers)
    deployment.store.write(lambda session: session.add(Amphora(id="new", load_balancer_id="lb")))
    assert rotation.waiting(deployment.store, authority.ring) == ["new"]
    assert not rotation.advance(deployment.store, authority)


def test_a_process_that_sees_a_step_late_does_not_take_back_what_others_did(deployment):
    authority = deployment.authority
    announced = authority.ring.next()
    moving = announced.next()
    settled = moving.next()
    assert announced.accepts(moving.papers)
    assert moving.accepts(settled.papers)
    assert not moving.accepts(announced.papers)
    assert not settled.accepts(moving.papers)


# --- for metrics


def test_the_soonest_end_and_those_below_a_threshold_are_told(deployment):
    add_load_balancer(deployment.store, "other")
    with deployment.store.read() as session:
        found = rotation.expiries(session, 86400)
        assert abs(found.soonest - 29 * 86400) < 60 and found.below == {}
    deployment.store.write(
        lambda s: s.execute(
            update(Amphora).where(Amphora.id == AMPHORA).values(cert_expiration=now() - datetime.timedelta(hours=1))
        )
    )
    with deployment.store.read() as session:
        found = rotation.expiries(session, 86400)
    assert abs(found.soonest + 3600) < 60
    assert set(found.below) == {AMPHORA}
