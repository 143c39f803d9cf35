"""A load balancer's tree in HAProxy's words: one frontend a listener, one backend a pool and listener.

The text holds what follows from the tree. What follows from the machine (user, sockets, limits of the process) stands
in a file of the agent's own, which HAProxy reads first (``haproxy -f global.cfg -f this``).
"""

from lictor.amphora import backend, tree
from lictor.amphora.emitter import endpoint, header, identifier, keywords, line, milliseconds, network, number, timeout
from lictor.model import Listener, LoadBalancer
from lictor.wire import HAProxy, Server

MODES = {"HTTP": "http", "TCP": "tcp", "HTTPS": "tcp"}
"""Listener protocols, and HAProxy's mode for each. HTTPS is passed through as it is."""

MAX_CONNECTIONS = 1_000_000
"""The highest connection limit of a listener, as in Octavia (reference, 4.4); the machine's own may be lower."""

_DEFAULTS = [
    header(*keywords("defaults")),
    line(keywords("retries 3")),
    # A client whose server is gone gets another one, also if a cookie or table says otherwise.
    line(keywords("option redispatch")),
    # What the checks know outlives a reload: the agent's global section names the file (manual, 3.1).
    line(keywords("load-server-state-from-file global")),
]

# Reference, 1.7: what may be inserted on an HTTP listener. X-Forwarded-For has an option of its own.
_HEADERS = {
    "X-Forwarded-Port": "%[dst_port]",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-IP": "%[src]",
    "X-Client-IP": "%[src]",
    "X-Real-IP": "%[src]",
}


def render(load_balancer: LoadBalancer, default_connection_limit: int) -> HAProxy:
    """The configuration, and the servers in it that may be changed while HAProxy runs.

    Equal trees give equal texts, and a member's change changes its own line only. Raises ``tree.Unsupported`` and
    ``emitter.Unsafe`` for what the API should have refused.
    """
    sections: list[list[str]] = [_DEFAULTS]
    servers: list[Server] = []
    backends: list[backend.Backend] = []
    for listener in tree.listeners(load_balancer):
        pool = tree.default_pool(listener)
        sections.append(_frontend(load_balancer, listener, default_connection_limit))
        if pool:
            backends.append(backend.render(load_balancer, listener, pool, mode(listener)))
    for each in backends:
        sections.append(each.lines)
        servers += each.servers
    if any(each.forks for each in backends):
        sections.insert(0, backend.FORKING)
    return HAProxy(config="\n\n".join("\n".join(section) for section in sections) + "\n", servers=servers)


def mode(listener: Listener) -> str:
    """HAProxy's mode for a listener. Raises ``tree.Unsupported``."""
    if listener.protocol not in MODES:
        raise tree.Unsupported(f"Listener {listener.id}: protocol {listener.protocol} is not supported.")
    return MODES[listener.protocol]


def _frontend(load_balancer: LoadBalancer, listener: Listener, default_connection_limit: int) -> list[str]:
    pool = tree.default_pool(listener)
    return [
        header(*keywords("frontend"), identifier(listener.id)),
        line(keywords(f"mode {mode(listener)}")),
        *_binds(load_balancer, listener),
        line(keywords("maxconn"), number(_limit(listener, default_connection_limit), 1)),
        line(keywords("timeout client"), timeout(listener.timeout_client_data)),
        *_admission(listener),
        *_insert_headers(listener),
        *([line(keywords("default_backend"), backend.name(pool, listener))] if pool else []),
    ]


def _limit(listener: Listener, default: int) -> int:
    # -1 and 0 both mean "the data plane's own" (reference, 1.7).
    return min(listener.connection_limit if listener.connection_limit > 0 else default, MAX_CONNECTIONS)


def _binds(load_balancer: LoadBalancer, listener: Listener) -> list[str]:
    vips = [load_balancer.vip_address, *(vip.ip_address for vip in load_balancer.additional_vips)]
    return [line(keywords("bind"), endpoint(str(vip), listener.protocol_port)) for vip in vips]


def _admission(listener: Listener) -> list[str]:
    """Who may connect, and how long to look at what he says first."""
    lines = [line(keywords("acl allowed_cidrs src"), network(cidr)) for cidr in listener.allowed_cidrs or []]
    if lines:
        lines.append(line(keywords("tcp-request connection reject unless allowed_cidrs")))
    if listener.timeout_tcp_inspect > 0:
        lines.append(line(keywords("tcp-request inspect-delay"), milliseconds(listener.timeout_tcp_inspect)))
    return lines


def _insert_headers(listener: Listener) -> list[str]:
    wanted = {name for name, value in (listener.insert_headers or {}).items() if str(value).lower() == "true"}
    if unknown := wanted - _HEADERS.keys() - {"X-Forwarded-For"}:
        raise tree.Unsupported(f"Listener {listener.id}: insert_headers {sorted(unknown)} are not supported.")
    if wanted and mode(listener) != "http":
        raise tree.Unsupported(f"Listener {listener.id}: insert_headers on protocol {listener.protocol}.")
    lines = [line(keywords("option forwardfor"))] if "X-Forwarded-For" in wanted else []
    for name, value in _HEADERS.items():
        if name in wanted:
            lines.append(line(keywords("http-request set-header"), identifier(name), keywords(value)))
    return lines
