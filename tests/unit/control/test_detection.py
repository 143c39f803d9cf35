"""Who is found bad without anybody asking: instances that are gone, and amphorae whose HAProxy fails over and over."""

import pytest

from lictor.control.health import failing
from lictor.control.upkeep.census import Census
from lictor.drivers.compute.noop import NoopCompute
from lictor.model import Amphora, AmphoraHealth, LoadBalancer

from .conftest import add_load_balancer, row
from .test_beats import beat, write


class Some(NoopCompute):
    """Only some instances are there; of those, some do not run."""

    def __init__(self, there):
        self.there = there

    def instances(self):
        found = [(self.find(amphora_id), running) for amphora_id, running in self.there.items()]
        return [type(instance)(instance.amphora_id, "", "", running) for instance, running in found]


@pytest.fixture
def fleet(store):
    for name in ("runs", "gone", "stopped", "booting"):
        add_load_balancer(store, name)

    def settled(session):
        for name in ("runs", "gone", "stopped", "booting"):
            session.get(LoadBalancer, name).observed_generation = 1
            session.get(Amphora, f"{name}-amphora").status = "BOOTING" if name == "booting" else "ALLOCATED"

    store.write(settled)


def unsettled(store):
    names = ("runs", "gone", "stopped", "booting")
    return [name for name in names if row(store, LoadBalancer, name).observed_generation == 0]


def test_the_loop_looks_where_an_instance_is_gone_or_does_not_run(store, conf, fleet):
    wakes = []
    compute = Some({"runs-amphora": True, "stopped-amphora": False, "nobody's": True})
    Census(conf, store, compute, lambda: wakes.append(1)).turn()
    assert unsettled(store) == ["gone", "stopped"]
    assert wakes == [1]
    assert not row(store, Amphora, "gone-amphora").condemned, "that is for the loop to say, which looks itself"


def test_where_all_run_nobody_is_disturbed(store, conf, fleet):
    compute = Some({f"{name}-amphora": True for name in ("runs", "gone", "stopped")})
    Census(conf, store, compute, lambda: pytest.fail("woken")).turn()
    assert unsettled(store) == []


@pytest.fixture
def health(store, load_balancer):
    store.write(lambda session: session.add(AmphoraHealth(amphora_id="lb-amphora", boot_id="boot", digest="d")))


def condemned(store, *beats):
    return store.write(lambda session: failing.condemn(session, beats))


def test_an_amphora_whose_haproxy_fails_over_and_over_is_condemned_once(store, health):
    sick = beat(3, haproxy_failures=5)
    write(store, sick)
    assert condemned(store, sick) == {"lb"}
    amphora = row(store, Amphora, "lb-amphora")
    assert (amphora.condemned, amphora.status, amphora.condemned_by) == (True, "ERROR", "haproxy")
    assert amphora.condemned_why == "Its HAProxy failed 5 times within a minute."
    assert condemned(store, sick) == set()


def test_an_old_complaint_that_is_played_back_condemns_nobody(store, health):
    write(store, beat(3, haproxy_failures=5), beat(4))
    assert condemned(store, beat(3, haproxy_failures=5)) == set()
    assert condemned(store, beat(9, boot="another", haproxy_failures=5)) == set()
    assert not row(store, Amphora, "lb-amphora").condemned
