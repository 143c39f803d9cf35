"""Whether the threads of this process still turn: each says when it begins something, and when it is done with it.

A thread that dies of an exception, or is at one thing for very long, shows on ``/healthz`` and ``/readyz``.
"""

import contextlib
import dataclasses
import threading
import time
from collections.abc import Iterator


@dataclasses.dataclass
class _Beat:
    name: str
    lasting: bool
    """Whether it is to be there as long as the process."""
    busy_since: float | None = None
    died: bool = False


_beats: dict[int, _Beat] = {}


@contextlib.contextmanager
def lasting() -> Iterator[None]:
    """Around all that a thread does which is to last as long as its process: if an exception ends it, that shows."""
    beat = _beats[threading.get_ident()] = _Beat(threading.current_thread().name, lasting=True)
    try:
        yield
    except BaseException:
        beat.died = True
        raise
    _beats.pop(threading.get_ident(), None)


@contextlib.contextmanager
def busy() -> Iterator[None]:
    """Around one thing that a thread does, be it lasting or not, which has to come to an end."""
    ident = threading.get_ident()
    beat = _beats.get(ident)
    if beat is None or beat.died:
        beat = _beats[ident] = _Beat(threading.current_thread().name, lasting=False)
    beat.busy_since = time.monotonic()
    try:
        yield
    finally:
        beat.busy_since = None
        if not beat.lasting:
            _beats.pop(ident, None)


def dead() -> list[str]:
    """A sentence for each thread that should be there and is not."""
    return [f"Thread {beat.name} has died." for beat in list(_beats.values()) if beat.died]


def stuck(seconds: float) -> list[str]:
    """A sentence for each thread that has been at one thing for longer than so many seconds."""
    return [
        f"Thread {name} has been at one thing for {busy_for:.0f} s." for name, busy_for in times() if busy_for > seconds
    ]


def times() -> list[tuple[str, float]]:
    """For how many seconds each thread has been at what it does; 0 for those that wait."""
    moment = time.monotonic()
    return [
        (beat.name, moment - since if (since := beat.busy_since) is not None else 0.0)
        for beat in list(_beats.values())
        if not beat.died
    ]
