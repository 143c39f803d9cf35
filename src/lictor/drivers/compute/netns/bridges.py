"""The bridges of a deployment: this host has the first address of every subnet on them."""

import dataclasses
import hashlib
import ipaddress
import logging
import pathlib

from pyroute2 import IPRoute, NetlinkError

from lictor.drivers.compute.base import HostNotReady
from lictor.drivers.compute.netns import links

LOG = logging.getLogger(__name__)

_BRIDGE_NF = pathlib.Path("/proc/sys/net/bridge")
_NO_DAD = 0x02  # IFA_F_NODAD (linux/if_addr.h): nobody else can have the address, and waiting costs a second


@dataclasses.dataclass(frozen=True)
class Bridge:
    """A bridge to be there: ``addresses`` are this host's, as ``ip/prefix``."""

    name: str
    addresses: tuple[str, ...]
    mtu: int


def ensure(ipr: IPRoute, bridge: Bridge) -> None:
    """Make the bridge, or repair what is missing of it. Raises ``HostNotReady``."""
    try:
        _ensure_link(ipr, bridge)
        _ensure_addresses(ipr, bridge)
    except NetlinkError as error:
        raise HostNotReady(
            f"The kernel refused to make the bridge {bridge.name} with {' and '.join(bridge.addresses)} ({error}); "
            "Lictor needs a kernel with bridges and the address family of its ranges."
        ) from error


def _ensure_link(ipr: IPRoute, bridge: Bridge) -> None:
    if links.get(ipr, bridge.name) is None:
        ipr.link("add", ifname=bridge.name, kind="bridge")
    link = links.get(ipr, bridge.name)
    if link is None or link.kind != "bridge":
        raise HostNotReady(f"This host has a link named {bridge.name} that is not a bridge; remove or rename it.")
    wanted = (_mac(bridge.name), bridge.mtu, True)
    if (link.mac, link.mtu, link.up) != wanted:
        # A bridge without a MAC address of its own takes on that of a port, and changes it when that port leaves:
        # every amphora would then send to the old one until its ARP entry expires.
        ipr.link("set", index=link.index, address=wanted[0], mtu=bridge.mtu, state="up")


def _ensure_addresses(ipr: IPRoute, bridge: Bridge) -> None:
    link = links.get(ipr, bridge.name)
    assert link is not None
    wanted = {ipaddress.ip_interface(address) for address in bridge.addresses}
    found = set()
    for message in ipr.get_addr(index=link.index):
        address = ipaddress.ip_interface(f"{message.get('address')}/{message['prefixlen']}")
        found.add(address)
        if address not in wanted and not address.is_link_local:
            ipr.addr("del", index=link.index, address=str(address.ip), prefixlen=message["prefixlen"])
    for address in wanted - found:
        flags = {"flags": _NO_DAD} if address.version == 6 else {}
        ipr.addr("add", index=link.index, address=str(address.ip), prefixlen=address.network.prefixlen, **flags)


def spare_from_firewalls() -> None:
    """Turn off bridge-nf-call-*, with which the host's iptables rules would judge frames between amphorae and members.

    Not possible everywhere (a read-only /proc/sys): then nothing is done, as the knobs may be off already.
    """
    for family in ("ip", "ip6", "arp"):
        knob = _BRIDGE_NF / f"bridge-nf-call-{family}tables"
        try:
            if knob.read_text().strip() != "0":
                knob.write_text("0")
                LOG.warning("Set %s to 0, so that this host's iptables rules do not apply inside its bridges.", knob)
        except FileNotFoundError:
            continue
        except OSError as error:
            LOG.warning("Could not set %s to 0 (%s); if members cannot be reached, do that by hand.", knob, error)


def _mac(name: str) -> str:
    digest = bytearray(hashlib.sha256(name.encode()).digest()[:6])
    digest[0] = digest[0] & 0xFC | 0x02
    return digest.hex(":")
