"""`lictor status`: is it up, and how are its load balancers."""

import argparse
import os

from oslo_config import cfg
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from lictor import config
from lictor.cli import credentials, database
from lictor.cli.refusal import Refusal
from lictor.cli.statedir import StateDir
from lictor.model import LoadBalancer
from lictor.model.clock import clock_ms

NOT_RUNNING = 3
"""Exit status, as the Linux Standard Base has it for `status` of a service that is not running."""


def run(args: argparse.Namespace, conf: cfg.ConfigOpts) -> int:
    """Print it. Exit status 0 if `lictor up` runs, 3 if not."""
    path = config.state_dir(conf)
    if path.exists() and not os.access(path, os.R_OK | os.X_OK):
        raise Refusal(f"{path} is readable for root only: run it as root, for example with sudo")
    pid = StateDir(path).lock.holder()
    print(f"up: process {pid}, API at {credentials.endpoint(conf)}" if pid else f"not running (state directory {path})")
    if database.revision(conf) is not None:
        _print_load_balancers(conf)
    return 0 if pid else NOT_RUNNING


def _print_load_balancers(conf: cfg.ConfigOpts) -> None:
    try:
        with database.store(conf).read() as session:
            for line in (*counts(session), *failures(session)):
                print(line)
    except SQLAlchemyError as error:
        raise Refusal(database.unusable(conf, error)) from None


def counts(session: Session) -> list[str]:
    """How many load balancers there are, by provisioning status."""
    column = LoadBalancer.provisioning_status
    rows = session.execute(select(column, func.count()).group_by(column).order_by(column)).all()
    return ["load balancers: " + (", ".join(f"{count} {status}" for status, count in rows) or "none")]


def failures(session: Session) -> list[str]:
    """Each load balancer whose last attempt failed: why, and when it is tried again."""
    wait = LoadBalancer.retry_at_ms - clock_ms()
    query = select(LoadBalancer, wait).where(LoadBalancer.fault.is_not(None)).order_by(LoadBalancer.created_at)
    return [failure(load_balancer, wait_ms) for load_balancer, wait_ms in session.execute(query)]


def failure(load_balancer: LoadBalancer, wait_ms: int) -> str:
    """One line about one that fails."""
    when = f"in {wait_ms / 1000:.0f} s" if wait_ms > 0 else "now"
    name = f"{load_balancer.name or '(no name)'} {load_balancer.id}"
    return (
        f"  {name} {load_balancer.provisioning_status}, {load_balancer.attempts} attempts failed, "
        f"next one {when}: {load_balancer.fault}"
    )
