"""``python -m tests.lab.cloud COMMAND…``: run a command beside a cloud, and end the cloud with it.

``CLOUD_DIRECTORY`` may name a directory in which logs, configuration and images are to stay. With ``CLOUD_RUNS`` set,
servers run (in namespaces of this host).
"""

import os
import pathlib
import subprocess
import sys
import tempfile

from tests.lab.cloud import VARIABLE, cloud, settings


def main(*command: str) -> int:
    """The exit status of the command."""
    with tempfile.TemporaryDirectory(prefix="lictor-cloud-") as directory:
        place = pathlib.Path(os.environ.get("CLOUD_DIRECTORY", directory)) / "cloud"
        with cloud(place, settings.NAMESPACES if os.environ.get("CLOUD_RUNS") else settings.FAKE):
            sys.stdout.write((place / "logs/times").read_text())
            sys.stdout.flush()
            environment = os.environ | {VARIABLE: str(place)}
            return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
