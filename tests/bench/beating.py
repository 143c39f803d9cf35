"""Heartbeats a second on one core: ours through a socket into `lictor health`, Octavia's straight into its code."""

import socket
import subprocess
import time

from sqlalchemy import func, select

from lictor.model import AmphoraHealth, ListenerStatistics
from lictor.wire import seal
from tests.bench import fleet, octavia
from tests.bench.plane import HEALTH_PORT, pin, used
from tests.bench.processes import run

BUSY, IDLE = "all counters growing", "nothing new"
ROUNDS = 3
THEIRS = 1000
"""Load balancers of Octavia's: fewer than ours, which is in its favour."""

SECONDS = 20
LONGEST = 240
"""Seconds that a round may take on a machine that others use."""

AT_ONCE = 100
"""Datagrams that are sent before the sender rests for a moment."""


def ours(plane, balancers):
    """By what heartbeats tell: how many a second; microseconds of CPU each of the health manager, of the database."""
    keys = fleet.keys(plane.secret, balancers)
    found = {}
    with plane.house("health") as manager:
        _alone(manager, plane.server)
        _round(plane, manager, balancers, keys, 1, 1)  # The first of each amphora makes its rows.
        for what in (BUSY, IDLE):
            figures = []
            for number in range(ROUNDS):
                sequence = 2 + len(found) * ROUNDS + number
                figures.append(_round(plane, manager, balancers, keys, sequence, 1 + min(sequence, 1 + ROUNDS)))
            found[what] = tuple(sum(each) / ROUNDS for each in zip(*figures, strict=True))
    pin(plane.server, None)
    _check(plane, len(balancers))
    return found


def _alone(manager, server):
    """The health manager has one core, and the database the other."""
    pin(manager, 0)
    pin(server, 1)


def _round(plane, manager, balancers, keys, sequence, requests):
    """One heartbeat of each amphora, as fast as they are taken."""
    datagrams = [
        seal(fleet.beat(each, amphora_id, sequence, requests), keys[amphora_id])
        for each in balancers
        for amphora_id in each.amphorae
    ]
    before, began = [used(each) for each in (manager, plane.server)], time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for start in range(0, len(datagrams), AT_ONCE):
            for datagram in datagrams[start : start + AT_ONCE]:
                sender.sendto(datagram, ("127.0.0.1", HEALTH_PORT))
            time.sleep(0.001)
    count = select(func.count()).select_from(AmphoraHealth).where(AmphoraHealth.sequence >= sequence)
    deadline = began + LONGEST
    while _scalar(plane, count) != len(datagrams):
        assert time.monotonic() < deadline, "not every heartbeat was written"
        time.sleep(0.02)
    seconds = time.monotonic() - began
    spent = [used(each) - then for each, then in zip((manager, plane.server), before, strict=True)]
    return len(datagrams) / seconds, *(each / len(datagrams) * 1e6 for each in spent)


def _scalar(plane, query):
    with plane.store.look() as connection:
        return connection.execute(query).scalar()


def _check(plane, balancers):
    """Whatever was sent was counted, once."""
    counted = _scalar(plane, select(func.sum(ListenerStatistics.total_connections)))
    assert counted == 2 * balancers * (2 + ROUNDS), f"{counted} requests were counted of {2 * balancers * (2 + ROUNDS)}"


def octavias(directory, url, server):
    """The same of Octavia's, whose heartbeats are all of the kind whose counters grow."""
    config = directory / "octavia.conf"
    config.write_text(octavia.CONFIG.format(directory=directory, url=url))
    run(octavia.BIN / "octavia-db-manage", "--config-file", config, "upgrade", "head")
    # -P: or Python would take our octavia.py for Octavia.
    words = [octavia.BIN / "python", "-P", "tests/bench/octavia_health.py", config, THEIRS, SECONDS, server.pid]
    done = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    _alone(done, server)
    output, _ = done.communicate(timeout=300)
    pin(server, None)
    assert done.returncode == 0, (directory / "octavia.log").read_text()[-3000:]
    rate, cpu, database, healthy, counted = output.split()[-5:]
    wanted = str(min(2 * THEIRS, max(20, int(float(rate) * SECONDS))))
    assert abs(int(healthy) - int(wanted)) < 30, f"rows of health: {healthy} of {wanted}"
    assert healthy == counted, f"{healthy} rows of health, {counted} of statistics"
    return float(rate), float(cpu), float(database)
