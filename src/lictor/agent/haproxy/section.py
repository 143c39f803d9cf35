"""The ``global`` section that is the agent's to write: what depends on the machine, not on the load balancer.

HAProxy merges the ``global`` sections of several files, and a later file wins: the delivered one comes second.
"""

import pathlib
import resource

_RESERVED = 29
"""File descriptors that HAProxy needs before any connection (FACTS: maxconn = (nofile - 29) / 2)."""

_SHARE = 10
"""One descriptor in so many is set aside for health checks and listeners."""

_MOST = 200_000
"""Descriptors used at most: HAProxy's table for more of them would cost an amphora memory that it never needs."""


def global_section(directory: pathlib.Path, files: pathlib.Path) -> str:
    """The text of ``global.cfg``; ``files`` is where relative file names of the delivered configuration are found.

    No chroot: PING monitors run an external program. The worker runs as nobody all the same.
    """
    descriptors = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], _MOST)
    if descriptors <= 0:  # RLIM_INFINITY
        descriptors = _MOST
    maxconn = (descriptors - _RESERVED - descriptors // _SHARE) // 2
    return f"""global
    default-path origin {files}
    stats socket {directory}/haproxy.sock mode 600 level admin expose-fd listeners
    server-state-file {directory}/servers.state
    master-worker
    uid 65534
    gid 65534
    fd-hard-limit {descriptors}
    maxconn {maxconn}
    hard-stop-after 30m
"""
