"""The clock that numbers what an agent says: it rises over restarts of the agent without anything written down."""

import time


def moment() -> int:
    """Microseconds since the kernel's boot (CLOCK_BOOTTIME, clock_gettime(2)), of which the boot id tells."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
