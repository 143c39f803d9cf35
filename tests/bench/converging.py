"""What a fleet costs when all is well, and how long it takes to be so again: after many deaths, after a cold start."""

import contextlib
import dataclasses
import sys
import time

import msgspec
from sqlalchemy import func, select

from lictor.model import Amphora, AmphoraHealth, LoadBalancer
from lictor.model.clock import clock_ms
from tests.bench import fleet
from tests.bench.endpoint import LOAD_BALANCERS, OWN_PROJECT
from tests.bench.plane import HEALTH_PORT
from tests.bench.processes import eventually, resident
from tests.bench.spending import OTHERS, REST, Spending

INTERVAL = 10
SETTINGS = (
    "heartbeats every 10 s, heartbeat_timeout 30 s, silent_share 25 %, replacements_at_once 50, "
    "replacements_per_minute without limit, 2 worker processes of 4 threads"
)
PROCESSES = 2
GRACE = 32
"""Seconds until a health manager that was just started believes that somebody is silent, who is."""

LONGEST = 240
PATIENCE = 400
"""Seconds after which those that are not replaced yet are counted, and waited for no longer."""


@contextlib.contextmanager
def alive(plane, balancers):
    """All agents of the fleet, in one process; given are that, and the file that tells it who dies."""
    members, dead = plane.directory / "fleet.json", plane.directory / "dead.json"
    members.write_bytes(msgspec.json.encode(balancers))
    command = [sys.executable, "-m", "tests.bench.simulator", plane.state_dir, HEALTH_PORT, INTERVAL, members, dead]
    with plane.started(command, "up") as simulator:
        yield simulator, dead


def a_tenth_dies(plane, simulator, dead, balancers):
    """Every fifth load balancer loses one amphora of its two: what all cost before, and what became of them."""
    victims, before = [each.amphorae[number % 2] for number, each in enumerate(balancers[::5])], _amphorae(plane)
    with contextlib.ExitStack() as stack:
        health = stack.enter_context(plane.house("health"))
        fleet.refresh(plane.store)
        workers = [stack.enter_context(plane.simulated()) for _ in range(PROCESSES)]
        processes = {"health": health, "workers": workers, "database": plane.server, "agents": simulator}
        eventually(lambda: _fresh(plane, 1.5 * INTERVAL) == 2 * len(balancers), LONGEST, "a fleet that is heard")
        rest = _rest(processes)
        dead.with_suffix(".new").write_bytes(msgspec.json.encode(victims))
        dead.with_suffix(".new").rename(dead)
        began = time.monotonic()
        noticed = _until(lambda: _left(plane, AmphoraHealth.silent_since_ms == 0, victims) == 0, began, "notice")
        spent = Spending(**processes)
        while (left := _left(plane, Amphora.id.is_not(None), victims)) and _since(began) < PATIENCE:
            time.sleep(0.2)
        replacing = spent.stop()
        done = _settled(plane, began) if not left else None
    whole = _amphorae(plane)
    assert left or whole == before, f"{whole} amphorae for {before}"
    return Deaths(len(victims), left, noticed, done, rest, replacing)


@dataclasses.dataclass
class Deaths:
    """So many ``died``; ``left`` were not replaced in time. ``noticed`` and ``settled`` are seconds after that.

    ``rest`` is what each process used while all was well, MiB and per cent of a core, ``replacing`` what was used for
    the replacements.
    """

    died: int
    left: int
    noticed: float
    settled: float | None
    rest: dict
    replacing: Spending

    @property
    def replaced(self):
        return self.died - self.left

    def times(self):
        """For a table."""
        wall = self.replacing.wall
        rows = [
            ("until all are known to be silent", self.noticed),
            (f"from then on until {self.replaced} are replaced and gone", wall),
            ("replaced a second", self.replaced / wall),
        ]
        return rows if self.settled is None else [*rows, ("until every load balancer is settled", self.settled)]

    def costs(self):
        """Who used the processors meanwhile: milliseconds for each that was replaced, per cent of all cores."""
        spent = self.replacing
        own = [(name, spent.each(name, self.replaced), spent.share[name]) for name in spent.seconds]
        return [*own, *((name, "", spent.share[name]) for name in (OTHERS, REST))]


def _rest(processes):
    """The grace period of the health manager is of use: nothing happens but heartbeats."""
    spent = Spending(**processes)
    time.sleep(GRACE)
    spent.stop()
    groups = {name: each if isinstance(each, list) else [each] for name, each in processes.items()}
    return {
        name: (sum(map(resident, each)) / len(each), 100 * spent.seconds[name] / spent.wall / len(each))
        for name, each in groups.items()
    }


def _settled(plane, began):
    """Seconds from a death until nothing is left to be done; None if that takes too long."""
    while _unsettled(plane):
        if _since(began) > PATIENCE:
            return None
        time.sleep(0.2)
    return _since(began)


def _since(began):
    return time.monotonic() - began


def cold(plane):
    """Seconds from starting every process until each is of use."""
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        for name in ("api", "health"):
            stack.enter_context(plane.house(name, wait=False))
        stack.enter_context(plane.simulated(wait=False))
        answered = _until(lambda: lists(plane), began, "the API's answer")
        created = plane.endpoint.create(10)["id"]
        plane.endpoint.until_active(created)
        active = time.monotonic() - began
        everybody = _until(lambda: _fresh(plane, time.monotonic() - began) >= _beating(plane), began, "the whole fleet")
        plane.endpoint.call("DELETE", f"{LOAD_BALANCERS}/{created}?cascade=true")
        eventually(lambda: _mine(plane) == 0, LONGEST, "its end")
    return {
        "the API lists load balancers": answered,
        "a load balancer that was then asked for is ACTIVE": active,
        f"every amphora was heard (they speak every {INTERVAL} s)": everybody,
    }


def _until(there, began, what):
    eventually(there, LONGEST, what)
    return time.monotonic() - began


def _scalar(plane, query):
    with plane.store.look() as connection:
        return connection.execute(query).scalar()


def _fresh(plane, seconds):
    """How many amphorae were heard in so many seconds."""
    fresh = AmphoraHealth.last_update_ms > clock_ms() - int(1000 * seconds)
    return _scalar(plane, select(func.count()).select_from(AmphoraHealth).where(fresh))


def _beating(plane):
    return _scalar(plane, select(func.count()).select_from(AmphoraHealth).where(AmphoraHealth.digest == fleet.DIGEST))


def _left(plane, condition, victims):
    """How many of these have rows that fit."""
    joined = Amphora.__table__.join(AmphoraHealth.__table__, AmphoraHealth.amphora_id == Amphora.id)
    query = select(func.count()).select_from(joined)
    return _scalar(plane, query.where(Amphora.id.in_(victims), condition))


def _amphorae(plane):
    return _scalar(plane, select(func.count()).select_from(Amphora))


def _unsettled(plane):
    differ = LoadBalancer.generation != LoadBalancer.observed_generation
    return _scalar(plane, select(func.count()).select_from(LoadBalancer).where(differ))


def _mine(plane):
    return _scalar(plane, select(func.count()).select_from(LoadBalancer).where(LoadBalancer.project_id == OWN_PROJECT))


def lists(plane):
    """What the API answers, if it does."""
    try:
        return plane.endpoint.call("GET", f"{LOAD_BALANCERS}?limit=10")
    except (OSError, AssertionError):
        return None
