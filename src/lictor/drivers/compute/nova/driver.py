"""Amphorae as servers: made, found again by their name and tag, plugged, removed."""

import base64
import contextlib
import functools
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
from openstack import exceptions
from openstack.connection import Connection
from oslo_config import cfg

from lictor import config
from lictor.drivers import sdk
from lictor.drivers.compute.base import Boot, ComputeError, HostNotReady, Instance, StillLeaving
from lictor.drivers.compute.nova import management, parts, words
from lictor.drivers.compute.nova.inventory import NovaInventory
from lictor.drivers.compute.nova.words import PREFIX, asked
from lictor.drivers.network.base import Networking, Port
from lictor.failpoints import reach
from lictor.wire import FirstSteps, Interface

_PAUSE = 0.5
"""Seconds between looks at a server that is being built or deleted."""

_PATIENCE = 2.0
"""Seconds that a worker waits for a server or a NIC to go, before it sees to something else meanwhile."""

_GONE = 60.0
"""Seconds that a server or a NIC may take to go."""

_NOT_TO_BE_PLUGGED = ("BUILD", "ERROR")

_NEEDED = ("amp_flavor_id", "amp_image_tag", "amp_boot_network_list")


class NovaCompute:
    """Implements ``drivers.compute.base.Compute`` with Nova and Glance. Thread-safe.

    A server has the name ``amphora-<id>`` and the tag of the deployment; both are given in the request that makes it,
    so that there is no moment at which it would not be found again.
    """

    has_agents = True
    needs_root = False
    inventory = NovaInventory

    def __init__(self, conf: cfg.ConfigOpts, networking: Networking) -> None:
        """Sends nothing yet. Raises ``Misconfigured`` if there is no good service account."""
        self._conf = conf
        self._options = conf.controller_worker
        self._networking = networking
        self._connection = sdk.connect(conf, "nova", "compute")
        self._images: Connection = sdk.connect(conf, "glance", "image")
        self._tag = config.deployment_tag(conf)
        # The two of a pair boot side by side: each would make a group of its own, and nothing would keep them apart.
        self._grouping = threading.Lock()
        self._leaving: dict[str, float] = {}  # servers and ports that go slowly, and when that was first seen

    @property
    def _nova(self) -> Any:
        return self._connection.compute

    def prepare(self) -> None:
        """Check that it is said what amphorae are made from. Whether the cloud has it is seen with the first one."""
        missing = [name for name in _NEEDED if not getattr(self._options, name)]
        if missing:
            raise HostNotReady(f"[controller_worker] {missing[0]} is not set: amphorae cannot be made without it.")

    # --- which there are ---

    def find(self, amphora_id: str) -> Instance | None:
        """The server of this amphora, or None if there is none; of several the one that runs."""
        found = [words.instance(server) for server in self._servers(amphora_id)]
        return next((each for each in found if each.running), found[0] if found else None)

    def instances(self) -> list[Instance]:
        """All servers with the tag of the deployment."""
        return [words.instance(server) for server in self._all()]

    def _all(self) -> list[Any]:
        with asked("list servers"):
            return [server for server in self._nova.servers(tags=self._tag) if server.name.startswith(PREFIX)]

    def _servers(self, amphora_id: str) -> list[Any]:
        with asked(f"list the servers of amphora {amphora_id}"):
            return list(self._nova.servers(name=f"^{PREFIX}{amphora_id}$", tags=self._tag))

    # --- making and removing ---

    def create(self, boot: Boot) -> Instance:
        """Have Nova make a server; what becomes of it, ``find`` tells. What there was of it before goes first."""
        self.delete(boot.amphora_id)
        body = self._wired(boot, self._body(boot))
        reach("management port made")
        where = f" in availability zone {body['availability_zone']!r}" if "availability_zone" in body else ""
        with asked(f"make a server of flavor {body['flavor_id']!r}{where} for amphora {boot.amphora_id}"):
            server = self._nova.create_server(**body)
        address = body["metadata"][words.ADDRESS]
        return Instance(boot.amphora_id, server.id, address, running=True, said=f"Nova makes server {server.id}.")

    def _body(self, boot: Boot) -> dict[str, Any]:
        options = self._options
        with self._grouping:
            group = parts.server_group(self._nova, boot)
        wanted: dict[str, Any] = {
            "name": f"{PREFIX}{boot.amphora_id}",
            "image_id": parts.newest_image(
                self._images.image, boot.image_tag or options.amp_image_tag, options.amp_image_owner_id
            ),
            "flavor_id": boot.compute_flavor or options.amp_flavor_id,
            "key_name": options.amp_ssh_key_name,
            "availability_zone": boot.availability_zone or self._conf.nova.availability_zone,
            "config_drive": True,
            "tags": [self._tag],
            "security_groups": [{"name": each} for each in options.amp_secgroup_list],
            "scheduler_hints": {"group": group} if group else {},
        }
        return {name: value for name, value in wanted.items() if value}

    def _wired(self, boot: Boot, body: dict[str, Any]) -> dict[str, Any]:
        """The same with NICs: for management, for further networks of the operator's, for load balancers.

        Nova makes the ports on further networks, as it does for Octavia. Ours is made last of all that may go wrong.
        """
        first, *others = boot.management_networks or tuple(self._options.amp_boot_network_list)
        port, nic = management.made(self._networking, boot.amphora_id, first, self._options.amp_secgroup_list)
        ports = [{"port": each.id} for each in boot.ports]
        return body | {
            "networks": [{"port": port.id}, *({"uuid": each} for each in others), *ports],
            "user_data": self._first_steps(boot, nic, 1 + len(others)),
            "metadata": {
                "amphora_id": boot.amphora_id,
                "load_balancer_id": boot.load_balancer_id,
                words.ADDRESS: port.ip_address,
            },
        }

    def _first_steps(self, boot: Boot, nic: Interface, boot_nics: int) -> str:
        steps = FirstSteps(
            amphora_id=boot.amphora_id,
            certificate=boot.certificate,
            private_key=boot.private_key,
            client_ca=boot.client_ca,
            bind_port=self._conf.haproxy_amphora.bind_port,
            management=nic,
            boot_nics=boot_nics,
        )
        return base64.b64encode(msgspec.json.encode(steps)).decode()

    def delete(self, amphora_id: str) -> None:
        """Remove its servers and, once they are gone, the management port, as ports are free then."""
        servers = self._servers(amphora_id)
        self._ask_to_delete(servers)
        if servers:
            there = functools.partial(self._servers, amphora_id)
            self._wait_while(there, servers[0].id, f"server {servers[0].id}")
        management.removed(self._networking, amphora_id)

    def _wait_while(self, there: Callable[[], object], which: str, what: str) -> None:
        """Wait a little. Raises ``StillLeaving`` if that does not do, and ``ComputeError`` if it never seems to."""
        deadline = time.monotonic() + _PATIENCE
        while there():
            if time.monotonic() > deadline:
                raise self._late(which, what)
            time.sleep(_PAUSE)
        self._leaving.pop(which, None)

    def _late(self, which: str, what: str) -> ComputeError:
        """What it means that this is still there."""
        clock = time.monotonic()
        # Another worker may see the end of one: nothing is kept for good.
        self._leaving = {each: since for each, since in self._leaving.items() if clock - since < 60 * _GONE}
        if clock - self._leaving.setdefault(which, clock) > _GONE:
            return ComputeError(f"Nova has not removed {what} within {_GONE:.0f} s.")
        return StillLeaving(f"Nova is removing {what}.")

    def _ask_to_delete(self, servers: list[Any]) -> None:
        for server in servers:
            with asked(f"delete server {server.id}"):
                self._nova.delete_server(server, ignore_missing=True)

    def purge(self) -> None:
        """Remove all servers of the deployment, their management ports and server groups."""
        servers = self._all()
        self._ask_to_delete(servers)  # They go side by side.
        for amphora_id in {words.instance(server).amphora_id for server in servers}:
            self._delete_to_the_end(amphora_id)
        for load_balancer_id in {server.metadata.get("load_balancer_id", "") for server in servers} - {""}:
            self.forget(load_balancer_id)

    def _delete_to_the_end(self, amphora_id: str) -> None:
        while True:
            with contextlib.suppress(StillLeaving):
                return self.delete(amphora_id)

    def forget(self, load_balancer_id: str) -> None:
        """Remove the server group of its amphorae."""
        for group in parts.groups(self._nova, load_balancer_id):
            with asked(f"delete server group {group.id}"):
                self._nova.delete_server_group(group, ignore_missing=True)

    # --- NICs ---

    def attach(self, amphora_id: str, port: Port) -> None:
        """See that the server has a NIC for this port. One that Nova still makes will have those it was made with.

        Into one that failed Nova plugs nothing: it is left to ``find``, which says why it failed.
        """
        server = self._server(amphora_id)
        if server.status in _NOT_TO_BE_PLUGGED or self._has(server, port):
            return
        with asked(f"plug port {port.id} into server {server.id}"):
            self._nova.create_server_interface(server, port_id=port.id)

    def detach(self, amphora_id: str, port: Port) -> None:
        """See that it has none."""
        for server in self._servers(amphora_id):
            with asked(f"unplug port {port.id} from server {server.id}"):
                self._nova.delete_server_interface(port.id, server=server, ignore_missing=True)
            there = functools.partial(self._has, server, port)
            self._wait_while(there, port.id, f"port {port.id} from server {server.id}")

    def _server(self, amphora_id: str) -> Any:
        servers = self._servers(amphora_id)
        if not servers:
            raise ComputeError(f"The server of amphora {amphora_id} is gone.")
        return servers[0]

    def _has(self, server: Any, port: Port) -> bool:
        with asked(f"list the NICs of server {server.id}"):
            try:
                return any(each.port_id == port.id for each in self._nova.server_interfaces(server))
            except exceptions.NotFoundException:
                return False
