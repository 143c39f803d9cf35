"""A load balancer's tree in HAProxy's words: one frontend a listener, one backend a pool and listener that uses it.

The text holds what follows from the tree. What follows from the machine (user, sockets, limits of the process) stands
in a file of the agent's own, which HAProxy reads first (``haproxy -f global.cfg -f this``).
"""

from lictor.amphora import backend, l7, logs, persistence, tls, tree
from lictor.amphora.emitter import endpoint, header, identifier, keywords, line, milliseconds, number, timeout
from lictor.amphora.pair import Pair
from lictor.model import Listener, LoadBalancer
from lictor.model.rules import LAYER4, PLAIN_HEADERS, TLS_HEADERS
from lictor.wire import METRICS_BACKEND, HAProxy, Limit, Pattern, Server

MODES = {"HTTP": "http", "TERMINATED_HTTPS": "http", "TCP": "tcp", "HTTPS": "tcp", "PROMETHEUS": "http"}
"""Listener protocols, and HAProxy's mode for each. HTTPS is passed through as it is."""

_DEFAULTS = [
    header(*keywords("defaults")),
    line(keywords("retries 3")),
    # A client whose server is gone gets another one, also if a cookie or table says otherwise.
    line(keywords("option redispatch")),
    # What the checks know outlives a reload: the agent's global section names the file (manual, 3.1).
    line(keywords("load-server-state-from-file global")),
    # Of members that go up and down the operator hears, if there is a logger at all: the agent's section says.
    logs.GLOBAL,
]

REQUEST_TIMEOUT = 10_000
"""Milliseconds that a client has for the head of a request, so that slow ones cannot hold all connections."""

# Reference, 1.7: what may be inserted on an HTTP listener. X-Forwarded-For has an option of its own.
_HEADERS = {
    "X-Forwarded-Port": "%[dst_port]",
    "X-Forwarded-Proto": "%[ssl_fc,iif(https,http)]",
    "X-Forwarded-IP": "%[src]",
    "X-Client-IP": "%[src]",
    "X-Real-IP": "%[src]",
}


# The agent has the backend in its own section.
_METRICS = [
    line(keywords("http-request return status 404 unless { path / /metrics }")),
    line(keywords("http-request return status 405 hdr Allow GET unless METH_GET")),
    line(keywords(f"default_backend {METRICS_BACKEND}")),
]


def render(
    load_balancer: LoadBalancer, default_connection_limit: int, log_format: str = "", pair: Pair | None = None
) -> HAProxy:
    """The configuration, and the servers in it that may be changed while HAProxy runs.

    ``log_format`` is how connections are logged; empty for not at all. ``pair`` is there where two amphorae carry it.

    Equal trees give equal texts, and a change of a member or of a rule's value changes its own line only. Raises
    ``tree.Unsupported`` and ``emitter.Unsafe`` for what the API should have refused.
    """
    sections: list[list[str]] = [_DEFAULTS]
    servers: list[Server] = []
    patterns: list[Pattern] = []
    limits: list[Limit] = []
    backends: list[backend.Backend] = []
    # Those of UDP and SCTP are not HAProxy's: see udp.py.
    listeners = [each for each in tree.listeners(load_balancer) if LAYER4.get(each.protocol, "TCP") == "TCP"]
    numbers = l7.numbers(listeners)
    for listener in listeners:
        rules = l7.render(listener, numbers)
        patterns += rules.patterns
        limits.append(_limit(listener, default_connection_limit))
        sections.append(_frontend(load_balancer, listener, rules, limits[-1], log_format))
        backends += [backend.render(load_balancer, listener, pool, mode(listener)) for pool in tree.used(listener)]
    for each in backends:
        sections.append(each.lines)
        servers += each.servers
    sections[:0] = persistence.peers([each.lines for each in backends], pair)
    if any(tls.checks_clients(listener) for listener in listeners):
        sections.insert(0, tls.WITHOUT_RESUMPTION)
    config = "\n\n".join("\n".join(section) for section in sections) + "\n"
    return HAProxy(config=config, servers=servers, patterns=patterns, limits=limits)


def mode(listener: Listener) -> str:
    """HAProxy's mode for a listener. Raises ``tree.Unsupported``."""
    if listener.protocol not in MODES:
        raise tree.Unsupported(f"Listener {listener.id}: protocol {listener.protocol} is not supported.")
    return MODES[listener.protocol]


def _frontend(
    load_balancer: LoadBalancer, listener: Listener, rules: l7.Lines, limit: Limit, log_format: str
) -> list[str]:
    pool = tree.default_pool(listener)
    if (rules.answers or rules.routes) and mode(listener) != "http":
        raise tree.Unsupported(f"Listener {listener.id}: L7 policies on protocol {listener.protocol}.")
    return [
        header(*keywords("frontend"), identifier(listener.id)),
        line(keywords(f"mode {mode(listener)}")),
        *(logs.lines(load_balancer, mode(listener), log_format) if log_format else [logs.NONE]),
        *_binds(load_balancer, listener),
        line(keywords(limit.line())),
        line(keywords("timeout client"), timeout(listener.timeout_client_data)),
        *_requests(listener),
        *_inspection(listener),
        *rules.answers,
        *_insert_headers(listener),
        *tls.frontend_lines(listener),
        *rules.routes,
        *(_METRICS if listener.protocol == "PROMETHEUS" else []),
        *([line(keywords("default_backend"), backend.name(pool, listener))] if pool else []),
    ]


def _limit(listener: Listener, default: int) -> Limit:
    most = number(tree.connection_limit(listener, default), 1)
    return Limit(frontend=str(identifier(listener.id)), connections=int(most))


def _binds(load_balancer: LoadBalancer, listener: Listener) -> list[str]:
    options, port = tls.bind_options(listener), listener.protocol_port
    return [line(keywords("bind"), endpoint(str(vip), port), options) for vip in tree.vips(load_balancer)]


def _inspection(listener: Listener) -> list[str]:
    """How long to look at what a client says first. (Who may connect at all is nftables' to say.)"""
    if listener.timeout_tcp_inspect <= 0:
        return []
    return [line(keywords("tcp-request inspect-delay"), milliseconds(listener.timeout_tcp_inspect))]


def _requests(listener: Listener) -> list[str]:
    """How long to wait for requests (between them, as long as for other data of the client), and connections' ends."""
    if mode(listener) != "http":
        return []
    return [
        line(keywords("timeout http-request"), number(REQUEST_TIMEOUT)),
        line(keywords("timeout http-keep-alive"), timeout(listener.timeout_client_data)),
        # Browsers connect ahead of need: a connection without a request ends without an answer, and is no error.
        line(keywords("option http-ignore-probes")),
        # After a reload: else a request that is on its way on a connection that was idle would get no answer.
        line(keywords("option idle-close-on-response")),
    ]


def _insert_headers(listener: Listener) -> list[str]:
    wanted = {name for name, value in (listener.insert_headers or {}).items() if str(value).lower() == "true"}
    if unknown := wanted - PLAIN_HEADERS - TLS_HEADERS:
        raise tree.Unsupported(f"Listener {listener.id}: insert_headers {sorted(unknown)} are not supported.")
    if wanted and mode(listener) != "http":
        raise tree.Unsupported(f"Listener {listener.id}: insert_headers on protocol {listener.protocol}.")
    lines = [line(keywords("option forwardfor"))] if "X-Forwarded-For" in wanted else []
    for name, value in _HEADERS.items():
        if name in wanted:
            lines.append(line(keywords("http-request set-header"), identifier(name), keywords(value)))
    return lines
