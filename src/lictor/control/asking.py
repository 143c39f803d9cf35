"""Having the loop look at many load balancers, in transactions that hold few rows at a time."""

import functools
from collections.abc import Callable, Collection

from sqlalchemy.orm import Session

from lictor.model import changes
from lictor.model.store import Store

BATCH = 500
"""Load balancers in one transaction."""


def ask(store: Store, load_balancer_ids: Collection[str], how: Callable[..., None], batch: int = BATCH) -> None:
    """Call ``how`` with a session and ``load_balancer_ids``, some of them at a time, in the order of their ids."""
    ordered = sorted(load_balancer_ids)
    for start in range(0, len(ordered), batch):
        store.write(functools.partial(how, load_balancer_ids=ordered[start : start + batch]))


def again(session: Session, load_balancer_ids: Collection[str]) -> None:
    """``changes.ask_again`` for each."""
    for load_balancer_id in load_balancer_ids:
        changes.ask_again(session, load_balancer_id)
