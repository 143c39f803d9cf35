"""`openstack loadbalancer ...` inside this process: the first command costs seconds of imports, the others little."""

import contextlib
import io
import json
import logging
import os
import shlex
from unittest import mock

from openstackclient.shell import OpenStackShell
from osc_lib.clientmanager import ClientCache, ClientManager


class Shell:
    """A user's shell with this environment and nothing else of OpenStack's."""

    def __init__(self, environment):
        self._environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "COLUMNS": "200", **environment}

    def type(self, line):
        """Exit status, standard output and standard error of one command."""
        _forget_clients()
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, self._environment, clear=True),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                status = OpenStackShell().run(["loadbalancer", *shlex.split(line)])
            except SystemExit as end:  # argparse, of arguments that it does not like
                status = end.code
            finally:
                # Each shell adds handlers that write to the standard error of its time.
                logging.getLogger().handlers.clear()
        return status, out.getvalue(), err.getvalue()

    def cli(self, line):
        """Type one that must succeed; what it prints."""
        status, out, err = self.type(line)
        assert status == 0, f"{line}: {out}{err}"
        assert err == "", f"{line}: {err}"
        return out

    def shown(self, line):
        """What it prints as JSON; `status show` prints nothing else."""
        return json.loads(self.cli(line if line.startswith("status show") else f"{line} -f json"))

    def refused(self, line):
        """Type one that must fail; the last line that it says."""
        status, out, err = self.type(line)
        assert status != 0, f"{line}: {out}"
        assert "Traceback" not in err
        return err.strip().splitlines()[-1]


def _forget_clients():
    """A process is meant to type one command: clients are kept with the class, whatever the next one's cloud."""
    for cached in vars(ClientManager).values():
        if isinstance(cached, ClientCache):
            cached._handle = None
