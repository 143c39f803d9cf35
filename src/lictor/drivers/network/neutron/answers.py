"""What Neutron says there is: to the service account, or to whoever a token belongs to."""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

from openstack import exceptions

from lictor.drivers.network.base import Named, Network, Port, Subnet
from lictor.drivers.network.neutron import words
from lictor.drivers.network.neutron.words import asked

O = TypeVar("O", Network, Subnet, Port, Named)  # noqa: E741 - an object of Neutron's


class Answers:
    """Implements ``drivers.network.base.Seen``.

    ``neutron`` and ``account`` are openstacksdk's network proxies: of whoever asks, and of the service account, which
    alone is told how many addresses are free.
    """

    def __init__(self, neutron: Any, account: Any) -> None:
        self._neutron, self._account = neutron, account

    def networks(self) -> list[Network]:
        """All networks."""
        with asked("list networks"):
            return [words.network(each) for each in self._neutron.networks()]

    def subnets(self) -> list[Subnet]:
        """All subnets."""
        with asked("list subnets"):
            return [words.subnet(each) for each in self._neutron.subnets()]

    def network(self, network_id: str) -> Network | None:
        """One network by id, or None."""
        return self._one(self._neutron.get_network, network_id, words.network)

    def subnet(self, subnet_id: str) -> Subnet | None:
        """One subnet by id, or None."""
        return self._one(self._neutron.get_subnet, subnet_id, words.subnet)

    def port(self, port_id: str) -> Port | None:
        """One port by id, or None."""
        return self._one(self._neutron.get_port, port_id, words.port)

    def qos_policy(self, policy_id: str) -> Named | None:
        """One QoS policy by id, or None; also where Neutron knows no QoS."""
        return self._one(self._neutron.get_qos_policy, policy_id, words.named)

    def security_group(self, group_id: str) -> Named | None:
        """One security group by id, or None."""
        return self._one(self._neutron.get_security_group, group_id, words.named)

    def _one(self, get: Callable[[str], Any], which: str, word: Callable[[Any], O]) -> O | None:
        with asked(f"show {which}"):
            try:
                return word(get(which))
            except exceptions.NotFoundException:
                return None

    def free_addresses(self, subnet_id: str) -> int | None:
        """How many addresses of a subnet's pools are free, or None if Neutron does not say."""
        subnet = self.subnet(subnet_id)
        if subnet is None:
            return None
        with asked(f"say how many addresses are free on network {subnet.network_id}"):
            try:
                found = self._account.get_network_ip_availability(subnet.network_id).subnet_ip_availability
            except (exceptions.NotFoundException, exceptions.ForbiddenException):
                return None
        mine = (each for each in found if each["subnet_id"] == subnet_id)
        return next((int(each["total_ips"]) - int(each["used_ips"]) for each in mine), None)


class Visible(Answers):
    """What somebody may use: Neutron has decided that, so none of it is of one project in particular."""

    def _one(self, get: Callable[[str], Any], which: str, word: Callable[[Any], O]) -> O | None:
        found = super()._one(get, which, word)
        return dataclasses.replace(found, project_id="") if found else None
