"""The stock client, as a user types it who has sourced the openrc that `lictor up` wrote."""

import json
import os
import pathlib
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

CLIENT = pathlib.Path(sys.executable).parent
TOO_LONG = 60
"""Seconds after which a command is taken as hanging."""


class Openstack:
    """`openstack loadbalancer ...`: every call is a process of its own, which takes more than a second to start."""

    def __init__(self, openrc, patience=TOO_LONG):
        self._openrc, self._patience = openrc, patience

    def type(self, command):
        """Run a command line; returns its exit status, standard output and standard error."""
        line = f"source {shlex.quote(str(self._openrc))} && exec openstack {command}"
        environment = {"PATH": f"{CLIENT}:{os.environ['PATH']}", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}
        return subprocess.run(
            ["bash", "-c", line],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=self._patience,
        )

    def __call__(self, command):
        """Run one that must succeed and says nothing on standard error; returns what it prints."""
        return self.succeeds(f"loadbalancer {command}")

    def succeeds(self, command):
        """The same for any command of the client."""
        result = self.type(command)
        assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
        assert result.stderr == "", f"{command}: {result.stderr}"
        return result.stdout

    def shown(self, command):
        """What the command prints with `-f json`; `status show` prints JSON only, and takes no such option."""
        return json.loads(self(command if command.startswith("status show") else f"{command} -f json"))

    def together(self, *commands):
        """Several that do not depend on each other, two at a time; what each shows, in their order."""
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(self.shown, commands))

    def refused(self, command):
        """Run one that must fail; returns the last line that it prints."""
        result = self.type(f"loadbalancer {command}")
        assert result.returncode != 0, f"{command}: {result.stdout}"
        assert "Traceback" not in result.stderr
        return result.stderr.strip().splitlines()[-1]
