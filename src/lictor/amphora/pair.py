"""The two amphorae of an ACTIVE_STANDBY load balancer, as each of them is told of the other."""

import dataclasses

PEERS_PORT = 1025
"""TCP port at which HAProxy takes what stick tables hold, as Octavia's has it (reference, 4.4)."""


@dataclasses.dataclass(frozen=True)
class Peer:
    """An amphora of a pair: its id, and its own address on the VIP's subnet."""

    amphora_id: str
    address: str


@dataclasses.dataclass(frozen=True)
class Pair:
    """This amphora, with its role, and the other one."""

    own: Peer
    other: Peer
    role: str
