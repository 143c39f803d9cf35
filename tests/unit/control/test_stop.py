"""A worker that is told to stop finishes what it is at, for so long; what takes longer is somebody else's then."""

import threading

import pytest

from lictor.model import LoadBalancer
from tests.lab.deployment import eventually
from tests.unit.control.conftest import row
from tests.unit.control.test_budget import Fleet


@pytest.fixture
def fleet(store, tmp_path):
    return Fleet(store, tmp_path)


@pytest.fixture
def gate(fleet):
    """The compute driver answers no question before this is set."""
    made, ask = threading.Event(), fleet.compute.find

    def find(amphora_id):
        made.wait(30)
        return ask(amphora_id)

    fleet.compute.find = find
    yield made
    made.set()


def begun(fleet):
    """The first worker, which is in the middle of something."""
    fleet.workers[0].start()
    eventually(lambda: load_balancer(fleet).lease_owner, 20, "it is at the load balancer")
    return fleet.workers[0]


def load_balancer(fleet):
    return row(fleet.store, LoadBalancer, "lb-0")


def test_what_is_under_way_is_finished(fleet, gate):
    worker = begun(fleet)
    threading.Timer(0.3, gate.set).start()
    worker.stop(20)
    assert gate.is_set()
    assert (load_balancer(fleet).provisioning_status, load_balancer(fleet).lease_owner) == ("ACTIVE", None)


def test_what_takes_too_long_is_handed_back_and_its_end_counts_for_nothing(fleet, gate):
    worker = begun(fleet)
    worker.stop(0.2)
    assert not gate.is_set()
    assert (load_balancer(fleet).provisioning_status, load_balancer(fleet).lease_owner) == ("PENDING_CREATE", None)
    gate.set()
    for thread in threading.enumerate():
        if thread.name.startswith("worker-"):
            thread.join(20)
    assert load_balancer(fleet).provisioning_status == "PENDING_CREATE"
    fleet.workers[1].start()
    fleet.active()
    fleet.workers[1].stop()
