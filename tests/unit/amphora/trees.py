"""Load balancers for the tests: a builder of single rows, and all the trees that the API would accept."""

import pathlib
import subprocess
from typing import Any

from hypothesis import strategies as st

from lictor.model import HealthMonitor, Listener, LoadBalancer, Member, Pool, new_id

MODES = {
    "HTTP": ("HTTP", "PROXY", "PROXYV2"),
    "TCP": ("TCP", "HTTP", "HTTPS", "PROXY", "PROXYV2"),
    "HTTPS": ("TCP", "HTTPS", "PROXY", "PROXYV2"),
}
HEADERS = ("X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Forwarded-IP", "X-Client-IP", "X-Real-IP")
LONGEST = 2_073_600_000


def load_balancer(**values: Any) -> LoadBalancer:
    given = {"vip_address": "198.18.0.10", "generation": 7, "admin_state_up": True, "provisioning_status": "ACTIVE"}
    return LoadBalancer(id=new_id(), **{**given, **values})


def listener(root: LoadBalancer, **values: Any) -> Listener:
    given = {
        "protocol": "HTTP", "protocol_port": 80, "connection_limit": -1, "timeout_client_data": 50000,
        "timeout_member_connect": 5000, "timeout_member_data": 50000, "timeout_tcp_inspect": 0, "insert_headers": {},
    }  # fmt: skip
    return _child(Listener, {**given, "load_balancer": root, **values})


def pool(root: LoadBalancer, **values: Any) -> Pool:
    return _child(Pool, {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "load_balancer": root, **values})


def member(of: Pool, **values: Any) -> Member:
    given = {"address": "198.18.0.100", "protocol_port": 80, "weight": 1, "backup": False}
    return _child(Member, {**given, "pool": of, **values})


def monitor(of: Pool, **values: Any) -> HealthMonitor:
    given = {"type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 2, "max_retries_down": 3, "url_path": "/healthy"}
    return _child(HealthMonitor, {**given, "pool": of, **values})


def _child(kind: type[Any], values: dict[str, Any]) -> Any:
    return kind(**{"id": new_id(), "admin_state_up": True, "provisioning_status": "ACTIVE", **values})


# --- all trees that the API accepts ---

ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6).filter(lambda ip: not ip.scope_id)).map(str)
NETWORKS = st.one_of(
    st.builds("{}/{}".format, st.ip_addresses(v=4), st.integers(0, 32)),
    st.builds("{}/{}".format, st.ip_addresses(v=6), st.integers(0, 128)),
)
PORTS = st.integers(1, 65535)
TIMES = st.one_of(st.sampled_from([0, 1, LONGEST]), st.integers(0, LONGEST))
SECONDS = st.one_of(st.sampled_from([0, 1, 10**9]), st.integers(0, 10**6))
PATHS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=80).map("/{}".format)
COOKIES = st.text(
    st.one_of(st.sampled_from("!#$%&'*\"()[]{}=/"), st.characters(min_codepoint=0x21, exclude_categories=["C", "Z"])),
    min_size=1,
    max_size=30,
).filter(lambda name: not set(name) & set(",;\\"))
HOSTS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z0-9]{1,10}){0,3}", fullmatch=True)
CODES = st.from_regex(r"[0-9]{3}(\s?,\s?[0-9]{3}){0,5}|[0-9]{3}-[0-9]{3}", fullmatch=True).filter(str.isascii)
STATUSES = st.sampled_from(["ACTIVE", "ERROR", "PENDING_CREATE", "PENDING_UPDATE", "PENDING_DELETE"])
COMMON = {"admin_state_up": st.booleans(), "provisioning_status": STATUSES}


@st.composite
def trees(draw: st.DrawFn) -> LoadBalancer:
    root = load_balancer(vip_address=draw(ADDRESSES), admin_state_up=draw(st.sampled_from([True, True, True, False])))
    pools = [_pool(draw, root) for _ in range(draw(st.integers(0, 3)))]
    for port in draw(st.lists(PORTS, unique=True, max_size=4)):
        _listener(draw, root, port, pools)
    return root


def _listener(draw: st.DrawFn, root: LoadBalancer, port: int, pools: list[Pool]) -> None:
    protocol = draw(st.sampled_from(sorted(MODES)))
    fitting = [pool for pool in pools if pool.protocol in MODES[protocol]]
    headers = st.dictionaries(st.sampled_from(HEADERS), st.sampled_from(["true", "True", "false", "x'\n"]))
    listener(
        root,
        protocol=protocol,
        protocol_port=port,
        default_pool=draw(st.sampled_from([*fitting, None])),
        connection_limit=draw(st.one_of(st.integers(-1, 10), st.integers(0, 2**40))),
        insert_headers=draw(headers) if protocol == "HTTP" else {},
        allowed_cidrs=draw(st.one_of(st.none(), st.lists(NETWORKS, max_size=70))),
        **{name: draw(TIMES) for name in ("timeout_client_data", "timeout_member_connect", "timeout_member_data")},
        timeout_tcp_inspect=draw(TIMES),
        **_common(draw),
    )


