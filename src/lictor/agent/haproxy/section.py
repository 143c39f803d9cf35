"""The sections that are the agent's to write: what depends on the machine, not on the load balancer.

HAProxy merges the ``global`` sections of several files, and a later file wins: the delivered one comes second.
"""

import os
import pathlib
import resource

from lictor import wire

_RESERVED = 29
"""File descriptors that HAProxy needs before any connection (FACTS: maxconn = (nofile - 29) / 2)."""

_SHARE = 10
"""One descriptor in so many is set aside for health checks and listeners."""

_MOST = 200_000
"""Descriptors used at most: HAProxy's table for more of them would cost an amphora memory that it never needs."""

_MOST_THREADS = 4
"""Threads used at most: four carry more than an amphora's network does, and each costs memory in every amphora, of
which a large host has hundreds."""

NOBODY = 65534
"""User and group of HAProxy's workers."""

EXPORTER = "exporter.sock"
"""Where, in the agent's directory, HAProxy tells the agent its figures."""

METRICS = "metrics.sock"
"""Where, in the agent's directory, the agent answers what clients ask PROMETHEUS listeners."""

FLOW, ADMINISTRATIVE = "flow.sock", "administrative.sock"
"""Where, in the agent's directory, HAProxy's log lines go: those of connections, and those of itself."""

_LONGEST_LINE = 4096
"""Bytes: a request's line has 1,024 at most in a log, thrice as many where none of them is printable."""


def sections(directory: pathlib.Path, files: pathlib.Path, logs: wire.Logs, amphora_id: str) -> str:
    """The text of ``global.cfg``; ``files`` is where relative file names of the delivered configuration are found."""
    return f"{global_section(directory, files)}{_logs(directory, logs, amphora_id)}\n{_metrics(directory)}"


def host_name(amphora_id: str) -> str:
    """What log lines call the amphora, as Octavia's do."""
    return f"amphora-{amphora_id}"


def _logs(directory: pathlib.Path, logs: wire.Logs, amphora_id: str) -> str:
    """The loggers that the delivered configuration means by ``log global``."""
    lines = []
    if logs.flow:
        lines.append(f"    log {directory}/{FLOW} len {_LONGEST_LINE} local{logs.flow.facility} info\n")
    if logs.administrative:
        where = f"{directory}/{ADMINISTRATIVE} len {_LONGEST_LINE}"
        lines.append(f"    log {where} local{logs.administrative.facility} notice\n")
    return "".join([*lines, f"    log-send-hostname {host_name(amphora_id)}\n"]) if lines else ""


def global_section(directory: pathlib.Path, files: pathlib.Path) -> str:
    """The process: its sockets and limits.

    No chroot: PROMETHEUS listeners connect to the agent's socket. The worker runs as nobody all the same.

    ``hard-stop-after``: a worker that a reload replaced, and that one connection keeps, costs 4 MiB; half an hour is
    longer than most connections live.

    ``max-spread-checks``: the first checks of all servers are made within 50 ms of a start or a reload, and that of a
    server that is added later as soon; else the last ones would have to wait for up to their interval.

    ``tune.bufsize`` stays as it is: buffers of 64 KiB halve the time for large bodies where packets are of 1500 bytes,
    but cost four times the memory for each connection in which something moves; larger packets do better for nothing.
    No splicing either: its pipes take a fifth of the descriptors, for a tenth of that time.
    """
    descriptors = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], _MOST)
    if descriptors <= 0:  # RLIM_INFINITY
        descriptors = _MOST
    maxconn = (descriptors - _RESERVED - descriptors // _SHARE) // 2
    return f"""global
    default-path origin {files}
    crt-base {files}
    ca-base {files}
    stats socket {directory}/haproxy.sock mode 600 level admin expose-fd listeners
    server-state-file {directory}/servers.state
    master-worker
    uid {NOBODY}
    gid {NOBODY}
    fd-hard-limit {descriptors}
    maxconn {maxconn}
    nbthread {min(len(os.sched_getaffinity(0)), _MOST_THREADS)}
    hard-stop-after 30m
    max-spread-checks 50ms
"""


def _metrics(directory: pathlib.Path) -> str:
    """The way of a PROMETHEUS listener's answer: a listener, this backend, the agent, this frontend, and back."""
    return f"""frontend {wire.INTERNAL}exporter
    mode http
    bind unix@{directory}/{EXPORTER} mode 600
    maxconn 16
    timeout client 10s
    http-request use-service prometheus-exporter

backend {wire.METRICS_BACKEND}
    mode http
    timeout connect 1s
    timeout queue 5s
    timeout server 20s
    server agent unix@{directory}/{METRICS} maxconn 8
"""
