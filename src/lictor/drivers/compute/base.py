"""The seam to whatever runs amphorae.

Entry points of the group ``lictor.compute.drivers`` name a class that is built with the configuration and the network
driver. Every call is idempotent and found again by the amphora's id alone, so that a worker that died between "made"
and "written down" leaks nothing.
"""

import dataclasses
from collections.abc import Callable
from typing import Protocol

from oslo_config import cfg

from lictor.drivers.inventory import Inventory
from lictor.drivers.network.base import Port


class ComputeError(Exception):
    """The instance could not be made, found or removed; the message is for users to read, and trying again may help."""


class StillLeaving(ComputeError):
    """An instance or a NIC is to go, and has not gone yet: no failure; the same is to be asked again a little later."""


class HostNotReady(Exception):
    """This host cannot run amphorae; the message says in one sentence why and what to do."""


@dataclasses.dataclass(frozen=True)
class Boot:
    """What an amphora is born with: who it is, its certificate and key, and the CA whose clients it obeys (all PEM).

    ``anti_affinity`` asks for another host than that of the load balancer's other amphora, in Nova's words:
    ``anti-affinity`` (or there is none), ``soft-anti-affinity`` (if that can be), or nothing. ``compute_flavor``,
    ``image_tag``, ``availability_zone`` and ``management_networks`` are what the load balancer's flavor and
    availability zone say; where they say nothing, the configuration does. ``ports`` are those that the first NICs are
    for. A driver that knows one host only passes over all that.
    """

    amphora_id: str
    load_balancer_id: str
    certificate: str
    private_key: str
    client_ca: str
    anti_affinity: str = ""
    compute_flavor: str = ""
    image_tag: str = ""
    availability_zone: str = ""
    management_networks: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()


@dataclasses.dataclass(frozen=True)
class Instance:
    """An instance as the compute service sees it. ``running`` is false for one that is broken or half made.

    ``fault`` is why it is, if the service knows; ``said`` what else there is to say of it. Both are for users: a
    sentence, or nothing.
    """

    amphora_id: str
    compute_id: str
    lb_network_ip: str
    running: bool
    fault: str = ""
    said: str = ""


class Compute(Protocol):
    """What the loop asks of a compute driver."""

    has_agents: bool
    """Whether an agent runs in each instance, which is told what to be and sends heartbeats."""

    needs_root: bool
    """Whether instances are made on this host, which takes root."""

    inventory: Callable[[cfg.ConfigOpts], Inventory]
    """Who says what instances can be made of: a class, as the API has none of these drivers (``drivers.inventory``)."""

    def prepare(self) -> None:
        """Check that instances can be made here, and see to what all of them share. Idempotent."""

    def find(self, amphora_id: str) -> Instance | None:
        """The instance of this amphora, or None if nothing of it is left."""

    def create(self, boot: Boot) -> Instance:
        """Begin to make the instance, and wait for nothing that takes long. What a dead attempt left is replaced.

        Raises ``StillLeaving`` if that is not gone yet.
        """

    def attach(self, amphora_id: str, port: Port) -> None:
        """See that the amphora has a NIC for this port (its MAC address, on its network).

        One that is still being made may be left for the next call, and one that failed to ``find``.
        """

    def detach(self, amphora_id: str, port: Port) -> None:
        """See that it has none.

        Raises ``StillLeaving`` if that takes longer than a worker should wait.
        """

    def delete(self, amphora_id: str) -> None:
        """Remove the instance and all its NICs; on return nothing of it is left.

        Raises ``StillLeaving`` if that takes longer than a worker should wait.
        """

    def forget(self, load_balancer_id: str) -> None:
        """Remove what the amphorae of a load balancer shared; they are gone. Idempotent."""

    def purge(self) -> None:
        """Remove every instance of this deployment and what they share; the database may be gone already.

        Waits until they are gone.
        """

    def instances(self) -> list[Instance]:
        """All instances of this deployment, also those that no row speaks of."""
