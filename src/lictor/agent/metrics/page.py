"""The page of metrics: made when somebody asks, at most once a second."""

import os
import pathlib
import threading
import time
import zlib
from collections.abc import Callable, Iterator

from lictor import wire
from lictor.agent.metrics import exporter
from lictor.agent.metrics.names import renamed

_FRESH = 1.0
"""Seconds for which a page is given to everybody who asks."""

_SHARE = 10
"""A page is fresh for so many times as long as it took to make: who asks all the time costs a tenth of a core."""

_OURS = f'="{wire.INTERNAL}'.encode()
_DROPPED = b"octavia_loadbalancer_dropped_logs_total"

_WHOLES = {
    b"octavia_loadbalancer_connections_total": b"octavia_listener_connections_total",
    b"octavia_loadbalancer_requests_total": b"octavia_listener_http_requests_total",
}
"""What HAProxy counts the agent's own questions in, and what clients' part of it is the sum of."""

Samples = dict[bytes, list[bytes]]
"""Further lines, by the name of their metric."""


class Page:
    """Compressed (gzip), as most who ask like it: a thousand members are megabytes of text.

    ``more`` gives what HAProxy does not know, ``dropped`` how many log lines the agent could not pass on.
    """

    def __init__(
        self, path: pathlib.Path, more: Callable[[], Samples] = dict, dropped: Callable[[], int] = int
    ) -> None:
        self._path = path
        self._more = more
        self._dropped = dropped
        self._lock = threading.Lock()
        self._page = b""
        self._fresh_until = 0.0

    def compressed(self) -> bytes:
        """The page. Raises ``RuntimeFailed`` when HAProxy does not answer."""
        with self._lock:
            began = time.monotonic()
            if began >= self._fresh_until:
                self._page = self._made()
                now = time.monotonic()
                self._fresh_until = now + max(_FRESH, _SHARE * (now - began))
            return self._page

    def _made(self) -> bytes:
        gzip = zlib.compressobj(1, zlib.DEFLATED, 31)
        pieces = [gzip.compress(piece) for piece in self._pieces()]
        return b"".join([*pieces, gzip.flush()])

    def _pieces(self) -> Iterator[bytes]:
        yield _machine()
        more = self._more()
        heads: dict[bytes, bytes] = {}
        sums: dict[bytes, int] = {}
        for block in exporter.blocks(self._path):
            name, text = renamed(_without_ours(block))
            text += b"".join(more.get(name, ()))
            if name in _WHOLES:
                heads[name] = text
                continue
            if name in _WHOLES.values():
                sums[name] = sum(_values(text))
            yield _valued(text, *_values(text), self._dropped()) if name == _DROPPED else text
        for whole, parts in _WHOLES.items():
            if whole in heads:
                yield _valued(heads[whole], sums.get(parts, 0))


def _without_ours(block: bytes) -> bytes:
    """A block without the proxies by which the page itself is made."""
    while (place := block.find(_OURS)) >= 0:
        start = block.rfind(b"\n", 0, place)
        block = block[:start] + block[block.index(b"\n", place) :]
    return block


def _values(text: bytes) -> list[int]:
    return [int(line.rpartition(b" ")[2]) for line in text.splitlines() if not line.startswith(b"#")]


def _valued(text: bytes, *values: int) -> bytes:
    """A metric without labels, with the sum of these for its value."""
    return text.rstrip(b"\n").rpartition(b" ")[0] + b" %d\n" % sum(values)


def _machine() -> bytes:
    """Octavia's two figures of the machine: load as a share of its processors, and memory in use, both in per cent."""
    load = 100 * os.getloadavg()[0] / (os.cpu_count() or 1)
    sizes = dict(line.split(":", 1) for line in pathlib.Path("/proc/meminfo").read_text().splitlines())
    total, available = (int(sizes[name].split()[0]) for name in ("MemTotal", "MemAvailable"))
    return _gauge("cpu", "Load of the load balancer's processors, in per cent.", load) + _gauge(
        "memory", "Memory of the load balancer in use, in per cent.", 100 * (total - available) / total
    )


def _gauge(name: str, words: str, value: float) -> bytes:
    name = f"octavia_loadbalancer_{name}"
    return f"# HELP {name} {words}\n# TYPE {name} gauge\n{name} {value:.1f}\n".encode()
