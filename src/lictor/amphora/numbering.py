"""Small numbers for objects that have long ids: what HAProxy and the kernel know them by."""

import uuid
from collections.abc import Iterable
from typing import TypeVar

Key = TypeVar("Key")


def of(*ids: str) -> int:
    """The number that follows from these ids, and so stays when other objects come and go."""
    number = 0
    for each in ids:
        number ^= uuid.UUID(each).int
    return number


def distinct(wanted: Iterable[tuple[Key, int]], below: int) -> dict[Key, int]:
    """For each key its number modulo ``below``. A later one gives way to an earlier one that has the same."""
    numbers: dict[Key, int] = {}
    taken: set[int] = set()
    for key, number in wanted:
        free = number % below
        while free in taken:
            free = (free + 1) % below
        taken.add(free)
        numbers[key] = free
    return numbers
