"""Who may reach an amphora on the VIP's network: a security group, and the addresses that a port may speak with.

The group ``lb-<load balancer id>`` is the service account's: users neither see it nor can open it further. It lets in
what the listeners are there for, and, in a pair, what the two amphorae say to each other, from members of the group
alone. Of a load balancer with groups of the user's own (``vip_sg_ids``) only the latter.
"""

import dataclasses
import functools
import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lictor.drivers.network.base import Carrier, Opening, PortGone, Protection
from lictor.drivers.network.neutron.words import asked

_PREFIX = "lb-"
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
    def of(cls, found: Mapping[str, Any]) -> "Rule":
        """A rule as Neutron shows it with its group."""
        protocol = _NUMBERS.get(str(found["protocol"]), str(found["protocol"]))
        prefix = None if found["remote_ip_prefix"] in _ANYBODY else found["remote_ip_prefix"]
        return cls(found["ethertype"], protocol, found["port_range_min"], prefix, found["remote_group_id"])

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
        ports = {each.port_id: self._carrying(each, groups, wanted.qos_policy_id) for each in wanted.carriers}
        self._update(ports | {port_id: {"security_group_ids": groups} for port_id in wanted.vip_port_ids})

    def unprotect(self, load_balancer_id: str) -> None:
        """Remove the group. Raises ``NetworkError``, also if a port still has it."""
        for group in self._found(load_balancer_id):
            self._remove(group)

    def purge(self) -> None:
        """Remove all groups that were ever made here. Raises ``NetworkError``."""
        with asked("list security groups"):
            found = list(self._neutron.security_groups(description=self._mark))
        for group in found:
            if group.name.startswith(_PREFIX):
                self._remove(group)

    def _remove(self, group: Any) -> None:
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
            there = {Rule.of(each): each["id"] for each in group.security_group_rules or () if _lets_in(each)}
            bodies = [rule.body(group.id) for rule in rules - there.keys()]
            if bodies:
                list(self._neutron.create_security_group_rules(bodies))
            for rule in there.keys() - rules:
                self._neutron.delete_security_group_rule(there[rule], ignore_missing=True)
        return str(group.id)

    def _made(self, load_balancer_id: str) -> Any:
        with asked("make a security group"):
            group = self._neutron.create_security_group(name=_name(load_balancer_id), description=self._mark)
            self._neutron.set_tags(group, [self._tag])
        return group

    def _carrying(self, carrier: Carrier, groups: list[str], qos_policy_id: str) -> dict[str, Any]:
        pairs = [{"ip_address": address} for address in carrier.addresses]
        wanted: dict[str, Any] = {"security_group_ids": groups, "allowed_address_pairs": pairs}
        if qos_policy_id or self._knows_qos:
            wanted |= {"qos_policy_id": qos_policy_id or None}
        return wanted

    @functools.cached_property
    def _knows_qos(self) -> bool:
        with asked("list extensions"):
            return any(each.alias == "qos" for each in self._neutron.extensions())

    def _update(self, wanted: Mapping[str, dict[str, Any]]) -> None:
        """See that these ports, by their ids, have these values."""
        with asked("list ports"):
            there = {port.id: port for port in self._neutron.ports(id=list(wanted))} if wanted else {}
        for port_id, values in wanted.items():
            if port_id not in there:
                raise PortGone(port_id)
            with asked(f"see to port {port_id}"):
                self._change(there[port_id], values)

    def _change(self, port: Any, values: dict[str, Any]) -> None:
        changed = {name: value for name, value in values.items() if _plain(getattr(port, name)) != _plain(value)}
        if changed:
            self._neutron.update_port(port, **changed)


def _lets_in(rule: Mapping[str, Any]) -> bool:
    return bool(rule["direction"] == "ingress")


def _plain(value: Any) -> Any:
    """What can be compared: Neutron adds MAC addresses to pairs, and keeps no order."""
    if not isinstance(value, list):
        return value or None
    return sorted(each["ip_address"] if isinstance(each, dict) else each for each in value)


def _name(load_balancer_id: str) -> str:
    return f"{_PREFIX}{load_balancer_id}"


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
