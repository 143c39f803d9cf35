"""``python -m tests.lab.hypervisor COMMAND…``: run a command beside the cloud, and end the cloud with it.

``HOSTS`` may be 1 or 2 (the default). ``CLOUD_DIRECTORY`` may name a directory in which logs are to stay.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

from tests.lab import cloud
from tests.lab.hypervisor import VARIABLE, hypervisor


def main(*command: str) -> int:
    """The exit status of the command."""
    with tempfile.TemporaryDirectory(prefix="lictor-hypervisor-") as directory:
        place = pathlib.Path(os.environ.get("CLOUD_DIRECTORY", directory)) / "cloud"
        with hypervisor(place, int(os.environ.get("HOSTS", "2"))):
            sys.stdout.write((place / "logs/times").read_text())
            sys.stdout.flush()
            environment = os.environ | dict.fromkeys((VARIABLE, cloud.VARIABLE), str(place))
            return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
