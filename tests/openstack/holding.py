"""Nova-compute that does nothing for a while, as on a host that hangs."""

import subprocess

from tests.lab.processes import stopped


def compute_held():
    """Meanwhile Nova takes orders, and nobody carries them out."""
    found = subprocess.run(["pgrep", "-f", "lictor_lab_compute"], check=True, capture_output=True, text=True)
    return stopped([int(pid) for pid in found.stdout.split()])
