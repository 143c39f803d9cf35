"""The inner network namespace: where the VIP and the members' networks live, away from the management network."""

import pathlib

from lictor.agent.command import inside, path, run

_SYSCTLS = {
    "ipv4/ip_nonlocal_bind": "1",  # HAProxy binds a VIP that another amphora holds now
    "ipv6/ip_nonlocal_bind": "1",
    "ipv4/ip_local_port_range": "1025 65534",  # as Octavia's image has it: connections to members
    "ipv4/ping_group_range": "0 2147483647",  # PING monitors run as nobody
    "ipv4/tcp_tw_reuse": "1",
    "core/somaxconn": "65534",
    "ipv6/conf/all/accept_ra": "0",
    "ipv6/conf/default/accept_ra": "0",
    "ipv6/conf/all/accept_dad": "0",  # an address must serve at once
    "ipv6/conf/default/accept_dad": "0",
    "ipv6/conf/default/dad_transmits": "0",
}


def ensure(name: str) -> None:
    """See that the namespace exists and is set up. Raises ``AgentError``."""
    file = pathlib.Path(path(name))
    if not _mounted(file):
        # A death between "file made" and "namespace mounted on it" leaves an empty file behind.
        file.unlink(missing_ok=True)
        run(["ip", "netns", "add", name])
    # Kernels differ in what they have (no IPv6, say): a key that is not there is passed over.
    script = "".join(f"[ -w {key} ] && echo '{value}' >{key}\n" for key, value in _SYSCTLS.items())
    run(inside(name, ["sh", "-c", f"cd /proc/sys/net\n{script}ip link set lo up"]))


def _mounted(file: pathlib.Path) -> bool:
    """Whether the file is a namespace: those live on the kernel's nsfs, as /proc/self/ns/net does."""
    try:
        return file.stat().st_dev == pathlib.Path("/proc/self/ns/net").stat().st_dev
    except OSError:
        return False
