"""A health monitor in HAProxy's words: what a backend asks of its servers, and what each server line says of it."""

from collections.abc import Callable

from lictor.amphora import tree
from lictor.amphora.emitter import (
    Word,
    address,
    codes,
    host_name,
    keywords,
    line,
    log_format,
    milliseconds,
    number,
    quoted,
    request_target,
)
from lictor.model import HealthMonitor, Member, Pool
from lictor.wire import Ping

_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "OPTIONS", "CONNECT", "PATCH")
_TLS = keywords("check-ssl verify none")


def lines(pool: Pool, vip: str) -> list[str]:
    """The backend's part of a pool's health monitor; nothing if there is none, or it is disabled."""
    monitor = tree.health_monitor(pool)
    if monitor is None:
        return []
    if monitor.type == "PING":
        return []
    if monitor.type not in _LINES:
        raise tree.Unsupported(f"Health monitor {monitor.id}: type {monitor.type} is not supported.")
    return [line(keywords("timeout check"), _seconds(monitor.timeout)), *_LINES[monitor.type](monitor, vip)]


def ping(pool: Pool, member: Member) -> Ping | None:
    """How the agent checks a member of a pool that is monitored by PING; None if it is not."""
    monitor = tree.health_monitor(pool)
    if monitor is None or monitor.type != "PING":
        return None
    return Ping(
        address=address(member.monitor_address or member.address).strip("[]"),
        interval=max(monitor.delay, 1),
        timeout=max(monitor.timeout, 1),
        rise=int(number(monitor.max_retries, 1)),
        fall=int(number(monitor.max_retries_down, 1)),
    )


def server_options(pool: Pool, member: Member) -> list[Word]:
    """A server line's part of its pool's health monitor."""
    monitor = tree.health_monitor(pool)
    if monitor is None or monitor.type == "PING":
        return []
    words = [*keywords("check inter"), _seconds(monitor.delay), *keywords("fall")]
    words += [number(monitor.max_retries_down, 1), *keywords("rise"), number(monitor.max_retries, 1)]
    if member.monitor_address:
        words += [*keywords("addr"), address(member.monitor_address)]
    if member.monitor_port:
        words += [*keywords("port"), number(member.monitor_port, 1, 65535)]
    # Where members speak TLS, ``lictor.amphora.tls`` says how checks do.
    return words if pool.tls_enabled else [*words, *_tls(monitor)]


def _tls(monitor: HealthMonitor) -> list[Word]:
    if monitor.type not in ("HTTPS", "TLS-HELLO"):
        return []
    # Servers that hold several sites answer a handshake only with a name that they know.
    sni = [*keywords("check-sni"), host_name(monitor.domain_name)] if monitor.domain_name else []
    return [*_TLS, *sni]


def _seconds(seconds: int) -> Word:
    # Zero, which the API takes, would mean "no limit" or be refused: a second is the shortest it can mean.
    return milliseconds(max(seconds, 1) * 1000)


def _http(monitor: HealthMonitor, vip: str) -> list[str]:
    method = monitor.http_method or "GET"
    if method not in _METHODS:
        raise tree.Unsupported(f"Health monitor {monitor.id}: http_method {method} is not supported.")
    request = [*keywords("http-check send meth"), quoted(method), *keywords("uri")]
    request.append(request_target(monitor.url_path or "/"))
    return [
        line(keywords("option httpchk")),
        line(request, _version(monitor, vip)),
        line(keywords("http-check expect status"), codes(monitor.expected_codes or "200")),
    ]


def _version(monitor: HealthMonitor, vip: str) -> list[Word]:
    if monitor.http_version is None or monitor.http_version < 1.1:
        return keywords("ver HTTP/1.0")
    # RFC 9112, section 3.2: an HTTP/1.1 request without Host is refused. The VIP is what clients would send.
    host = monitor.domain_name or address(vip)
    return [*keywords("ver HTTP/1.1 hdr Host"), log_format(host)]


def _connect(_monitor: HealthMonitor, _vip: str) -> list[str]:
    return []


_LINES: dict[str, Callable[[HealthMonitor, str], list[str]]] = {
    "HTTP": _http,
    "HTTPS": _http,
    "TCP": _connect,
    "TLS-HELLO": _connect,
}
