"""Is this host fit for `lictor up`? Each check says in one sentence what is wrong, and changes nothing.

What amphorae need is checked by the compute driver, which knows it.
"""

import errno
import ipaddress
import os
import socket

from oslo_config import cfg

from lictor.api import tls
from lictor.cli.drivers import compute_class
from lictor.cli.refusal import Refusal

SYSTEM_PATH = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Debian's `su` without `-` leaves these out of PATH, and ip lives there."""


def extend_path() -> None:
    """See that programs of system administration are found."""
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join([*path, *(place for place in SYSTEM_PATH if place not in path)])


def check_root(conf: cfg.ConfigOpts) -> None:
    """Namespaces and links need root."""
    if compute_class(conf).needs_root and os.geteuid() != 0:
        raise Refusal("lictor makes network namespaces, which needs root: run it as root, for example with sudo")


def check_exposure(conf: cfg.ConfigOpts) -> None:
    """Without authentication, only this host may ask."""
    host = str(conf.api_settings.bind_host)
    if conf.api_settings.auth_strategy == "noauth" and not is_loopback(host):
        raise Refusal(
            f"[api_settings] auth_strategy is noauth, and bind_host {host} can be reached from other hosts: bind to "
            "127.0.0.1, or use http_basic",
            status=2,
        )


def check_tls(conf: cfg.ConfigOpts) -> None:
    """Raises ``Refusal``, status 2, if the defaults for TLS are ciphers or versions that nobody may choose."""
    try:
        tls.check_options(conf)
    except cfg.Error as error:
        raise Refusal(str(error), status=2) from None


def is_loopback(host: str) -> bool:
    """Whether only this host can reach that address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_ports(conf: cfg.ConfigOpts) -> None:
    """The API's port must be free, and the health manager's if there will be heartbeats."""
    api, health = conf.api_settings, conf.health_manager
    check_port(socket.SOCK_STREAM, api.bind_host, api.bind_port, "name another one with --port")
    if compute_class(conf).has_agents:
        cure = "set [health_manager] bind_port to another one"
        check_port(socket.SOCK_DGRAM, health.bind_ip, health.bind_port, cure)


def check_port(kind: socket.SocketKind, host: str, port: int, cure: str) -> None:
    """Raises ``Refusal`` if nobody could listen there now."""
    name = "TCP" if kind is socket.SOCK_STREAM else "UDP"
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, kind) as probe:
            if kind is socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise Refusal(unavailable(name, host, port, cure, error)) from None


def unavailable(name: str, host: str, port: int, cure: str, error: OSError) -> str:
    """The sentence for an address that cannot be listened on."""
    if error.errno == errno.EADDRINUSE:
        return f"{name} port {port} on {host} is taken by another process: stop it, or {cure}"
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return f"{host} is no address of this host, so {name} port {port} cannot be opened on it: name another address"
    return f"{name} port {port} on {host} cannot be opened ({os.strerror(error.errno or 0)}): {cure}"
