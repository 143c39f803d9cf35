"""What is made of an agent that does not answer yet."""

import socket
import types

import pytest

from lictor.amphora.client import AgentAbsent
from lictor.control import boot
from lictor.model import Amphora


@pytest.fixture
def task():
    """As much of a task as is looked at."""
    options = types.SimpleNamespace(amp_active_wait_sec=10)
    limits = types.SimpleNamespace(connection_timeout=300.0)
    conf = types.SimpleNamespace(controller_worker=options, haproxy_amphora=limits)
    return types.SimpleNamespace(tools=types.SimpleNamespace(conf=conf), said={"a": "Its server s is in BUILD. "})


AMPHORA = Amphora(id="a", lb_network_ip="192.0.2.1")
ABSENT = AgentAbsent("It cannot be talked with.")


@pytest.mark.parametrize(
    ("age", "pause", "slow"), [(1.0, 1.0, False), (20.0, 5.0, True), (100.0, 10.0, True), (299.0, 1.0, True)]
)
def test_looks_become_seldom_and_users_are_told_when_it_takes_long(task, age, pause, slow):
    found = boot.judged(task, AMPHORA, age, ABSENT)
    assert isinstance(found, boot.StillBooting)
    assert (found.addresses, found.pause, found.slow) == (("192.0.2.1",), pause, slow)
    assert "Its server s is in BUILD." in str(found)


def test_after_its_time_it_is_a_failure(task):
    found = boot.judged(task, AMPHORA, 300.0, ABSENT)
    assert isinstance(found, boot.NeverAnswered)
    assert "has not answered within 300 s of its start. Its server s is in BUILD. It cannot be talked with." in str(
        found
    )


def test_of_two_that_boot_both_are_awaited_and_the_sooner_look_counts(task):
    other = Amphora(id="b", lb_network_ip="192.0.2.2")
    both = boot.StillBooting.together(boot.judged(task, each, age, ABSENT) for each, age in ((AMPHORA, 40), (other, 2)))
    assert (both.addresses, both.pause, both.slow) == (("192.0.2.1", "192.0.2.2"), 1.0, True)
    assert "Amphora a" in str(both) and "Amphora b" in str(both)


def test_only_those_answer_who_accept_a_connection():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert boot.answering(["127.0.0.1", "127.0.0.2", "::1"], port, 0.5) == ["127.0.0.1"]
    assert boot.answering(["127.0.0.1"], port, 0.2) == []
    assert boot.answering([], port, 0.2) == []
