"""What all benchmarks print: tables, and one line per goal that says whether it was met."""

import contextlib
import dataclasses
import os
import pathlib
import subprocess
import sys
import tempfile

from lictor import config
from lictor.drivers.compute.netns import NetnsCompute
from lictor.drivers.network.local import LocalNetwork
from lictor.model import schema
from lictor.model.store import Store
from tests.lab.deployment import Deployment, world
from tests.lab.web import WebServers


@dataclasses.dataclass(frozen=True)
class Goal:
    """A figure that must stay below ``limit``; where ``exact``, be exactly that; where ``least``, be that or more."""

    name: str
    value: float
    unit: str
    limit: float
    exact: bool = False
    least: bool = False

    @property
    def met(self):
        if self.least:
            return self.value >= self.limit
        return self.value == self.limit if self.exact else self.value < self.limit

    def line(self):
        relation = ">= " if self.least else "" if self.exact else "< "
        verdict = "met" if self.met else "missed"
        value, limit = (f"{number:.3f}".rstrip("0").rstrip(".") for number in (self.value, self.limit))
        return f"goal {self.name}: {value} {self.unit} (goal: {relation}{limit} {self.unit}) {verdict}"


def table(title, headings, rows):
    """Print rows under their headings; numbers to the right."""
    cells = [headings, *([_text(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    print(f"\n{title}\n")
    for number, row in enumerate(cells):
        pairs = zip(row, widths, strict=True)
        print("  " + "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(pairs)).rstrip())
        if number == 0:
            print("  " + "  ".join("-" * width for width in widths))
    sys.stdout.flush()


def _text(cell):
    return f"{cell:.1f}" if isinstance(cell, float) else str(cell)


def conclude(goals):
    """Print the goals' lines; the exit status of the benchmark: 0 only if all are met."""
    print()
    for goal in goals:
        print(goal.line())
    return int(not all(goal.met for goal in goals))


def ip(*commands, namespace=""):
    """Run commands of ``ip`` in one go, inside a namespace if one is named. Raises if one of them fails."""
    where = ["-n", namespace] if namespace else []
    subprocess.run(["ip", *where, "-batch", "-"], input="\n".join(commands).encode(), check=True)


@contextlib.contextmanager
def deployment(names, config_text=""):
    """A running `lictor up` and web servers of these names; afterwards nothing of either may be left."""
    if os.environ.get("LICTOR_SEALED") != "1":
        sys.exit("a benchmark makes links and addresses: start it with `make bench-NAME`, which seals it off")
    before = world()
    with tempfile.TemporaryDirectory(prefix="lictor-bench-") as directory:
        made = Deployment(pathlib.Path(directory) / "state", config_text)
        try:
            make_bridges(made)
            with WebServers(made.state_dir, names=names) as web:
                made.start()
                yield made, web
        except BaseException:
            if made.log.exists():
                print(made.log.read_text()[-5000:], file=sys.stderr)
            raise
        finally:
            if made.process and made.process.poll() is None:
                made.kill()
            made.down("--purge")
        after = world()
        assert after == before, f"left behind: { {kind: after[kind] - before[kind] for kind in after} }"


def make_bridges(made):
    """The web servers need the bridges, which `lictor up` then finds made."""
    conf = config.load([str(made.config)], lictor__state_dir=str(made.state_dir))
    store = Store(f"sqlite:///{made.state_dir.parent}/empty.db")
    schema.upgrade(store)
    NetnsCompute(conf, LocalNetwork(conf, store)).prepare()
