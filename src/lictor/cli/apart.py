"""`lictor api`, `worker`, `health` and `housekeeping`: the parts of `lictor up` as processes, any number of each."""

import argparse
from collections.abc import Callable

from oslo_config import cfg

from lictor import config
from lictor.cli import credentials, database, host, notify
from lictor.cli.log import start_logging
from lictor.cli.statedir import StateDir
from lictor.cli.stopping import Service, running, stop_signals
from lictor.cli.street import Street
from lictor.cli.up import refusing
from lictor.control import hints

HOUSES: dict[str, Callable[[Street], list[Service]]] = {
    "api": lambda street: [street.api],
    "worker": lambda street: [street.notices, street.workers, *street.hearing, street.forgetting],
    "health": lambda street: [street.health],
    "housekeeping": lambda street: [
        *([street.renewal, street.rotation, street.census] if street.compute.has_agents else []),
        street.housekeeper,
        *street.consumers,
        street.mender,
    ],
}
"""What runs in each kind of process."""

TOLD = 1.0
"""Seconds between looks for work, if no file says otherwise, where workers are told of it."""


def run(args: argparse.Namespace, conf: cfg.ConfigOpts) -> int:
    """Serve until a signal comes. Raises ``Refusal``. The database must have this release's schema already."""
    start_logging(conf)
    host.extend_path()
    _check(args.house, conf)
    state = StateDir(config.state_dir(conf), shared=True)
    state.check()
    with state, stop_signals() as stopping:
        with refusing():
            street = Street(conf, state, database.as_it_is(conf), stopping.fail)
            if hints.ways(conf, street.store):
                conf.set_default("poll_interval", TOLD, group="controller_worker")
            houses = HOUSES[args.house](street)
            probes = street.probes(args.house)
            services: list[Service] = [notify.Watchdog(), street.hinting, *houses, probes]
        if args.house == "api":
            with state.lock.making():
                credentials.write(conf)
        with running(services):
            notify.ready()
            print(f"lictor {args.house} is up; {probes.place or 'no port'} tells how it does.", flush=True)
            stopping.wait()
    return int(stopping.failed)


def _check(house: str, conf: cfg.ConfigOpts) -> None:
    """Whether this place fits: users' words reach the API alone, and two of the four touch amphorae."""
    if house == "api":
        host.check_exposure(conf)
        host.check_tls(conf)
    if house in ("worker", "housekeeping"):
        host.check_root(conf)
