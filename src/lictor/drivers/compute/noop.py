"""The compute driver ``noop``: amphorae that are rows and nothing else.

Nothing runs, nothing is sent, and neither root nor haproxy is needed. For developers of clients, benchmarks and
conformance tests; everything that the API knows is accepted, as there is no data plane that could fall short of it.
"""

import hashlib
import ipaddress
import uuid

from oslo_config import cfg

from lictor.drivers.compute.base import Boot, Instance
from lictor.drivers.inventory import Anything
from lictor.drivers.network.base import Networking, Port

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_OID, "lictor:noop")
_MANAGEMENT = ipaddress.ip_network("198.19.0.0/16")  # RFC 2544: never sent to.


class NoopCompute:
    """Implements ``drivers.compute.base.Compute``: every instance asked for is there."""

    has_agents = False
    needs_root = False
    inventory = Anything

    def __init__(self, conf: cfg.ConfigOpts, networking: Networking) -> None:
        """Does nothing."""

    def prepare(self) -> None:
        """Nothing is needed."""

    def purge(self) -> None:
        """Nothing was made."""

    def find(self, amphora_id: str) -> Instance | None:
        """An instance whose columns follow from the amphora's id."""
        number = int.from_bytes(hashlib.sha256(amphora_id.encode()).digest()[:2], "big")
        address = str(_MANAGEMENT[1 + number % (_MANAGEMENT.num_addresses - 2)])
        return Instance(amphora_id, str(uuid.uuid5(_NAMESPACE, amphora_id)), address, running=True)

    def create(self, boot: Boot) -> Instance:
        """The same."""
        instance = self.find(boot.amphora_id)
        assert instance is not None
        return instance

    def attach(self, amphora_id: str, port: Port) -> None:
        """Nothing to do."""

    def detach(self, amphora_id: str, port: Port) -> None:
        """Nothing to do."""

    def delete(self, amphora_id: str) -> None:
        """Nothing to do."""

    def forget(self, load_balancer_id: str) -> None:
        """Nothing to do."""

    def instances(self) -> list[Instance]:
        """None, so that housekeeping finds nobody's."""
        return []
