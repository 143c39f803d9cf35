"""Links of this host: the few things the driver asks of the kernel's rtnetlink."""

import contextlib
import dataclasses
import errno
import os
import pathlib
import socket
from collections.abc import Iterator
from typing import Any

from pyroute2 import IPRoute, NetlinkError

from lictor.drivers.compute.base import ComputeError


@dataclasses.dataclass(frozen=True)
class Link:
    """A link as the kernel shows it. ``master`` is the index of its bridge, 0 for none."""

    index: int
    name: str
    kind: str
    alias: str
    mac: str
    mtu: int
    master: int
    up: bool


@dataclasses.dataclass(frozen=True)
class Veth:
    """A pair to be made: ``name`` on the bridge ``bridge``; ``peer`` with ``peer_mac`` in the namespace ``path``."""

    name: str
    alias: str
    bridge: str
    mtu: int
    peer: str
    peer_mac: str
    path: pathlib.Path


def names(prefix: str) -> list[str]:
    """The names of the links that begin with ``prefix``: one system call, cheap with thousands of links."""
    return [name for _, name in socket.if_nameindex() if name.startswith(prefix)]


def exists(name: str) -> bool:
    """Whether there is a link of this name."""
    try:
        return socket.if_nametoindex(name) > 0
    except OSError:
        return False


def get(ipr: IPRoute, name: str) -> Link | None:
    """One link by name, or None."""
    try:
        (message,) = ipr.link("get", ifname=name)
    except NetlinkError as error:
        if error.code == errno.ENODEV:
            return None
        raise
    return _link(message)


def owned(ipr: IPRoute, prefix: str) -> list[Link]:
    """The links whose names begin with ``prefix``."""
    found = (get(ipr, name) for name in names(prefix))
    return [link for link in found if link is not None]


def _link(message: Any) -> Link:
    info = message.get("linkinfo")
    return Link(
        index=message["index"], name=message.get("ifname"), kind=(info.get("kind") if info else None) or "",
        alias=message.get("ifalias") or "", mac=message.get("address") or "", mtu=message.get("mtu") or 0,
        master=message.get("master") or 0, up=message["state"] == "up",
    )  # fmt: skip


def ensure_veth(ipr: IPRoute, veth: Veth) -> None:
    """See that the pair is there. It counts as there when its host end is: a pair dies with either of its ends.

    The other end may have been renamed and moved to another namespace meanwhile. Raises ``ComputeError``.
    """
    bridge = get(ipr, veth.bridge)
    if bridge is None:
        raise ComputeError(f"The bridge {veth.bridge} is missing on this host; restart Lictor, which makes it again.")
    link = get(ipr, veth.name)
    if link is not None and link.alias not in ("", veth.alias):
        raise ComputeError(f"The link {veth.name} on this host is for something else ('{link.alias}'); remove it.")
    if link is not None and link.alias == "":
        # The alias is written last: without it, the maker died or was beaten in between.
        delete(ipr, veth.name)
        link = None
    if link is None:
        index = _add(ipr, veth, bridge.index)
        ipr.link("set", index=index, ifalias=veth.alias)
    elif link.master != bridge.index or not link.up:
        ipr.link("set", index=link.index, master=bridge.index, state="up")


def _add(ipr: IPRoute, veth: Veth, bridge: int) -> int:
    try:
        namespace = os.open(veth.path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ComputeError(f"The network namespace {veth.path} is gone.") from None
    peer = {"ifname": veth.peer, "address": veth.peer_mac, "mtu": veth.mtu, "net_ns_fd": namespace}
    try:
        ipr.link("add", ifname=veth.name, kind="veth", mtu=veth.mtu, master=bridge, state="up", peer=peer)
    finally:
        os.close(namespace)
    return socket.if_nametoindex(veth.name)


def delete(ipr: IPRoute, name: str) -> None:
    """Remove a link; on return it is gone, with its other end. One that is gone is no error."""
    try:
        ipr.link("del", ifname=name)
    except NetlinkError as error:
        if error.code != errno.ENODEV:
            raise


@contextlib.contextmanager
def rtnetlink() -> Iterator[IPRoute]:
    """A connection to the kernel (half a millisecond to open, so that none need be kept or shared between threads).

    What the kernel refuses is raised as ``ComputeError``.
    """
    try:
        with IPRoute() as ipr:
            yield ipr
    except NetlinkError as error:
        raise ComputeError(f"The kernel refused a change to this host's network: {error}.") from error
