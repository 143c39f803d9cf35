"""Telling the neighbours that an address lives here now: gratuitous ARP and unsolicited neighbour advertisements."""

import socket
import struct
import threading

from lictor.agent.errors import log
from lictor.agent.namespace import enter
from lictor.agent.validate import packed

_ETHERTYPE_ARP, _ETHERTYPE_IPV6 = 0x0806, 0x86DD
_BROADCAST = b"\xff" * 6
_ALL_NODES_MAC = bytes.fromhex("333300000001")
_ALL_NODES = socket.inet_pton(socket.AF_INET6, "ff02::1")
_IPV4_LENGTH = 4
_NEIGHBOUR_ADVERTISEMENT, _OVERRIDE, _TARGET_LINK_LAYER = 136, 0x20000000, 2


def send(addresses: list[tuple[str, str]], namespace: str) -> None:
    """Announce (interface, address) pairs from the inner namespace. A failure is only logged."""
    if not addresses:
        return
    # setns(2) moves one thread: a thread of its own goes there and ends.
    thread = threading.Thread(target=_send_inside, args=(addresses, namespace), name="announce")
    thread.start()
    thread.join()


def _send_inside(addresses: list[tuple[str, str]], namespace: str) -> None:
    try:
        enter(namespace)
        for interface, address in addresses:
            _send(interface, address)
    except OSError as error:
        log(f"could not announce {addresses}: {error}")


def _send(interface: str, address: str) -> None:
    parsed = packed(address)
    if parsed is None:
        return
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
        raw.bind((interface, 0))
        mac = raw.getsockname()[4]
        for frame in (
            gratuitous_arp(mac, parsed[0]) if len(parsed[0]) == _IPV4_LENGTH else [advertisement(mac, parsed[0])]
        ):
            raw.send(frame)


def gratuitous_arp(mac: bytes, address: bytes) -> list[bytes]:
    """Two Ethernet frames, an ARP request and a reply (RFC 5944, section 4.6): hosts differ in which one they heed."""
    frames = []
    for operation, target in ((1, bytes(6)), (2, mac)):
        body = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, operation, mac, address, target, address)
        frames.append(_BROADCAST + mac + struct.pack("!H", _ETHERTYPE_ARP) + body)
    return frames


def advertisement(mac: bytes, address: bytes) -> bytes:
    """An Ethernet frame with an unsolicited neighbour advertisement (RFC 4861, section 7.2.6)."""
    option = struct.pack("!BB6s", _TARGET_LINK_LAYER, 1, mac)
    message = struct.pack("!BBHI16s", _NEIGHBOUR_ADVERTISEMENT, 0, 0, _OVERRIDE, address) + option
    pseudo = address + _ALL_NODES + struct.pack("!II", len(message), socket.IPPROTO_ICMPV6)
    message = message[:2] + struct.pack("!H", checksum(pseudo + message)) + message[4:]
    header = struct.pack("!IHBB16s16s", 6 << 28, len(message), socket.IPPROTO_ICMPV6, 255, address, _ALL_NODES)
    return _ALL_NODES_MAC + mac + struct.pack("!H", _ETHERTYPE_IPV6) + header + message


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
