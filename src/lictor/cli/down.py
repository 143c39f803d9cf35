"""`lictor down`: stop whatever works on a state directory; with ``--purge``, leave nothing of it on this host."""

import argparse
import os
import select
import signal
from typing import Any

from oslo_config import cfg

from lictor import config
from lictor.cli import database, host
from lictor.cli.drivers import driver
from lictor.cli.lockfile import Locked, LockFile
from lictor.cli.refusal import Refusal
from lictor.cli.statedir import StateDir, taken
from lictor.cli.stopping import PATIENCE
from lictor.drivers.compute.base import ComputeError

MOST = 200
"""Processes that are stopped at most: more come from something that starts them anew."""


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
    locked = _lock(state)
    try:
        compute(conf).purge()
        strangers = state.empty()
    except (ComputeError, OSError) as error:
        raise Refusal(f"not everything could be removed: {error}") from None
    finally:
        if locked:
            state.lock.release()
    if strangers:
        print(f"left in {state.path}, because Lictor did not make it: {', '.join(strangers)}")
    print("nothing of it is left")


def compute(conf: cfg.ConfigOpts) -> Any:
    """The compute driver, which finds what it made by this deployment's tag."""
    options = conf.controller_worker
    networking = driver("lictor.network.drivers", options.network_driver, conf, database.store(conf))
    return driver("lictor.compute.drivers", options.compute_driver, conf, networking)


def _lock(state: StateDir) -> bool:
    # So that no lictor up starts meanwhile. A directory that is gone or broken cannot be locked, nor started on.
    try:
        state.lock.acquire()
    except Locked as locked:
        raise Refusal(taken(state.path, locked.pid)) from None
    except OSError:
        return False
    return True
