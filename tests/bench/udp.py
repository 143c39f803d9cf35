"""As many datagrams as there can be: ``python3 -m tests.bench.udp ADDRESS PORT SECONDS``."""

import itertools
import socket
import sys
import time

FLOWS = 64
SIZE = 64
"""Bytes in a datagram, as in a query of DNS."""


def flood(address: str, port: str, seconds: str) -> None:
    """Send without a limit, from as many sources in turn as there are flows."""
    flows = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(FLOWS)]
    for flow in flows:
        flow.connect((address, int(port)))
        flow.setblocking(False)
    end, payload = time.monotonic() + float(seconds), b"x" * SIZE
    for flow in itertools.cycle(flows):
        try:
            for _ in range(16):
                flow.send(payload)
        except OSError:  # its buffer is full, or nobody listened a moment ago
            pass
        if time.monotonic() > end:
            break


if __name__ == "__main__":
    flood(*sys.argv[1:])
