"""`lictor down`: stop whatever works on a state directory; with ``--purge``, leave nothing of it on this host."""

import argparse
import os
import pathlib
import select
import signal

from oslo_config import cfg
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from lictor import config
from lictor.cli import application, database, host
from lictor.cli.drivers import driver
from lictor.cli.lockfile import Locked, LockFile
from lictor.cli.refusal import Refusal
from lictor.cli.statedir import StateDir, taken
from lictor.cli.stopping import PATIENCE
from lictor.control.upkeep import consumers
from lictor.drivers.compute.base import Compute, ComputeError
from lictor.drivers.network.base import NetworkError

MOST = 200
"""Processes that are stopped at most: more come from something that starts them anew."""

TELLING = 60.0
"""Seconds for which secrets may be told, before a purge, that they are not used any more."""


def run(args: argparse.Namespace, conf: cfg.ConfigOpts) -> int:
    """Stop it, and purge if asked to. Raises ``Refusal``. That nothing runs is no error."""
    host.extend_path()
    host.check_root(conf)
    state = StateDir(config.state_dir(conf))
    stopped = stop_all(state.lock)
    for pid in stopped:
        print(f"stopped process {pid}")
    if not stopped:
        print(f"no lictor works on {state.path}")
    if args.purge:
        purge(conf, state)
    return 0


def stop_all(lock: LockFile) -> list[int]:
    """End `lictor up`, or all processes that share the directory. Raises ``Refusal`` if there are more and more."""
    stopped: list[int] = []
    while pid := stop(lock):
        stopped.append(pid)
        if len(stopped) == MOST:
            raise Refusal(f"{MOST} processes were stopped, and there are still others: stop what starts them")
    return stopped


def stop(lock: LockFile) -> int | None:
    """End the process that holds the lock: politely, and with force if it does not heed. None if there is none."""
    pid = lock.holder()
    if not pid:
        return None
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return pid
    try:
        # The handle stays with this process even if its number is given to another; so look once more, then signal.
        if lock.holder() == pid:
            _end(handle, pid)
    finally:
        os.close(handle)
    return pid


def _end(handle: int, pid: int) -> None:
    for number, seconds in ((signal.SIGTERM, PATIENCE + 3), (signal.SIGKILL, 5)):
        signal.pidfd_send_signal(handle, number)
        if select.select([handle], [], [], seconds)[0]:
            return
    raise Refusal(f"process {pid} does not end: look what it waits for, with ps -o stat,wchan -p {pid}")


def purge(conf: cfg.ConfigOpts, state: StateDir) -> None:
    """Remove amphorae, links, namespaces, processes and files. Needs neither database nor directory to be whole."""
    state.check_driver(conf.controller_worker.compute_driver)
    locked = _lock(state)
    try:
        _take_back(conf)
        _remove_amphorae(conf)
        strangers = state.empty()
    except (ComputeError, NetworkError, OSError) as error:
        raise Refusal(f"not everything could be removed: {error}") from None
    finally:
        if locked:
            state.lock.release()
    if strangers:
        print(f"left in {state.path}, because Lictor did not make it: {', '.join(strangers)}")
    print("nothing of it is left")


def _take_back(conf: cfg.ConfigOpts) -> None:
    """Whoever keeps secrets is told that nobody here uses them any more; if that cannot be, we go on without.

    A database of its own outlives the purge of a host, and other hosts may go on with it: then nothing is told.
    """
    url = config.database_url(conf)
    if conf.database.connection or not pathlib.Path(make_url(url).database or "").exists():
        return
    try:
        left, why = consumers.take_all_back(database.store(conf), application.secrets(conf), TELLING)
        if left:
            print(f"{left} consumers of secrets could not be removed: {why}")
    except (Refusal, SQLAlchemyError) as error:
        print(f"consumers of secrets could not be removed: {' '.join(str(error).split())[:200]}")


def _remove_amphorae(conf: cfg.ConfigOpts) -> None:
    """With their ports: the drivers find by this deployment's tag what they made."""
    options = conf.controller_worker
    networking = application.networking(conf, database.store(conf))
    compute: Compute = driver("lictor.compute.drivers", options.compute_driver, conf, networking)
    if conf.database.connection and not compute.needs_root:
        print("amphorae stay: they are not on this host, and others may go on with the database")
        return
    compute.purge()
    networking.purge()


def _lock(state: StateDir) -> bool:
    # So that no lictor up starts meanwhile. A directory that is gone or broken cannot be locked, nor started on.
    try:
        state.lock.acquire()
    except Locked as locked:
        raise Refusal(taken(state.path, locked.pid)) from None
    except OSError:
        return False
    return True
