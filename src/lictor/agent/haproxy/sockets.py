"""UNIX sockets of the agent's that HAProxy's workers speak to."""

import os
import pathlib
import socket

from lictor.agent.haproxy.section import NOBODY


def bound(path: pathlib.Path, kind: socket.SocketKind) -> socket.socket:
    """A socket at this path, in place of what is there. Raises ``OSError``."""
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, kind)
    made.bind(str(path))
    os.chown(path, -1, NOBODY)
    path.chmod(0o660)  # connecting and sending take the right to write (unix(7))
    return made
