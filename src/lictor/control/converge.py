"""The loop's heart: what should be, what is, and the next idempotent step towards it.

Read from top to bottom. Each step observes, compares, and does what is missing; each can be cut short anywhere and
run again by another worker, because whatever it makes outside has a name that follows from a row.

    create or update:  due certificates → amphora rows → ports → who may reach them → instances → NICs → desired state
                       delivered → what is left over removed → secrets released
    delete:            instances → ports → what is shared → secrets released   (the rows go when that is settled)
"""

from typing import Protocol

from lictor import failpoints
from lictor.control import certificates, delivery, handover, protection, provision, replacement
from lictor.control.release import release_secrets
from lictor.control.task import Task
from lictor.drivers.secrets.base import SecretError


class Step(Protocol):
    """A function of this package; its name is what logs, events and fail points call it."""

    __name__: str

    def __call__(self, task: Task, /) -> None:
        """Observe, compare, do what is missing. Idempotent; raises what the outside raises."""


CONVERGE: tuple[Step, ...] = (
    certificates.renew,
    provision.amphora_rows,
    provision.ports,
    protection.protect,
    provision.instances,
    provision.nics,
    delivery.deliver,
    provision.leftovers,
    release_secrets,
)

DELETE: tuple[Step, ...] = (
    provision.delete_instances,
    provision.delete_ports,
    protection.unprotect,
    release_secrets,
)


def converge(task: Task) -> None:
    """Take every step once. Raises what a step raises; ``LeaseLostError`` as soon as another worker may be acting.

    Faults that kept no step from its work are raised in the end, as ``SecretError``; ``WaitsForBudget`` if an amphora
    could not be told what is new, because it has to be replaced first.
    """
    for step in DELETE if task.deleting else CONVERGE:
        task.claim.check()
        failpoints.reach(f"before {step.__name__}")
        step(task)
        failpoints.reach(f"after {step.__name__}")
    if task.deleting:
        return
    replacement.check(task)
    if task.faults:
        raise SecretError(" ".join(dict.fromkeys(task.faults)))


def fail_points() -> list[str]:
    """Every place of the loop at which the crash tests kill the control plane."""
    around = [f"{when} {step.__name__}" for step in CONVERGE + DELETE for when in ("before", "after")]
    return [
        "claimed",
        *around,
        *provision.BETWEEN,
        *certificates.BETWEEN,
        *handover.BETWEEN,
        *delivery.BETWEEN,
        "before settle",
        "after settle",
    ]
