"""The logs of one amphora: those of its users' connections, and those for its operator."""

import os
import pathlib
import time

from lictor import wire
from lictor.agent import errors
from lictor.agent.haproxy.section import ADMINISTRATIVE, FLOW, host_name
from lictor.agent.logs.forwarder import Forwarder, priority

_INFO = 6
"""Severity of what HAProxy says of connections. What it says of a listener itself is more severe, and no user's."""


class Logs:
    """Both kinds. What the agent itself says goes with the operator's."""

    def __init__(self, directory: pathlib.Path, amphora_id: str) -> None:
        self._flow = Forwarder(directory / FLOW, "flow logs", _INFO)
        self._administrative = Forwarder(directory / ADMINISTRATIVE, "administrative logs")
        self._head = f"{host_name(amphora_id)} lictor-agent[{os.getpid()}]:"
        self._facility = 1

    def converge(self, wanted: wire.Logs) -> None:
        """Send logs there from now on. Raises ``OSError`` when the machine fails."""
        self._flow.converge(wanted.flow)
        self._administrative.converge(wanted.administrative)
        self._facility = wanted.administrative.facility if wanted.administrative else 1
        errors.log_to(self._say if wanted.administrative else None, local=wanted.local)

    def dropped(self) -> int:
        """Lines of users' connections that were not passed on since the agent started."""
        return self._flow.dropped

    def _say(self, sentence: str) -> None:
        """In the form of RFC 3164, as HAProxy's lines have it: local time, and a day without a leading zero."""
        stamp = time.strftime("%b %e %H:%M:%S")
        self._administrative.put(priority(self._facility) + f"{stamp} {self._head} {sentence}".encode())
