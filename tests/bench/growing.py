"""How many load balancers become ACTIVE a second, by how many workers there are, and what keeps it from being more."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import func, select

from lictor.model import LoadBalancer
from tests.bench.converging import lists
from tests.bench.endpoint import LOAD_BALANCERS, OWN_PROJECT, tree
from tests.bench.processes import eventually
from tests.bench.spending import Counters, Spending

MEMBERS = 10
CLIENTS = 4
LONGEST = 240

HEADINGS = [
    "", "a second", "own CPU ms each", "database CPU ms each", "commits each", "row locks ms each", "processes %",
    "database %", "others %", "nobody %", "limit",
]  # fmt: skip


def asked_for(plane, count):
    """So many load balancers are asked for while no worker is there."""
    with plane.house("api") as api, ThreadPoolExecutor(CLIENTS) as clients:
        eventually(lambda: lists(plane), LONGEST, "an answer")
        spent, counted = Spending(processes=api, database=plane.server), Counters(plane)
        list(clients.map(lambda _: plane.endpoint.call("POST", LOAD_BALANCERS, tree(MEMBERS)), range(count)))
        return _row(f"API: POST, {CLIENTS} clients", count, spent.stop(), counted)


def to_active(plane, workers):
    """So many workers set up what was asked for."""
    count = _waiting(plane)
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(plane.house("worker", wait=False)) for _ in range(workers)]
        # Until they are up they cost more than they do.
        eventually(lambda: _waiting(plane) < count, 120, "the first one")
        spent, counted, left = Spending(processes=processes, database=plane.server), Counters(plane), _waiting(plane)
        eventually(lambda: _waiting(plane) == 0, LONGEST, "the last one")
        return _row(f"{workers} worker{'s' if workers > 1 else ''}: until ACTIVE", left, spent.stop(), counted)


def _row(what, count, spent, counted):
    each = [spent.each(name, count) for name in ("processes", "database")]
    shares = [spent.share[name] for name in ("processes", "database", "others", "nobody")]
    return [what, count / spent.wall, *each, *counted.each(count), *shares, spent.limit()]


def _waiting(plane):
    mine = LoadBalancer.project_id == OWN_PROJECT, LoadBalancer.provisioning_status != "ACTIVE"
    with plane.store.look() as connection:
        return connection.execute(select(func.count()).select_from(LoadBalancer).where(*mine)).scalar()
