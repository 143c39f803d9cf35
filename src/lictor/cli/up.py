"""`lictor up`: the whole street in one process. This file is the one place where its houses are put together."""

import argparse
import pathlib
from collections.abc import Callable

from oslo_config import cfg

from lictor import config
from lictor.amphora.keep import Unusable
from lictor.amphora.keys import open_secret
from lictor.amphora.pki import Authority
from lictor.cli import application, credentials, database, host
from lictor.cli.drivers import driver
from lictor.cli.log import start_logging
from lictor.cli.refusal import Refusal
from lictor.cli.server import ApiServer
from lictor.cli.statedir import StateDir
from lictor.cli.stopping import Service, running, stop_signals
from lictor.control import lease
from lictor.control.health import HealthManager, PortTakenError
from lictor.control.housekeeping import Housekeeper
from lictor.control.worker import Workers
from lictor.drivers.compute.netns import HostNotReady
from lictor.drivers.network.local import BadNetworkConfiguration


def run(args: argparse.Namespace, conf: cfg.ConfigOpts) -> int:
    """Serve until a signal comes. Raises ``Refusal``, and has changed nothing then."""
    start_logging(conf)
    host.extend_path()
    host.check_root(conf)
    host.check_exposure(conf)
    host.check_topology(conf)
    host.check_tls(conf)
    state = StateDir(config.state_dir(conf))
    state.check()
    host.check_ports(conf)
    with state, stop_signals() as stopping:
        services = assemble(conf, state, broken=stopping.fail)
        openrc = credentials.write(conf)
        with running(services):
            print(announcement(conf, openrc), flush=True)
            stopping.wait()
    return int(stopping.failed)


def assemble(conf: cfg.ConfigOpts, state: StateDir, broken: Callable[[], None]) -> list[Service]:
    """Every part, tied to the others but not started. ``broken`` is for one that ends by itself. Raises ``Refusal``."""
    conf.set_default("healthcheck_enabled", True, group="api_settings")  # nobody else is asked whether we work
    store = database.upgraded(conf)
    networking = application.networking(conf, store)
    compute = driver("lictor.compute.drivers", conf.controller_worker.compute_driver, conf, networking)
    try:
        compute.prepare()
        authority, secret = Authority.open(state.path / "pki"), open_secret(state.path)
        # The lock on the state directory says that we are alone: a predecessor that was killed holds nothing any more.
        lease.forfeit_all(store)
        workers = Workers(conf, store, compute, networking, authority, secret)
        # Where no agent runs, nobody would send heartbeats.
        health = [HealthManager(conf, store, secret, workers.wake)] if compute.has_agents else []
    except (HostNotReady, BadNetworkConfiguration, PortTakenError, Unusable) as error:
        raise Refusal(str(error)) from None
    api = ApiServer(conf, application.build(conf, store, networking, workers.wake), broken)
    housekeeper = Housekeeper(conf, store, compute, networking)
    return [*health, workers, housekeeper, api]


def announcement(conf: cfg.ConfigOpts, openrc: pathlib.Path) -> str:
    """What to type next."""
    return f"""Lictor is up at {credentials.endpoint(conf)}. In another shell, as root:

    source {openrc}
    openstack loadbalancer create --name test_1 --vip-subnet-id {conf.local_network.subnet_name} --wait

Ctrl-C stops it, and load balancers go on serving; `lictor down --purge` removes everything.
"""
