"""`lictor worker` with a compute driver whose instances are agents of ``tests.bench.simulator``.

python -m tests.bench.simulated CONFIG
"""

import sys

from lictor import config
from lictor.cli import database
from lictor.cli.apart import HOUSES
from lictor.cli.log import start_logging
from lictor.cli.statedir import StateDir
from lictor.cli.stopping import running, stop_signals
from lictor.cli.street import Street
from lictor.drivers.compute.base import Instance
from lictor.drivers.compute.noop import NoopCompute
from tests.bench import fleet


class SimulatedCompute(NoopCompute):
    """Every instance asked for is there, and has an agent behind an address of its own."""

    has_agents = True

    def find(self, amphora_id):
        return Instance(amphora_id, amphora_id, fleet.address(amphora_id), running=True)


def main(file):
    conf = config.load([file])
    start_logging(conf)
    with StateDir(config.state_dir(conf), shared=True) as state, stop_signals() as stopping:
        street = Street(conf, state, database.as_it_is(conf), stopping.fail)
        street.compute = SimulatedCompute(conf, street.networking)
        with running([street.hinting, *HOUSES["worker"](street)]):
            print("up", flush=True)
            stopping.wait()


if __name__ == "__main__":
    main(sys.argv[1])
