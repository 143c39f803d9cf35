"""The status words of the API (Octavia v2 reference, section 3.1)."""

from typing import Final


class Provisioning:
    """``provisioning_status``: a report of how far the world is from what was asked, never a lock."""

    ACTIVE: Final = "ACTIVE"
    ERROR: Final = "ERROR"
    PENDING_CREATE: Final = "PENDING_CREATE"
    PENDING_UPDATE: Final = "PENDING_UPDATE"
    PENDING_DELETE: Final = "PENDING_DELETE"


PENDING = (Provisioning.PENDING_CREATE, Provisioning.PENDING_UPDATE, Provisioning.PENDING_DELETE)
"""All states of an object whose last change has not reached its amphorae yet."""


class Operating:
    """``operating_status``: what the amphorae observe of the traffic."""

    ONLINE: Final = "ONLINE"
    DRAINING: Final = "DRAINING"
    OFFLINE: Final = "OFFLINE"
    DEGRADED: Final = "DEGRADED"
    ERROR: Final = "ERROR"
    NO_MONITOR: Final = "NO_MONITOR"


class AmphoraStatus:
    """``status`` of an amphora, in the words of the amphora admin API."""

    BOOTING: Final = "BOOTING"
    ALLOCATED: Final = "ALLOCATED"
    PENDING_DELETE: Final = "PENDING_DELETE"
    ERROR: Final = "ERROR"


class Topology:
    """How many amphorae carry one load balancer."""

    SINGLE: Final = "SINGLE"
    ACTIVE_STANDBY: Final = "ACTIVE_STANDBY"
    NONE: Final = "NONE"


class Role:
    """What an amphora is to its load balancer."""

    STANDALONE: Final = "STANDALONE"
    MASTER: Final = "MASTER"
    BACKUP: Final = "BACKUP"


ROLES: Final[dict[str, tuple[str, ...]]] = {
    Topology.SINGLE: (Role.STANDALONE,),
    Topology.ACTIVE_STANDBY: (Role.MASTER, Role.BACKUP),
    Topology.NONE: (),
}
"""The amphorae that each topology asks for."""
