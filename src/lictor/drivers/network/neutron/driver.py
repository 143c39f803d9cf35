"""Questions to Neutron, and the ports that Lictor makes there."""

import contextlib
import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg

from lictor import config
from lictor.drivers import sdk
from lictor.drivers.network.base import OWNER, NetworkError, Port, PortRequest, Protection, is_ours
from lictor.drivers.network.neutron import words
from lictor.drivers.network.neutron.answers import Answers, Visible
from lictor.drivers.network.neutron.protection import Protector
from lictor.drivers.network.neutron.words import asked
from lictor.model.store import Store


class NeutronNetwork(Answers):
    """Implements ``drivers.network.base.Networking`` with Neutron. Thread-safe.

    All that Lictor makes there says by its description which deployment made it: two of them on one cloud do not
    collect each other's. It is in the request that makes it, as a tag could not be on every Neutron: that comes after.
    """

    def __init__(self, conf: cfg.ConfigOpts, _store: Store) -> None:
        """Sends nothing yet. Raises ``Misconfigured`` if there is no good service account."""
        self._conf = conf
        self._connection = sdk.connect(conf, "neutron", "network")
        self._users = sdk.Users(conf, "neutron", "network", self._connection)
        super().__init__(self._connection.network, self._connection.network)
        self._mark, self._tag = config.deployment_mark(conf), config.deployment_tag(conf)
        self._protector = Protector(self._neutron, self._mark, self._tag)

    def as_seen_with(self, token: str | None) -> Visible:
        """The same cloud, as the owner of a token sees it (Octavia asks with the user's own; reference, 1.6).

        With ``[networking] allow_invisible_resource_usage`` everybody may use what the service account sees.
        """
        if not token or self._conf.networking.allow_invisible_resource_usage:
            return Visible(self._account, self._account)
        with asked("be asked with a user's token"):
            return Visible(self._users.connect(token).network, self._account)

    def has_network(self, network_id: str) -> bool:
        """Whether the service account sees a network of this id."""
        return self.network(network_id) is not None

    def ports(self) -> list[Port]:
        """All ports that Lictor made."""
        with asked("list ports"):
            found = (_marked(words.port(each)) for each in self._neutron.ports(description=self._mark))
            return [each for each in found if is_ours(each)]

    def ports_named(self, name: str) -> list[Port]:
        """The ports of this name that Lictor made, the oldest first."""
        return self._of_names([name])

    # --- ports ---

    def create_ports(self, requests: Sequence[PortRequest]) -> list[Port]:
        """Make each port, or take the one of its name on its subnet; all of them or none."""
        there = self._there(requests)
        missing = [request for request in requests if _place(request) not in there]
        if missing:
            self._make(missing)
            # Another worker, which does not know yet that its lease is over, may have made the same: the first one is
            # everybody's, and the others go.
            there = self._there(requests, rid=True)
        return [there[_place(request)] for request in requests]

    def _there(self, requests: Sequence[PortRequest], rid: bool = False) -> dict[tuple[str, str], Port]:
        wanted = {_place(request): request for request in requests}
        found: dict[tuple[str, str], Port] = {}
        for each in self._of_names([request.name for request in requests]):
            place = next((at for at in ((each.name, each.subnet_id), (each.name, "")) if at in wanted), None)
            if place is None or each.project_id != self._project_of(wanted[place]):
                continue  # names and descriptions are free for everybody to use
            if place not in found:
                found[place] = each
            elif rid:
                self.delete_port(each.id)
        return found

    def _of_names(self, names: list[str]) -> list[Port]:
        """The ports that Lictor made of these names, the oldest first."""
        with asked("list ports"):
            found = list(self._neutron.ports(name=names, description=self._mark))
            found.sort(key=lambda each: (each.created_at, each.id))
            return [_marked(words.port(each)) for each in found]

    def _make(self, requests: list[PortRequest]) -> None:
        """One by one: of several in one request, one that fails leaves the addresses of the others taken for good
        (Neutron of the Zed release: they have no port, and are not handed out again)."""
        bodies = [self._body(request) for request in requests]
        made: list[str] = []
        try:
            for body in bodies:
                made.append(self._made(body))
        except NetworkError:
            for port_id in made:
                with contextlib.suppress(NetworkError):  # it is collected, then
                    self.delete_port(port_id)
            raise

    def _body(self, request: PortRequest) -> dict[str, Any]:
        place = request.network_id or self._network_of(request)
        groups = self._groups(request.security_groups, place)
        return _body(request, place, self._project_of(request), self._mark) | groups

    def _groups(self, names: Sequence[str], network_id: str) -> dict[str, list[str]]:
        """Exactly these groups; on a network without port security there can be none."""
        network = self.network(network_id) if names else None
        if network is None or not network.port_security_enabled:
            return {}
        with asked("list security groups"):
            own = list(self._neutron.security_groups(project_id=self._own_project))
        return {"security_group_ids": [self._group(name, own) for name in names]}

    def _group(self, name: str, own: list[Any]) -> str:
        found = [str(each.id) for each in own if name in (each.id, each.name)]
        if len(found) != 1:
            number = f"{len(found)} security groups" if found else "no security group"
            raise NetworkError(
                f"Lictor's project has {number} of the name or id {name!r}: give the id of one of its own."
            )
        return found[0]

    @property
    def _own_project(self) -> str:
        with asked("say which project the service account is of"):
            return str(self._connection.current_project_id)

    def _project_of(self, request: PortRequest) -> str:
        """Nova lets a server have its own project's ports alone; and amphorae are the service's."""
        return self._own_project if _is_nic(request.name) else request.project_id

    def _made(self, body: dict[str, Any]) -> str:
        with asked("make a port"):
            port = self._neutron.create_port(**body)
            self._neutron.set_tags(port, [self._tag])
        return str(port.id)

    def _network_of(self, request: PortRequest) -> str:
        subnet = self.subnet(request.subnet_id)
        if subnet is None:
            raise NetworkError(f"There is no subnet {request.subnet_id}.")
        return subnet.network_id

    def delete_port(self, port_id: str) -> None:
        """Remove the port and free its address; a port that is gone is no error."""
        with asked(f"delete port {port_id}"):
            self._neutron.delete_port(port_id, ignore_missing=True)

    def protect(self, wanted: Protection) -> None:
        """See that the ports of a load balancer carry its VIPs, and are open to those who may speak to it."""
        self._protector.protect(wanted)

    def unprotect(self, load_balancer_id: str) -> None:
        """Remove what ``protect`` made besides; the ports are gone."""
        self._protector.unprotect(load_balancer_id)

    def purge(self) -> None:
        """Remove every port and security group of this deployment."""
        for port in self.ports():
            self.delete_port(port.id)
        self._protector.purge()


