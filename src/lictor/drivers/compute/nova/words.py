"""Nova's servers and faults in the words of ``drivers.compute.base``."""

import contextlib
from collections.abc import Iterator
from typing import Any

from lictor.drivers import sdk
from lictor.drivers.compute.base import ComputeError, Instance

PREFIX = "amphora-"
"""What the names of servers begin with, as Octavia's do; the amphora's id follows."""

ADDRESS = "management_address"
"""The server's metadata that has its address on the management network."""

_ALIVE = {"BUILD", "ACTIVE", "REBOOT", "HARD_REBOOT", "PASSWORD", "RESIZE", "VERIFY_RESIZE", "MIGRATING"}
"""States in which a server runs, or will without anybody's help."""


@contextlib.contextmanager
def asked(what: str, service: str = "Nova") -> Iterator[None]:
    """Say what failed in the words of the contract; ``what`` is what the service was asked to do."""
    try:
        yield
    except sdk.FAULTS as error:
        raise ComputeError(f"{service} could not {what}: {sdk.said(error)[1]}") from error


def instance(server: Any) -> Instance:
    """A server as an instance. Its address is what it was born with: Nova shows it, by networks' names, much later."""
    task = f" ({server.task_state})" if server.task_state else ""
    leaves = server.task_state == "deleting"
    return Instance(
        amphora_id=server.name.removeprefix(PREFIX),
        compute_id=server.id,
        lb_network_ip=server.metadata.get(ADDRESS, ""),
        running=server.status in _ALIVE and not leaves,
        fault=_fault(server) if server.status == "ERROR" and not leaves else "",
        said=f"Its server {server.id} is in {server.status}{task}.",
    )


def _fault(server: Any) -> str:
    """Why a server is not what it should be, in Nova's words."""
    found = server.fault or {}
    message = str(found.get("message") or "it says no reason")
    return f"Server {server.id} is in {server.status}: {message.rstrip('.')}."
