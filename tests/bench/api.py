"""The API side by side with the real Octavia's, on the same database server, in turns.

Both have the same number of uWSGI processes and threads and one worker process, no authentication, and drivers that do
nothing. Lists are of load balancers with two listeners, two pools and ten members each. Times are those of one client
that waits for each answer; requests a second those of wrk with four connections. Creations are measured without
workers, which would otherwise go on with what was created while the other side is measured.
"""

import contextlib
import functools
import pathlib
import statistics
import sys
import tempfile

from sqlalchemy import create_engine

from tests.bench import copies, lictor, octavia
from tests.bench.endpoint import CONNECTIONS, LOAD_BALANCERS, PROJECT, figures, serial, throughput, timed, tree
from tests.bench.processes import busy, resident
from tests.bench.report import Goal, conclude, table
from tests.lab import databases

PROCESSES, THREADS = 2, 1
ROUNDS = 2
SECONDS = 4.0
"""Of each measurement in each round."""

LONGEST = 30.0

CREATIONS = 6
"""That are waited for until they are ACTIVE, in each round."""

IDLE = 5.0
"""Seconds for which the workers are watched doing nothing."""

SIDES = ("Lictor", "Octavia")


def main():
    size = [f"--processes={PROCESSES}", f"--threads={THREADS}"]
    with (
        tempfile.TemporaryDirectory(prefix="lictor-bench-") as name,
        databases.server("mariadb", quick=False) as server,
        lictor.deployment(pathlib.Path(name), database(server, "lictor", "utf8mb4"), size) as ours,
        octavia.deployment(pathlib.Path(name), database(server, "octavia", "utf8mb3", "mysql+pymysql"), size) as theirs,
    ):
        return show(*measure([ours, theirs]))


def database(server, name, charset, driver="mysql"):
    engine = create_engine(server.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} CHARACTER SET {charset}")
    url = engine.url.set(drivername=driver, database=name).render_as_string(hide_password=False)
    engine.dispose()
    return url


def measure(deployments):
    """Figures by row, one for each side, and the memory of each."""
    rows = {"POST to ACTIVE": until_active([each.endpoint for each in deployments])}
    large = [prepare(each) for each in deployments]
    # Memory of workers that have worked, and of APIs that have answered everything.
    workers = [(resident(each.worker), busy(each.worker, IDLE)) for each in deployments]
    for each in deployments:
        each.rest()
    reads = {f"list of {count}": f"{LOAD_BALANCERS}?project_id={project}" for count, project in PROJECT.items()}
    for name, path in reads.items():
        rows[name] = in_turns(deployments, lambda _, path=path: path)
    rows["show, 250 members"] = in_turns(deployments, lambda n: f"{LOAD_BALANCERS}/{large[n]['id']}")
    rows["status tree, 250 members"] = in_turns(deployments, lambda n: f"{LOAD_BALANCERS}/{large[n]['id']}/status")
    rows["list of 125 members"] = in_turns(
        deployments, lambda n: f"/v2/lbaas/pools/{large[n]['pools'][0]['id']}/members"
    )
    for members in (10, 250):
        rows[f"create with {members} members"] = in_turns(deployments, lambda _: LOAD_BALANCERS, tree(members))
    return rows, [(resident(each.api), *worker) for each, worker in zip(deployments, workers, strict=True)]


def until_active(endpoints):
    times = [[], []]
    for number in range(ROUNDS + 1):
        for each, endpoint in zip(times, endpoints, strict=True):
            found = [timed(functools.partial(create_and_wait, endpoint)) for _ in range(CREATIONS)]
            each.extend(found if number else [])  # The first round finds nothing in any cache.
    return [figures(each, [1000 / statistics.mean(each)]) for each in times]


def create_and_wait(endpoint):
    endpoint.until_active(endpoint.create(10)["id"])


def prepare(deployment):
    """The load balancers that are read: copies of one that is ACTIVE, and one with 250 members."""
    module = {"Lictor": lictor, "Octavia": octavia}[deployment.endpoint.name]
    model = deployment.endpoint.create(10)
    deployment.endpoint.until_active(model["id"])
    for count, project in PROJECT.items():
        copies.copy(deployment.database, module.TABLES, model["id"], project, count)
        found = deployment.endpoint.call("GET", f"{LOAD_BALANCERS}?project_id={project}")["loadbalancers"]
        assert [len(each[name]) for each in found for name in ("listeners", "pools")] == [2] * 2 * count
    large = deployment.endpoint.create(250)
    deployment.endpoint.until_active(large["id"])
    return large


def in_turns(deployments, path_of, body=None):
    """One kind of request on both sides, in turns: first one client that waits, then many."""
    times, rates = [[], []], [[], []]
    for _ in range(ROUNDS):
        for side, deployment in enumerate(deployments):
            endpoint, path = deployment.endpoint, path_of(side)
            method = "GET" if body is None else "POST"
            found = serial(functools.partial(endpoint.call, method, path, body), SECONDS / 2)
            times[side].extend(found)
            # Long enough for each connection to have several answers, whoever answers.
            long = min(LONGEST, statistics.median(found) * CONNECTIONS * 3 / PROCESSES / 1000)
            rates[side].append(throughput(endpoint.url + path, max(SECONDS, long), body))
    found = [figures(*each) for each in zip(times, rates, strict=True)]
    print(f"  {path_of(0)}: {found}", file=sys.stderr)
    return found


def show(rows, memory):
    headings = ["", *(f"{side} {what}" for side in SIDES for what in ("requests/s", "p50 ms", "p99 ms")), "ratio"]
    lines = []
    for name, (ours, theirs) in rows.items():
        cells = [cell for each in (ours, theirs) for cell in (each.rate, each.p50, each.p99)]
        lines.append((name, *cells, ours.rate / theirs.rate))
    table(f"{PROCESSES} processes with {THREADS} thread each; the ratio is that of requests/s", headings, lines)
    headings = ["", "API, MiB of RSS", "worker, MiB of RSS", "worker with nothing to do, % of a processor"]
    table(
        "Memory, and the cost of waiting", headings, [(side, *each) for side, each in zip(SIDES, memory, strict=True)]
    )
    goals = [
        Goal(f"{name}, requests/s", line[-1], "x Octavia", 10.0, least=True)
        for name, line in zip(rows, lines, strict=True)
    ]
    goals += [
        Goal("list of 1,000, p50", rows["list of 1000"][0].p50, "ms", 100.0),
        Goal("show with 250 members, p50", rows["show, 250 members"][0].p50, "ms", 5.0),
        Goal("create with 250 members, p50", rows["create with 250 members"][0].p50, "ms", 50.0),
        Goal("RSS of API and worker", sum(memory[0][:2]) / sum(memory[1][:2]), "x Octavia", 0.5),
    ]
    return conclude(goals)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
