"""Address arithmetic of the embedded networks: which addresses of a range are whose. IPv4 and IPv6; no I/O."""

import dataclasses
import ipaddress
from collections.abc import Container

from lictor.drivers.network.base import InvalidAddress

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

SMALLEST = 16
"""Addresses: a range of fewer leaves no sensible room for a gateway, a few servers and a few amphorae."""

# "This network", loopback, link-local, multicast and reserved addresses (RFC 6890; RFC 4291, section 2.4): no NIC of
# ours can be reached by one of these.
_UNUSABLE = ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/127", "fe80::/10", "ff00::/8")


class BadNetworkConfiguration(Exception):
    """An option of ``[local_network]`` cannot work; the message names the option, its value and what is right."""


@dataclasses.dataclass(frozen=True)
class Range:
    """One subnet's addresses.

    The first one is the gateway, which is this host. ``first`` to ``last`` is the allocation pool, from which ports
    get their addresses when none was asked for; what lies between the gateway and the pool belongs to the operator.
    """

    network: IPNetwork
    gateway: str
    first: int
    last: int

    def text(self, value: int) -> str:
        """An address of this range in its canonical form (RFC 5952 for IPv6)."""
        return str(self.network[value - int(self.network.network_address)])

    def pool(self) -> tuple[str, str]:
        """First and last address of the allocation pool."""
        return self.text(self.first), self.text(self.last)

    @property
    def size(self) -> int:
        """How many addresses the allocation pool has."""
        return self.last - self.first + 1

    def check(self, address: str) -> str:
        """The address in canonical form, if a port may have it. Raises ``InvalidAddress`` with the reason if not."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            raise InvalidAddress(f"'{address}' is not an IP address; give one of {self.network}.") from None
        if getattr(parsed, "scope_id", None) or parsed not in self.network:
            raise InvalidAddress(f"IP address {address} is not in the subnet {self.network}.")
        if parsed == self.network.network_address:
            raise InvalidAddress(f"IP address {address} is the network address of the subnet {self.network}.")
        if parsed.version == 4 and parsed == self.network.broadcast_address:
            raise InvalidAddress(f"IP address {address} is the broadcast address of the subnet {self.network}.")
        if str(parsed) == self.gateway:
            raise InvalidAddress(f"IP address {address} is the gateway of the subnet {self.network}.")
        return str(parsed)

    def in_pool(self, address: str) -> bool:
        """Whether an address of this range is one of the allocation pool's."""
        return self.first <= int(ipaddress.ip_address(address)) <= self.last

    def holds(self, address: str) -> bool:
        """Whether a port may have this address."""
        try:
            return self.check(address) == address
        except InvalidAddress:
            return False

    def choose(self, taken: Container[str], start: int) -> str | None:
        """The first free address of the pool, looking from its ``start``-th on and around; None if all are taken."""
        for step in range(self.size):
            address = self.text(self.first + (start + step) % self.size)
            if address not in taken:
                return address
        return None


def parse(option: str, value: str, *, servers: bool) -> Range:
    """The range that an option's value names; with ``servers`` its lower quarter is kept out of the pool.

    Raises ``BadNetworkConfiguration``.
    """
    network = _network(option, value)
    if network.num_addresses < SMALLEST:
        length = network.max_prefixlen - 4
        raise _bad(option, value, f"has {network.num_addresses} addresses; give a /{length} or larger")
    for special in map(ipaddress.ip_network, _UNUSABLE):
        if special.version == network.version and network.overlaps(special):
            raise _bad(option, value, f"overlaps {special}, which no NIC can use; a range of RFC 1918 or 2544 is right")
    base, count = int(network.network_address), network.num_addresses
    last = base + count - (2 if network.version == 4 else 1)
    return Range(network, str(network[1]), base + (count // 4 if servers else 2), last)


def _network(option: str, value: str) -> IPNetwork:
    if "/" not in value:
        raise _bad(option, value, "is not a network; write address/prefix, e.g. 198.18.0.0/20")
    try:
        interface = ipaddress.ip_interface(value.strip())
    except ValueError:
        raise _bad(option, value, "is not a network; write address/prefix, e.g. 198.18.0.0/20") from None
    if interface.ip != interface.network.network_address:
        raise _bad(option, value, f"has host bits set; the network is {interface.network}")
    return interface.network


def _bad(option: str, value: object, words: str) -> BadNetworkConfiguration:
    return BadNetworkConfiguration(f"[local_network] {option} = {value}: {words}.")
