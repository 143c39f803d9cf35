"""Writing down what the loop did, in a transaction of its own."""

from lictor.control.task import Task
from lictor.model import history


def record(task: Task, kind: str, message: str, amphora_id: str | None = None) -> None:
    """Write an event: ``kind`` is a word for programs, ``message`` a sentence for users."""
    task.tools.store.write(
        lambda session: history.record(session, task.load_balancer, kind, message, amphora_id=amphora_id)
    )
