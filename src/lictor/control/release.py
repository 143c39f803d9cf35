"""What a load balancer has let go of, and others wait for."""

from lictor.control.task import Task
from lictor.control.upkeep import consumers


def release_secrets(task: Task) -> None:
    """See that no secret counts this load balancer among its consumers which it uses no more: no amphora has it now."""
    consumers.release(task.tools.store, task.tools.vault.secrets, task.load_balancer.id)
