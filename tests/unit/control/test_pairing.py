"""Whom of a pair a change is told first."""

import types

import pytest

from lictor.amphora.client import AgentUnreachable
from lictor.control.pairing import in_order
from lictor.model import Amphora
from lictor.wire import Report


class Agents:
    """Answers for those of whom it is known whether they stand by; ``asked`` are the ids that it was asked about."""

    def __init__(self, **standby):
        self._standby, self.asked = standby, []

    def report(self, _address, amphora_id):
        self.asked.append(amphora_id)
        if amphora_id not in self._standby:
            raise AgentUnreachable(f"{amphora_id} does not answer")
        return Report(amphora_id=amphora_id, boot_id="b", standby=self._standby[amphora_id])


def told(agents, **statuses):
    """The order in which amphorae "master" and "backup" with these statuses are told."""
    found = [Amphora(id=role, role=role.upper(), status=status) for role, status in statuses.items()]
    task = types.SimpleNamespace(tools=types.SimpleNamespace(agents=agents))
    return [each.id for each in in_order(task, found)]


@pytest.mark.parametrize(
    ("standby", "order"),
    [
        ({"master": False, "backup": True}, ["backup", "master"]),
        ({"master": True, "backup": False}, ["master", "backup"]),
        ({"master": False}, ["master", "backup"]),
        ({"backup": True}, ["backup", "master"]),
        ({}, ["master", "backup"]),
    ],
)
def test_the_one_that_stands_by_is_told_first_and_one_answer_says_who_it_is(standby, order):
    agents = Agents(**standby)
    assert told(agents, master="ALLOCATED", backup="ALLOCATED") == order
    assert agents.asked == ["backup"]


@pytest.mark.parametrize("new", ["master", "backup"])
def test_one_that_has_just_booted_is_told_last_and_nobody_is_asked(new):
    agents = Agents()
    statuses = {"master": "ALLOCATED", "backup": "ALLOCATED"} | {new: "BOOTING"}
    assert told(agents, **statuses)[-1] == new
    assert told(agents, master="BOOTING", backup="BOOTING") == ["master", "backup"]
    assert told(agents, master="ALLOCATED") == ["master"]
    assert agents.asked == []
