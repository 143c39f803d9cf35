"""The inner network namespace: where the VIP and the members' networks live, away from the management network."""

import os
import pathlib
from collections.abc import Collection

from lictor.agent.command import inside, path, run

_CLONE_NEWNET = 0x40000000

_SYSCTLS = {
    "ipv4/ip_nonlocal_bind": "1",  # HAProxy binds a VIP that another amphora holds now
    "ipv6/ip_nonlocal_bind": "1",
    "ipv4/ip_local_port_range": "1025 65534",  # as Octavia's image has it: connections to members
    "ipv4/ping_group_range": "0 2147483647",  # PING monitors: sockets for ICMP echo and nothing else
    "ipv4/tcp_tw_reuse": "1",  # new connections to members may reuse ports of ended ones
    "core/somaxconn": "65534",  # HAProxy's backlog is that of its maxconn: a burst of connections is not cut off
    "ipv4/tcp_max_syn_backlog": "65534",
    "ipv4/tcp_slow_start_after_idle": "0",  # connections that are kept alive start where they were
    "ipv4/conf/all/rp_filter": "0",  # with a NIC on several networks, answers may come in by another one
    "ipv4/conf/default/rp_filter": "0",
    "ipv6/conf/all/accept_ra": "0",  # routes are the control plane's to say
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


def forward(name: str, families: Collection[int]) -> None:
    """Have the kernel hand packets of these IP versions on from interface to interface, and no others.

    Raises ``AgentError``.
    """
    # A client on its member's network is told to go there directly, by default: that would only cost messages.
    script = (
        "[ -w ipv4/ip_forward ] && echo $1 >ipv4/ip_forward\n"
        "[ -w ipv6/conf/all/forwarding ] && echo $2 >ipv6/conf/all/forwarding\n"
        "for key in ipv4/conf/*/send_redirects; do [ -w $key ] && echo 0 >$key; done; true"
    )
    values = [str(int(version in families)) for version in (4, 6)]
    run(inside(name, ["sh", "-c", f"cd /proc/sys/net\n{script}", "sh", *values]))


def enter(name: str) -> None:
    """Move the calling thread there, for good. Raises ``OSError``."""
    import ctypes  # only here: 0.3 MiB, and Python 3.11 has no os.setns

    descriptor = os.open(path(name), os.O_RDONLY)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(descriptor, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(descriptor)


def _mounted(file: pathlib.Path) -> bool:
    """Whether the file is a namespace: those live on the kernel's nsfs, as /proc/self/ns/net does."""
    try:
        return file.stat().st_dev == pathlib.Path("/proc/self/ns/net").stat().st_dev
    except OSError:
        return False
