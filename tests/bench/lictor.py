"""Lictor as a production deployment has it: the API under uWSGI, and a worker process beside it."""

import contextlib
import pathlib
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tests.bench.endpoint import Endpoint
from tests.bench.processes import background, end, run
from tests.lab.uwsgi import await_answer, free_port, uwsgi

BIN = pathlib.Path(sys.executable).parent
TABLES = {
    "load_balancer": "id",
    "amphora": "load_balancer_id",
    "pool": "load_balancer_id",
    "listener": "load_balancer_id",
    "member": "load_balancer_id",
}

CONFIG = """
[lictor]
state_dir = {directory}/state
[database]
connection = {url}
[api_settings]
auth_strategy = noauth
[controller_worker]
compute_driver = noop
network_driver = noop
[certificates]
cert_manager = noop
"""


class Deployment(NamedTuple):
    """What is measured, and by whom it is served."""

    endpoint: Endpoint
    database: str
    api: object
    worker: object

    def rest(self) -> None:
        """End the worker: what follows is about the API alone."""
        end(self.worker)


@contextlib.contextmanager
def deployment(directory: pathlib.Path, url: str, size: Sequence[str]) -> Iterator[Deployment]:
    """Running for the length of the block; ``size`` says how many processes and threads to uWSGI."""
    config, log = directory / "lictor.conf", directory / "lictor.log"
    config.write_text(CONFIG.format(directory=directory, url=url))
    run(BIN / "lictor", "db", "upgrade", "--config-file", config)
    port = free_port()
    worker_command = [BIN / "lictor", "up", "--config-file", config, "--port", port]
    with (
        background(worker_command, log) as worker,
        uwsgi(BIN / "uwsgi", "lictor.wsgi", config, log, [*size, "--lazy-apps"]) as served,
    ):
        await_answer(f"http://127.0.0.1:{port}/", worker, log)
        yield Deployment(Endpoint("Lictor", served.url), url, served.process, worker)
