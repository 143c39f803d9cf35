"""What drivers that keep their ports in table ``local_port`` share: reading its rows, and making MAC addresses up."""

import hashlib

from lictor.drivers.network.base import Port
from lictor.model.localport import LocalPort


def mac_address(port_id: str) -> str:
    """A locally administered unicast MAC address (IEEE 802, section 8.4), always the same for one port.

    46 bits of SHA-256: among 10,000 ports a clash has a chance of one in a million.
    """
    digest = bytearray(hashlib.sha256(port_id.encode()).digest()[:6])
    digest[0] = digest[0] & 0xFC | 0x02
    return digest.hex(":")


def port_of(row: LocalPort) -> Port:
    """The port that a row tells of."""
    return Port(
        id=row.id, name=row.name, network_id=row.network_id, subnet_id=row.subnet_id, ip_address=row.ip_address,
        mac_address=row.mac_address, device_id=row.device_id, device_owner=row.device_owner, project_id=row.project_id,
    )  # fmt: skip