def _pool(draw: st.DrawFn, root: LoadBalancer) -> Pool:
    protocol = draw(st.sampled_from(["HTTP", "TCP", "HTTPS", "PROXY", "PROXYV2"]))
    algorithm = draw(st.sampled_from(["ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP"]))
    made = pool(
        root,
        protocol=protocol,
        lb_algorithm=algorithm,
        session_persistence=draw(_persistence(protocol)),
        **_common(draw),
    )
    if draw(st.booleans()):
        monitor(made, **_monitor(draw), **_common(draw))
    for address, port in draw(st.lists(st.tuples(ADDRESSES, PORTS), max_size=4, unique=True)):
        _member(draw, made, address, port)
    return made


def _persistence(protocol: str) -> st.SearchStrategy[dict[str, str] | None]:
    kinds = [st.none(), st.just({"type": "SOURCE_IP"})]
    if protocol not in ("TCP", "HTTPS"):
        kinds.append(st.just({"type": "HTTP_COOKIE"}))
        kinds.append(st.builds(lambda name: {"type": "APP_COOKIE", "cookie_name": name}, COOKIES))
    return st.one_of(kinds)


def _member(draw: st.DrawFn, of: Pool, address: str, port: int) -> None:
    member(
        of,
        address=address,
        protocol_port=port,
        weight=draw(st.integers(0, 256)),
        backup=draw(st.booleans()),
        monitor_address=draw(st.one_of(st.none(), ADDRESSES)),
        monitor_port=draw(st.one_of(st.none(), PORTS)),
        **_common(draw),
    )


def _monitor(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["HTTP", "HTTPS", "TCP", "PING", "TLS-HELLO"]))
    common = {"type": kind, "delay": draw(SECONDS), "timeout": draw(SECONDS)}
    common |= {"max_retries": draw(st.integers(1, 10)), "max_retries_down": draw(st.integers(1, 10))}
    if kind not in ("HTTP", "HTTPS"):
        return common | {"url_path": None}
    version = draw(st.sampled_from([None, 1.0, 1.1]))
    methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "OPTIONS", "CONNECT", "PATCH"]
    return common | {
        "http_method": draw(st.sampled_from(methods)),
        "url_path": draw(PATHS),
        "expected_codes": draw(CODES),
        "http_version": version,
        "domain_name": draw(st.one_of(st.none(), HOSTS)) if version == 1.1 else None,
    }


def _common(draw: st.DrawFn) -> dict[str, Any]:
    return {name: draw(strategy) for name, strategy in COMMON.items()}


# --- what HAProxy says ---


def complaints(config: str, directory: pathlib.Path) -> str:
    """Warnings and errors of ``haproxy -c``, with a global section as the agent writes it; empty when it is content."""
    state, first, second = directory / "servers.state", directory / "global.cfg", directory / "haproxy.cfg"
    state.write_text("1\n")
    first.write_text(f"global\n    maxconn 2000\n    server-state-file {state}\n")
    second.write_text(config)
    # A configuration without any listener is fine here, but HAProxy counts it as an error of its own kind (exit 2).
    command = ["haproxy", "-c", "-f", str(first), "-f", str(second)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    words = [line for line in ran.stderr.splitlines() if "[WARNING]" in line or "[ALERT]" in line]
    return "\n".join(words) + ("" if ran.returncode in (0, 2) else f"\nexit {ran.returncode}")


def tokens(config: str) -> list[list[str]]:
    """The words of each line, by the rules of HAProxy's manual, 2.2: written for the tests, apart from the emitter."""
    return [words for words in map(_words, config.split("\n")) if words]


def _words(line: str) -> list[str]:
    words: list[str] = []
    word, quote, position = None, "", 0
    while position < len(line):
        character = line[position]
        position += 1
        if quote == "'" and character != "'":
            word = (word or "") + character
        elif character == "\\":
            word, position = (word or "") + line[position], position + 1
        elif character in "'\"" and quote in ("", character):
            word, quote = word or "", "" if quote else character
        elif not quote and character == "#":
            break
        elif not quote and character in " \t":
            words, word = words + ([word] if word is not None else []), None
        else:
            word = (word or "") + character
    return words + ([word] if word is not None else [])
