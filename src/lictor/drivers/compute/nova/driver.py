"""Amphorae as servers: made, found again by their name and tag, plugged, removed."""

import base64
import time
from collections.abc import Callable
from typing import Any

import msgspec
from openstack import exceptions
from openstack.connection import Connection
from oslo_config import cfg

from lictor import config
from lictor.drivers import sdk
from lictor.drivers.compute.base import Boot, ComputeError, HostNotReady, Instance
from lictor.drivers.compute.nova import parts, words
from lictor.drivers.compute.nova.words import PREFIX, asked
from lictor.drivers.network.base import Networking, Port
from lictor.wire import FirstSteps

_PAUSE = 0.5
"""Seconds between looks at a server that is being built or deleted."""

_GONE = 60.0
"""Seconds that a server may take to go, and a NIC to come."""

_NEEDED = ("amp_flavor_id", "amp_image_tag", "amp_boot_network_list")


class NovaCompute:
    """Implements ``drivers.compute.base.Compute`` with Nova and Glance. Thread-safe.

    A server has the name ``amphora-<id>`` and the tag of the deployment; both are given in the request that makes it,
    so that there is no moment at which it would not be found again.
    """

    has_agents = True
    needs_root = False

    def __init__(self, conf: cfg.ConfigOpts, networking: Networking) -> None:
        """Sends nothing yet. Raises ``Misconfigured`` if there is no good service account."""
        self._conf = conf
        self._options = conf.controller_worker
        self._networking = networking
        self._connection = sdk.connect(conf, "nova", "compute")
        self._images: Connection = sdk.connect(conf, "glance", "image")
        self._tag = config.deployment_tag(conf)
        self._names: dict[str, str] = {}

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
        found = [self._instance(server) for server in self._servers(amphora_id)]
        return next((each for each in found if each.running), found[0] if found else None)

    def instances(self) -> list[Instance]:
        """All servers with the tag of the deployment."""
        with asked("list servers"):
            found = self._nova.servers(tags=self._tag)
            return [self._instance(server) for server in found if server.name.startswith(PREFIX)]

    def _servers(self, amphora_id: str) -> list[Any]:
        with asked(f"list the servers of amphora {amphora_id}"):
            return list(self._nova.servers(name=f"^{PREFIX}{amphora_id}$", tags=self._tag))

    def _instance(self, server: Any) -> Instance:
        return words.instance(server, self._name_of(server.metadata.get("management_network", "")))

    def _name_of(self, network_id: str) -> str:
        """Nova tells a server's networks by their names, which hardly ever change."""
        if network_id and network_id not in self._names:
            network = self._networking.network(network_id)
            self._names |= {network_id: network.name} if network else {}
        return self._names.get(network_id, "")

    # --- making and removing ---

    def create(self, boot: Boot) -> Instance:
        """Make a server, and return when it has an address to be managed at. What there was of it before goes first.

        Raises ``ComputeError`` with Nova's fault if the server fails.
        """
        self.delete(boot.amphora_id)
        body = self._body(boot)
        where = f" in availability zone {body['availability_zone']!r}" if "availability_zone" in body else ""
        with asked(f"make a server of flavor {body['flavor_id']!r}{where} for amphora {boot.amphora_id}"):
            server = self._nova.create_server(**body)
        return self._instance(self._when(server, lambda now: bool(self._instance(now).lb_network_ip), "no address"))

    def _body(self, boot: Boot) -> dict[str, Any]:
        options = self._options
        networks = boot.management_networks or tuple(options.amp_boot_network_list)
        group = parts.server_group(self._nova, boot)
        wanted: dict[str, Any] = {
            "name": f"{PREFIX}{boot.amphora_id}",
            "image_id": parts.newest_image(
                self._images.image, boot.image_tag or options.amp_image_tag, options.amp_image_owner_id
            ),
            "flavor_id": boot.compute_flavor or options.amp_flavor_id,
            "key_name": options.amp_ssh_key_name,
            "availability_zone": boot.availability_zone or self._conf.nova.availability_zone,
            "networks": [{"uuid": each} for each in networks] + [{"port": port.id} for port in boot.ports],
            "config_drive": True,
            "user_data": self._first_steps(boot, len(networks)),
            "metadata": {
                "amphora_id": boot.amphora_id,
                "load_balancer_id": boot.load_balancer_id,
                "management_network": networks[0],
            },
            "tags": [self._tag],
            "security_groups": [{"name": each} for each in options.amp_secgroup_list],
            "scheduler_hints": {"group": group} if group else {},
        }
        return {name: value for name, value in wanted.items() if value}

    def _first_steps(self, boot: Boot, boot_nics: int) -> str:
        steps = FirstSteps(
            amphora_id=boot.amphora_id,
            certificate=boot.certificate,
            private_key=boot.private_key,
            client_ca=boot.client_ca,
            bind_port=self._conf.haproxy_amphora.bind_port,
            boot_nics=boot_nics,
        )
        return base64.b64encode(msgspec.json.encode(steps)).decode()

    def delete(self, amphora_id: str) -> None:
        """Remove its servers, and wait until they are gone: their ports are free then."""
        servers = self._servers(amphora_id)
        for server in servers:
            with asked(f"delete server {server.id}"):
                self._nova.delete_server(server, ignore_missing=True)
        deadline = time.monotonic() + _GONE
        while servers and (servers := self._servers(amphora_id)):
            if time.monotonic() > deadline:
                raise ComputeError(f"Nova has not deleted server {servers[0].id} within {_GONE:.0f} s.")
            time.sleep(_PAUSE)

    def forget(self, load_balancer_id: str) -> None:
        """Remove the server group of its amphorae."""
        for group in parts.groups(self._nova, load_balancer_id):
            with asked(f"delete server group {group.id}"):
                self._nova.delete_server_group(group, ignore_missing=True)

    def _when(self, server: Any, done: Callable[[Any], bool], what: str) -> Any:
        """The server, once it is ``done``; a slow boot is told from a failed one."""
        seconds = self._options.amp_active_retries * self._options.amp_active_wait_sec
        deadline = time.monotonic() + seconds
        while True:
            with asked(f"show server {server.id}"):
                server = self._nova.get_server(server.id)
            if server.status == "ERROR":
                raise ComputeError(f"Nova could not start an amphora: {words.fault(server)}")
            if done(server):
                return server
            if time.monotonic() > deadline:
                raise ComputeError(
                    f"Nova is slow: server {server.id} has {what} after {seconds:.0f} s, and is in {server.status} "
                    f"({server.task_state or 'no task'})."
                )
            time.sleep(_PAUSE)

    # --- NICs ---

    def attach(self, amphora_id: str, port: Port) -> None:
        """See that the server has a NIC for this port."""
        server = self._server(amphora_id)
        if self._has(server, port):
            return
        self._when(server, lambda now: now.status == "ACTIVE", "not become ACTIVE")
        with asked(f"plug port {port.id} into server {server.id}"):
            self._nova.create_server_interface(server, port_id=port.id)

    def detach(self, amphora_id: str, port: Port) -> None:
        """See that it has none, and wait until it is so."""
        for server in self._servers(amphora_id):
            with asked(f"unplug port {port.id} from server {server.id}"):
                self._nova.delete_server_interface(port.id, server=server, ignore_missing=True)
            deadline = time.monotonic() + _GONE
            while self._has(server, port):
                if time.monotonic() > deadline:
                    raise ComputeError(f"Nova has not unplugged port {port.id} within {_GONE:.0f} s.")
                time.sleep(_PAUSE)

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
