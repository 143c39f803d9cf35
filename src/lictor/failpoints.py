"""Fail points: named places at which a test can have the process killed, as a power cut would.

``LICTOR_FAILPOINT=name`` in the environment makes the process kill itself with SIGKILL when it reaches that place. The
crash tests walk ``control.converge.fail_points()`` and ``api.vips.BETWEEN``, so a step that is added is tested without
anybody remembering to.
"""

import os
import signal

_ARMED = os.environ.get("LICTOR_FAILPOINT", "")


def reach(name: str) -> None:
    """Die here if the environment says so."""
    if name == _ARMED:
        os.kill(os.getpid(), signal.SIGKILL)
