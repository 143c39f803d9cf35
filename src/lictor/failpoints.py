"""Fail points: named places at which a test can have the process killed, as a power cut would, or held.

``LICTOR_FAILPOINT=name`` in the environment makes the process kill itself with SIGKILL when it reaches that place;
``hold:name`` makes it stand still there, once, until SIGCONT, so that a test can have something happen just then.
The crash tests walk ``control.converge.fail_points()`` and ``api.vips.BETWEEN``, those of Barbican
``control.upkeep.consumers.BETWEEN``, those of Nova ``drivers.compute.nova.management.BETWEEN``, so a step that is
added is tested without anybody remembering to.
"""

import os
import signal
import threading

_ARMED = os.environ.get("LICTOR_FAILPOINT", "")
_held = threading.Event()


def reach(name: str) -> None:
    """Die here, or stand still, if the environment says so."""
    if name == _ARMED:
        os.kill(os.getpid(), signal.SIGKILL)
    if f"hold:{name}" == _ARMED and not _held.is_set():
        _held.set()
        os.kill(os.getpid(), signal.SIGSTOP)
