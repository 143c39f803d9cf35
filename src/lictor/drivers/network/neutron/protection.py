"""Who may reach an amphora on the VIP's network: a security group, and the addresses that a port may speak with.

The group ``lb-<load balancer id>`` is the service account's: users neither see it nor can open it further. It lets in
what the listeners are there for, and, in a pair, what the two amphorae say to each other, from members of the group
alone. Of a load balancer with groups of the user's own (``vip_sg_ids``) only the latter.
"""

import dataclasses
import functools
import ipaddress
from collections.abc import Iterable, Iterator
from typing import Any

from lictor.drivers.network.base import Carrier, Opening, Protection
from lictor.drivers.network.neutron.words import asked

_VRRP = "112"
_NUMBERS = {"vrrp": _VRRP}
_ETHERTYPES = {4: "IPv4", 6: "IPv6"}
_ANYBODY = {"0.0.0.0/0", "::/0"}


@dataclasses.dataclass(frozen=True)
class Rule:
    """One rule that lets something in; from anybody if neither ``prefix`` nor ``group`` is given."""

    ethertype: str
    protocol: str
    port: int | None
    prefix: str | None = None
    group: str | None = None

    @classmethod
    def of(cls, found: Any) -> "Rule":
        """A rule as Neutron has it."""
        protocol = _NUMBERS.get(str(found.protocol), str(found.protocol))
        prefix = None if found.remote_ip_prefix in _ANYBODY else found.remote_ip_prefix
        return cls(found.ether_type, protocol, found.port_range_min, prefix, found.remote_group_id)

    def body(self, group_id: str) -> dict[str, Any]:
        """As Neutron is asked for it."""
        return {
            "security_group_id": group_id,
            "direction": "ingress",
            "ethertype": self.ethertype,
            "protocol": self.protocol,
            "port_range_min": self.port,
            "port_range_max": self.port,
            "remote_ip_prefix": self.prefix,
            "remote_group_id": self.group,
        }


class Protector:
    """See the module's docstring. Every method looks first, and changes what is not as it should be."""

    def __init__(self, neutron: Any, mark: str, tag: str) -> None:
        self._neutron = neutron
        self._mark, self._tag = mark, tag

    def protect(self, wanted: Protection) -> None:
        """See that everything is as wanted. Raises ``NetworkError``."""
        groups = list(wanted.security_group_ids)
        if wanted.peers_port or not groups:
            groups.append(self._group(wanted))
        for carrier in wanted.carriers:
            self._carry(carrier, groups, wanted.qos_policy_id)
        for port_id in wanted.vip_port_ids:
            self._update(port_id, {"security_group_ids": groups})

    def unprotect(self, load_balancer_id: str) -> None:
        """Remove the group. Raises ``NetworkError``, also if a port still has it."""
        for group in self._found(load_balancer_id):
            with asked(f"delete security group {group.id}"):
                self._neutron.delete_security_group(group, ignore_missing=True)

    def _found(self, load_balancer_id: str) -> list[Any]:
        """The groups of this name that Lictor made: one, or more for a moment, the oldest first."""
        with asked("list security groups"):
            found = self._neutron.security_groups(name=_name(load_balancer_id), description=self._mark)
            return sorted(found, key=lambda each: (each.created_at, each.id))

    def _group(self, wanted: Protection) -> str:
        group = next(iter(self._found(wanted.load_balancer_id)), None) or self._made(wanted.load_balancer_id)
        rules = set(_rules(wanted, group.id))
        with asked(f"see to the rules of security group {group.id}"):
            there = {Rule.of(each): each for each in self._ingress(group.id)}
            bodies = [rule.body(group.id) for rule in rules - there.keys()]
            if bodies:
                list(self._neutron.create_security_group_rules(bodies))
            for rule in there.keys() - rules:
                self._neutron.delete_security_group_rule(there[rule], ignore_missing=True)
        return str(group.id)

    def _ingress(self, group_id: str) -> Iterator[Any]:
        found: Iterator[Any] = self._neutron.security_group_rules(security_group_id=group_id, direction="ingress")
        return found

    def _made(self, load_balancer_id: str) -> Any:
        with asked("make a security group"):
            group = self._neutron.create_security_group(name=_name(load_balancer_id), description=self._mark)
            self._neutron.set_tags(group, [self._tag])
        return group

    def _carry(self, carrier: Carrier, groups: list[str], qos_policy_id: str) -> None:
        pairs = [{"ip_address": address} for address in carrier.addresses]
        wanted = {"security_group_ids": groups, "allowed_address_pairs": pairs}
        if qos_policy_id or self._knows_qos:
            wanted |= {"qos_policy_id": qos_policy_id or None}
        self._update(carrier.port_id, wanted)

    @functools.cached_property
    def _knows_qos(self) -> bool:
        with asked("list extensions"):
            return any(each.alias == "qos" for each in self._neutron.extensions())

    def _update(self, port_id: str, wanted: dict[str, Any]) -> None:
        with asked(f"see to port {port_id}"):
            port = self._neutron.get_port(port_id)
            changed = {name: value for name, value in wanted.items() if _plain(getattr(port, name)) != _plain(value)}
            if changed:
                self._neutron.update_port(port, **changed)


def _plain(value: Any) -> Any:
    """What can be compared: Neutron adds MAC addresses to pairs, and keeps no order."""
    if not isinstance(value, list):
        return value or None
    return sorted(each["ip_address"] if isinstance(each, dict) else each for each in value)


def _name(load_balancer_id: str) -> str:
    return f"lb-{load_balancer_id}"


def _rules(wanted: Protection, group_id: str) -> Iterator[Rule]:
    versions = sorted({ipaddress.ip_address(vip).version for vip in wanted.vips})
    if not wanted.security_group_ids:
        for opening in wanted.openings:
            yield from _of_opening(opening, versions)
    if wanted.peers_port:
        ethertype = _ETHERTYPES[ipaddress.ip_address(wanted.vips[0]).version]
        yield Rule(ethertype, _VRRP, None, group=group_id)
        yield Rule(ethertype, "tcp", wanted.peers_port, group=group_id)


def _of_opening(opening: Opening, versions: Iterable[int]) -> Iterator[Rule]:
    for version in versions:
        if not opening.cidrs:
            yield Rule(_ETHERTYPES[version], opening.protocol, opening.port)
        for cidr in opening.cidrs:
            if ipaddress.ip_network(cidr).version == version:
                yield Rule(_ETHERTYPES[version], opening.protocol, opening.port, None if cidr in _ANYBODY else cidr)