def _place(request: PortRequest) -> tuple[str, str]:
    return request.name, request.subnet_id


def _marked(port: Port) -> Port:
    """A port of ours, with the marks that it was made with: Nova puts its own there, and takes them away."""
    which = port.name[-36:]
    return dataclasses.replace(port, device_owner=OWNER, device_id=which if _is_nic(port.name) else f"lb-{which}")


def _is_nic(name: str) -> bool:
    return name.startswith(("octavia-lb-vrrp-", "octavia-lb-member-", "octavia-lb-mgmt-"))


def _body(request: PortRequest, network_id: str, project_id: str, mark: str) -> dict[str, Any]:
    fixed = {"subnet_id": request.subnet_id, "ip_address": request.ip_address}
    wanted = {
        "name": request.name,
        "network_id": network_id,
        # Without a subnet, Neutron chooses: an address of each kind that the network has.
        "fixed_ips": [{name: value for name, value in fixed.items() if value}] if request.subnet_id else "",
        "device_owner": request.device_owner,
        # Nova takes no port that is a device's already.
        "device_id": "" if _is_nic(request.name) else request.device_id,
        "project_id": project_id,
        "admin_state_up": request.admin_state_up,
        "description": mark,
    }
    return dict(itertools.filterfalse(lambda item: item[1] == "", wanted.items()))
