"""`lictor up`: the whole street in one process."""

import argparse
import contextlib
import pathlib
from collections.abc import Iterator

from oslo_config import cfg

from lictor import config
from lictor.amphora.keep import Unusable
from lictor.cli import credentials, database, host, notify
from lictor.cli.log import start_logging
from lictor.cli.refusal import Refusal
from lictor.cli.statedir import StateDir
from lictor.cli.stopping import Service, running, stop_signals
from lictor.cli.street import Street
from lictor.control import lease
from lictor.control.health.manager import PortTakenError
from lictor.drivers.compute.base import HostNotReady
from lictor.drivers.network.local import BadNetworkConfiguration


def run(args: argparse.Namespace, conf: cfg.ConfigOpts) -> int:
    """Serve until a signal comes. Raises ``Refusal``, and has changed nothing then."""
    start_logging(conf)
    host.extend_path()
    host.check_root(conf)
    host.check_exposure(conf)
    host.check_tls(conf)
    state = StateDir(config.state_dir(conf))
    state.check()
    host.check_ports(conf)
    with state, stop_signals() as stopping:
        conf.set_default("healthcheck_enabled", True, group="api_settings")  # nobody else is asked whether we work
        with refusing():
            street = Street(conf, state, database.upgraded(conf), stopping.fail)
            services = assemble(conf, street)
            probes = street.probes("up")
        openrc = credentials.write(conf)
        with running([notify.Watchdog(), *services, probes]):
            notify.ready()
            print(announcement(conf, openrc), flush=True)
            stopping.wait()
    return int(stopping.failed)


def assemble(conf: cfg.ConfigOpts, street: Street) -> list[Service]:
    """Every part, in the order in which they start."""
    workers = street.workers
    if not conf.database.connection:
        # With SQLite in our state directory, its lock says that we are alone: a predecessor that was killed holds
        # nothing any more. Another database may have other workers.
        lease.forfeit_all(street.store)
    # Where no agent runs, nobody would send heartbeats, nor use certificates.
    health = [street.health] if street.compute.has_agents else []
    renewal = [street.renewal, street.rotation, street.census] if street.compute.has_agents else []
    told: list[Service] = [street.hinting, street.notices]
    upkeep = [*renewal, street.housekeeper, *street.consumers, street.mender]
    return [*told, *health, workers, *street.hearing, *upkeep, street.api]


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Why a part cannot be made is a sentence for the operator."""
    try:
        yield
    except (HostNotReady, BadNetworkConfiguration, PortTakenError, Unusable) as error:
        raise Refusal(str(error)) from None


def announcement(conf: cfg.ConfigOpts, openrc: pathlib.Path) -> str:
    """What to type next."""
    subnet = conf.local_network.subnet_name if conf.controller_worker.network_driver == "local" else "SUBNET"
    return f"""Lictor is up at {credentials.endpoint(conf)}. In another shell, as root:

    source {openrc}
    openstack loadbalancer create --name test_1 --vip-subnet-id {subnet} --wait

Ctrl-C stops it, and load balancers go on serving; `lictor down --purge` removes everything.
"""
