"""A fleet of 10,000 load balancers and 20,000 amphorae: a real database, real processes, and simulated agents.

How large the database is; how many heartbeats one core takes, beside Octavia's ``UpdateHealthDb`` on the same server;
how long it takes until a tenth of the fleet that died is replaced; how long a control plane that was off takes to be of
use again; and how many load balancers become ACTIVE a second with 1 to 8 workers. ``SCALE=0.1`` is for a tenth of all.
"""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile

from sqlalchemy import text

from tests.bench import beating, converging, fleet, growing
from tests.bench.api import database
from tests.bench.plane import Plane
from tests.bench.report import Goal, conclude, table
from tests.lab import databases

SCALE = float(os.environ.get("SCALE", "1"))
BALANCERS = int(10_000 * SCALE)
WORKERS = (1, 2, 4, 8)
CREATED = max(20, int(200 * SCALE))
TIMES = 50.0
"""How many times Octavia's heartbeats are asked for."""

LARGEST = 6
"""Tables whose sizes are shown."""


def main():
    if os.environ.get("LICTOR_SEALED") != "1":
        sys.exit("this benchmark makes addresses: start it with `make bench-scale`, which seals it off")
    subprocess.run(["ip", "-6", "route", "add", "local", "2001:db8::/32", "dev", "lo"], check=True)
    with (
        tempfile.TemporaryDirectory(prefix="lictor-bench-") as name,
        databases.server("mariadb", quick=False) as server,
        Plane(pathlib.Path(name), database(server, "lictor", "utf8mb4"), server.process) as plane,
    ):
        return conclude(list(measure(plane, server, pathlib.Path(name))))


def measure(plane, server, directory):
    """All tables in order, each as soon as it is known, and the goals."""
    made = fleet.make(BALANCERS)
    fleet.write(plane.store, made)
    yield from heartbeats(plane, server, directory, made)
    sizes(plane)  # with all rows of statistics
    with converging.alive(plane, made):
        table("All processes are started anew, until", ["", "seconds"], list(converging.cold(plane).items()))
    yield from workers(plane)
    # In the end: what is not replaced in time would be in the way of all others.
    with converging.alive(plane, made) as (simulator, dead):
        yield from deaths(converging.a_tenth_dies(plane, simulator, dead, made))


def heartbeats(plane, server, directory, made):
    """Ours beside Octavia's."""
    beats = beating.ours(plane, made)
    theirs = beating.octavias(directory, database(server, "octavia", "utf8mb3", "mysql+pymysql"), server.process)
    busy = beats[beating.BUSY]
    cheaper = [sum(theirs[1:]) / sum(ours[1:]) for ours in beats.values()]
    times = [ours[0] / theirs[0] for ours in beats.values()]
    rows = [(f"Lictor, {what}", *ours) for what, ours in beats.items()]
    table(
        "Heartbeats: the health manager on one core, the database on the other",
        ["", "a second", "manager CPU us each", "database CPU us each", "x Octavia a second", "x Octavia in CPU"],
        [*((*row, *ratios) for row, *ratios in zip(rows, times, cheaper, strict=True)), ("Octavia", *theirs, 1.0, 1.0)],
    )
    yield Goal("heartbeats, all counters growing", times[0], "x Octavia a second", TIMES, least=True)
    yield Goal("heartbeats, all counters growing", theirs[1] / busy[1], "x Octavia per core", TIMES, least=True)
    yield Goal("heartbeats, all counters growing", busy[0], "a second", 2000.0, least=True)


def sizes(plane):
    """Of the database, and of the largest tables."""
    query = """SELECT table_name, table_rows, (data_length + index_length) / 1048576, index_length / 1048576
        FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 3 DESC"""
    with plane.store.look() as connection:
        tables = [row[0] for row in connection.execute(text(query))]
        for name in tables:
            connection.execute(text(f"ANALYZE TABLE {name}")).all()
        rows = [
            (name, int(count), float(size), float(index))
            for name, count, size, index in connection.execute(text(query))
        ]
    whole = sum(row[2] for row in rows)
    title = (
        f"{BALANCERS} load balancers with {fleet.MEMBERS} members and two amphorae each: {whole:.0f} MiB of database"
    )
    per = [(f"all {len(rows)} tables", "", whole, sum(row[3] for row in rows), whole * 1024 / BALANCERS)]
    per += [(*row, row[2] * 1024 / BALANCERS) for row in rows[:LARGEST]]
    table(title, ["", "rows, about", "MiB", "of it indexes", "KiB a load balancer"], per)


def deaths(found):
    """What a fleet costs at rest, and when a tenth of it dies."""
    table(
        f"All is well, {2 * BALANCERS} amphorae send heartbeats every {converging.INTERVAL} s with growing counters",
        ["each process", "RSS, MiB", "% of a core"],
        [(name, *figures) for name, figures in found.rest.items()],
    )
    table(f"{found.died} amphorae die at once ({converging.SETTINGS})", ["", "seconds"], found.times())
    table(f"Meanwhile ({found.replacing.limit()})", ["", "CPU ms for each replaced", "% of all cores"], found.costs())
    patience = f"not replaced {converging.PATIENCE} s after a tenth died"
    yield Goal(patience, found.left, "amphorae", 0, exact=True)


def workers(plane):
    """POST to ACTIVE."""
    rows = []
    for count in WORKERS:
        rows += [growing.asked_for(plane, CREATED), growing.to_active(plane, count)]
    table(
        f"POST to ACTIVE, {growing.MEMBERS} members each; per cent are of all cores",
        growing.HEADINGS,
        [rows[0], *rows[1::2]],
    )
    yield Goal("two workers", rows[3][1] / rows[1][1], "x one worker", 1.0, least=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
