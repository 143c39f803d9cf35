"""The API for a WSGI server such as uWSGI, Apache's mod_wsgi or gunicorn: ``lictor.wsgi:application``.

The configuration files are those of ``--config-file`` on the server's command line for us (uWSGI: ``pyargv``), else
those that the environment variable ``LICTOR_CONFIG`` names, separated by colons. The server may fork after it has
loaded the application, and use any number of threads; each process has a port of its own for probes and metrics.
Workers run elsewhere (`lictor worker`) on the same database, are told of work if there is a way
(``lictor.control.hints``), and look for it every ``[controller_worker] poll_interval`` seconds.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence

from oslo_config import cfg

from lictor import config
from lictor.api.middleware import Application
from lictor.cli import application as parts
from lictor.cli import database, host
from lictor.cli.counted import counted
from lictor.cli.log import start_logging
from lictor.cli.probed import Probed
from lictor.cli.probes import Probes
from lictor.cli.refusal import Refusal
from lictor.control import hints


def config_files(arguments: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """The configuration files to read; the later one has the last word."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config-file", action="append")
    named, _others = parser.parse_known_args(list(arguments))
    return named.config_file or [file for file in environment.get("LICTOR_CONFIG", "").split(os.pathsep) if file]


def create(files: list[str]) -> Application:
    """The application. Raises ``Refusal``."""
    try:
        conf = config.load(files)
    except (cfg.Error, ValueError) as error:
        raise Refusal(" ".join(str(error).split()), status=2) from None
    start_logging(conf)
    host.check_tls(conf)
    store = database.as_it_is(conf)
    application = parts.build(conf, store, parts.networking(conf, store), wake=hints.sender(conf, store).send)
    return Probed(counted(application), lambda: Probes(conf, "api", store, [], several=True))


def _application() -> Application:
    try:
        return create(config_files(sys.argv[1:], os.environ))
    except Refusal as refusal:
        sys.exit(f"lictor: {refusal}")


application = _application()
