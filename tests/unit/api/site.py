"""A network as a site with Neutron has it: several subnets, policies, groups, and ports with two addresses.

Addresses are handed out and given back by the embedded driver, of which this is one with more subnets. What only
Neutron has is there under fixed ids.
"""

import dataclasses
import pathlib

from lictor.drivers.network.base import FixedIp, Named, Network, Port, PortRequest, Subnet
from lictor.drivers.network.local import LocalNetwork
from lictor.drivers.network.ranges import parse
from tests.unit.api.world import World

POLICY, INHERITED, GROUP = (f"{number}0000000-0000-4000-8000-000000000000" for number in (1, 2, 3))


class SiteNetwork(LocalNetwork):
    """Networks: ``home`` with subnets ``four``, ``small`` and ``six``; ``open`` without port security."""

    def __init__(self, conf, store) -> None:
        super().__init__(conf, store)
        (self.four,) = self.subnets()
        self.small, self.six = self._more("small", "192.0.2.0/28"), self._more("six", "2001:db8::/64")
        self.home = dataclasses.replace(self.networks()[0], subnet_ids=(self.six.id, self.small.id, self.four.id))
        self.open = Network(self._id("network:open"), "open", 1500, (), port_security_enabled=False)
        lonely = self._more("lonely", "198.51.100.0/24")
        self.lonely = dataclasses.replace(lonely, network_id=self.open.id)
        self.open = dataclasses.replace(self.open, subnet_ids=(self.lonely.id,))
        self._network_ids[self.lonely.id] = self.open.id
        self._all = {each.id: each for each in (self.four, self.small, self.six, self.lonely)}

    def _more(self, name: str, cidr: str) -> Subnet:
        span = parse("cidr", cidr, servers=True)
        subnet_id, network_id = self._id(f"subnet:{name}"), self.networks()[0].id
        self._ranges[subnet_id], self._network_ids[subnet_id] = span, network_id
        return Subnet(subnet_id, name, network_id, cidr, span.gateway, (span.pool(),))

    def network(self, network_id: str) -> Network | None:
        return {each.id: each for each in (self.home, self.open)}.get(network_id)

    def subnet(self, subnet_id: str) -> Subnet | None:
        return self._all.get(subnet_id)

    def port(self, port_id: str) -> Port | None:
        """Ports named "two" have another address on the IPv6 subnet, those named "slow" a QoS policy."""
        port = next((each for subnet_id in self._all for each in self._ports(subnet_id) if each.id == port_id), None)
        if port is not None and port.name == "two":
            return dataclasses.replace(port, others=(FixedIp(self.six.id, "2001:db8::5"),))
        return dataclasses.replace(port, qos_policy_id=INHERITED) if port and port.name == "slow" else port

    def qos_policy(self, policy_id: str) -> Named | None:
        return Named(policy_id, "policy") if policy_id in (POLICY, INHERITED) else None

    def security_group(self, group_id: str) -> Named | None:
        return Named(group_id, "group") if group_id == GROUP else None

    def bring(self, name: str, subnet: Subnet, **values: str) -> Port:
        """A port as a user makes it, in use by nothing."""
        return self.create_ports([PortRequest(name, subnet.id, device_owner="", **values)])[0]

    def names(self) -> set[str]:
        """The names of all ports."""
        return {port.name for subnet_id in self._all for port in self._ports(subnet_id)}


class Site(World):
    """An API on such a network, without a data plane that could refuse anything."""

    networking: SiteNetwork

    def __init__(self, directory: pathlib.Path, **overrides: object) -> None:
        super().__init__(directory, **({"controller_worker__compute_driver": "noop"} | overrides))

    def _connect(self) -> SiteNetwork:
        return SiteNetwork(self.conf, self.store)
