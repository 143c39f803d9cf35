"""`lictor db`: the database's schema."""

import argparse

from oslo_config import cfg

from lictor import config
from lictor.cli import database, host
from lictor.cli.statedir import StateDir


def run(args: argparse.Namespace, conf: cfg.ConfigOpts) -> int:
    """Bring the schema up to date, or print its revision."""
    if args.action == "current":
        print(database.revision(conf) or "none")
        return 0
    if not conf.database.connection:
        return _upgrade_embedded(conf)
    database.upgraded(conf)
    print(database.revision(conf))
    return 0


def _upgrade_embedded(conf: cfg.ConfigOpts) -> int:
    host.check_root(conf)
    state = StateDir(config.state_dir(conf))
    state.check()
    with state:
        database.upgraded(conf)
        print(database.revision(conf))
    return 0
