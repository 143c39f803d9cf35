"""Whether this host can run amphorae as namespaces, and if not, one sentence that says what to do."""

import contextlib
import ipaddress
import os
import re
import shutil
import subprocess

from pyroute2 import IPRoute, NetlinkError

from lictor.drivers.compute.base import HostNotReady
from lictor.drivers.network.ranges import IPNetwork

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are looked for, here and inside an amphora: a user's own PATH often lacks the sbin folders."""

PROGRAMS = {
    "ip": "iproute2", "nft": "nftables", "haproxy": "haproxy", "unshare": "util-linux", "nsenter": "util-linux",
    "mount": "mount", "sh": "dash",
}  # fmt: skip
"""Programs an amphora needs, and the Debian packages they are in."""

MINIMUM_HAPROXY = (2, 6)
"""Debian 12's, and the oldest with which Lictor is tested."""

_LOCAL_TABLE = 255  # RT_TABLE_LOCAL: the kernel's own routes to the addresses we look at anyway


def check(namespace_probe: str) -> None:
    """Check user, programs, HAProxy's version, and that the kernel allows namespaces. Raises ``HostNotReady``."""
    if os.geteuid() != 0:
        raise HostNotReady("Lictor must run as root to make network namespaces; start it with sudo.")
    for program, package in PROGRAMS.items():
        if shutil.which(program, path=SEARCH_PATH) is None:
            raise HostNotReady(f"The program '{program}' is missing; install it, e.g. with: apt-get install {package}")
    _check_haproxy()
    _check_namespaces(namespace_probe)


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, env={"PATH": SEARCH_PATH}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", timeout=20, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostNotReady(f"The command '{' '.join(command)}' does not work on this host: {error}.") from None


def _check_haproxy() -> None:
    words = _run("haproxy", "-v").stdout
    wanted = ".".join(map(str, MINIMUM_HAPROXY))
    version = re.search(r"version (\d+)\.(\d+)", words)
    if version is None:
        first = words.strip().partition("\n")[0] or "nothing"
        raise HostNotReady(f"'haproxy -v' says no version but '{first}'; install HAProxy {wanted} or newer.")
    if (int(version[1]), int(version[2])) < MINIMUM_HAPROXY:
        raise HostNotReady(f"HAProxy {version[1]}.{version[2]} is too old; install {wanted} or newer.")


def _check_namespaces(name: str) -> None:
    _run("ip", "netns", "del", name)
    # `ip netns add` also makes /run/netns a shared mount: what is unmounted there is then unmounted in every amphora
    # too. Without that, each amphora would keep alive all namespaces that were there when it was born.
    probes = (
        ("ip", "netns", "add", name),
        ("ip", "netns", "del", name),
        ("unshare", "--net", "--mount", "--propagation", "slave", "--pid", "--fork", "--mount-proc", "true"),
    )
    for command in probes:
        result = _run(*command)
        if result.returncode != 0:
            raise HostNotReady(
                f"The kernel refuses namespaces ('{' '.join(command)}' says: {result.stdout.strip()}); "
                "in a container, run it privileged (CAP_SYS_ADMIN and CAP_NET_ADMIN, unconfined seccomp)."
            )


def check_range(ipr: IPRoute, option: str, span: IPNetwork, own: set[int]) -> None:
    """Raise ``HostNotReady`` if the host uses addresses of ``span`` on links other than ``own`` (their indexes)."""
    for place, network in (*_addresses(ipr, own), *_routes(ipr, own)):
        if network.version == span.version and network.overlaps(span):
            raise HostNotReady(
                f"[local_network] {option} = {span} is in use on this host: {place}; set {option} to a free range."
            )


def _addresses(ipr: IPRoute, own: set[int]) -> list[tuple[str, IPNetwork]]:
    found = []
    for message in ipr.get_addr():
        # On a point-to-point link IFA_ADDRESS is the other side's address, and IFA_LOCAL this one's.
        for value in {message.get("address"), message.get("local")} - {None}:
            if message["index"] not in own:
                address = ipaddress.ip_interface(f"{value}/{message['prefixlen']}")
                found.append((f"the interface {_name(ipr, message['index'])} has {address}", address.network))
    return found


def _routes(ipr: IPRoute, own: set[int]) -> list[tuple[str, IPNetwork]]:
    found = []
    for family in (2, 10):  # AF_INET, AF_INET6
        for message in ipr.get_routes(family=family):
            interface = message.get("oif") or 0
            # A default route, also one in two halves as VPNs make it, overlaps everything and disturbs nothing.
            if message["dst_len"] <= 1 or interface in own or message.get("table") == _LOCAL_TABLE:
                continue
            network = ipaddress.ip_network(f"{message.get('dst')}/{message['dst_len']}", strict=False)
            through = f" through {_name(ipr, interface)}" if interface else ""
            found.append((f"there is a route to {network}{through}", network))
    return found


def _name(ipr: IPRoute, index: int) -> str:
    with contextlib.suppress(NetlinkError):  # links of amphorae come and go beside us
        for message in ipr.get_links(index):
            return str(message.get("ifname"))
    return f"number {index}"
