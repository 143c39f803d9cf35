"""Amphorae that have applied more than the database knows of, because it was restored from a copy.

Epochs come from one row, which only rises: an amphora that refuses ours as old, while the lease is ours, has it from
rows that are no more. The row then takes its epoch, so that the next claim is above it.
"""

import contextlib

from lictor.amphora.client import AgentError
from lictor.control.provision import amphorae
from lictor.control.task import Task

FARTHEST = 10**9
"""By how much one amphora can raise the epoch: none can use up all numbers there are."""


def newest_epoch(task: Task) -> int:
    """The highest epoch that an amphora of this load balancer has applied, or our own."""
    found = [task.claim.epoch]
    for amphora in amphorae(task):
        if amphora.lb_network_ip:
            with contextlib.suppress(AgentError):
                found.append(task.tools.agents.report(amphora.lb_network_ip, amphora.id).epoch)
    return min(max(found), task.claim.epoch + FARTHEST)
