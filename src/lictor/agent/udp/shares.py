"""Who gets the next new connections: members into a row of slots, by algorithm and weight. Pure.

A slot holds a member's mark. nftables takes them in turn (numgen), or by a hash of the client.
"""

import functools
import heapq
import math
import zlib
from collections.abc import Mapping

from lictor import wire

HASHED = ("SOURCE_IP", "SOURCE_IP_PORT")

HASH_SLOTS = 1024
"""Slots of a hash: more would be finer, and each is an element in the kernel."""

_LONGEST_ROW = 1024
"""Beyond that, each member has all of its turns in a row, which the kernel takes as one element."""

_FEWEST_TURNS = 16
_MOST_TURNS = 1024


def candidates(members: list[wire.UdpMember], up: frozenset[str]) -> list[wire.UdpMember]:
    """Who may get new connections: those that are ``up`` and have weight; backup members if there are no others."""
    able = [member for member in members if member.id in up and member.weight and not member.disabled]
    return [member for member in able if not member.backup] or able


def in_turn(members: list[wire.UdpMember]) -> list[int]:
    """As many slots for each as its weight says, spread evenly."""
    if not members:
        return []
    common = math.gcd(*(member.weight for member in members))
    weights = [(member.mark, member.weight // common) for member in members]
    if sum(weight for _, weight in weights) > _LONGEST_ROW:
        return [mark for mark, weight in weights for _ in range(weight)]
    turns = sorted(((2 * n + 1) / (2 * weight), mark) for mark, weight in weights for n in range(weight))
    return [mark for _, mark in turns]


def least_connected(members: list[wire.UdpMember], live: Mapping[int, int], arrivals: int) -> list[int]:
    """The next turns as they would go one by one to whoever then has the fewest connections for its weight.

    ``live`` is how many each mark has now, ``arrivals`` how many new ones came since the last look.
    """
    if not members:
        return []
    turns = min(max(_FEWEST_TURNS, 4 * len(members), 2 * arrivals), _MOST_TURNS)
    row = [((live.get(each.mark, 0) + 1) / each.weight, n, 1) for n, each in enumerate(members)]
    heapq.heapify(row)
    result = []
    for _ in range(turns):
        _, n, more = row[0]
        each = members[n]
        result.append(each.mark)
        heapq.heapreplace(row, ((live.get(each.mark, 0) + more + 1) / each.weight, n, more + 1))
    return result


def by_hash(members: list[wire.UdpMember]) -> list[int]:
    """Slots by weighted rendezvous (Thaler and Ravishankar, 1998): who goes or comes moves only his own clients."""
    return list(_hashed(tuple((zlib.crc32(each.id.encode()), each.weight, each.mark) for each in members)))


@functools.lru_cache(maxsize=16)
def _hashed(seeds: tuple[tuple[int, int, int], ...]) -> list[int]:
    # Kept, as it takes a hundred members 0.1 s, and is asked for with every change of another listener.
    if not seeds:
        return []
    return [max((_score(slot, seed, weight), mark) for seed, weight, mark in seeds)[1] for slot in range(HASH_SLOTS)]


def _score(slot: int, seed: int, weight: int) -> float:
    """Of the members' scores for a slot the highest wins, each as often as its weight says."""
    mixed = (slot * 0x9E3779B1 ^ seed) & 0xFFFFFFFF
    for multiplier in (0x85EBCA6B, 0xC2B2AE35):  # the finalizer of MurmurHash3: CRC alone is linear
        mixed = (mixed ^ mixed >> 15) * multiplier & 0xFFFFFFFF
    return -weight / math.log(((mixed ^ mixed >> 16) + 0.5) / 2**32)
