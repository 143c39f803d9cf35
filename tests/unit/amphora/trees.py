"""Load balancers for the tests: a builder of single rows, and all the trees that the API would accept."""

import functools
import pathlib
import subprocess
from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from lictor.agent.haproxy.section import sections
from lictor.amphora import certificates
from lictor.model import (
    AdditionalVip,
    HealthMonitor,
    L7Policy,
    L7Rule,
    Listener,
    LoadBalancer,
    Member,
    Pool,
    ciphers,
    new_id,
)
from lictor.model.l7rules import Invalid, check_rule
from lictor.wire import File, Logs, LogTarget

from ..certs import Identity

MODES = {
    "HTTP": ("HTTP", "PROXY", "PROXYV2"),
    "TCP": ("TCP", "HTTP", "HTTPS", "PROXY", "PROXYV2"),
    "HTTPS": ("TCP", "HTTPS", "PROXY", "PROXYV2"),
    "TERMINATED_HTTPS": ("HTTP", "PROXY", "PROXYV2"),
    "PROMETHEUS": (),
}
HEADERS = ("X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Forwarded-IP", "X-Client-IP", "X-Real-IP")
TLS_HEADERS = (
    "X-SSL-Client-Verify", "X-SSL-Client-Has-Cert", "X-SSL-Client-DN", "X-SSL-Client-CN", "X-SSL-Issuer",
    "X-SSL-Client-SHA1", "X-SSL-Client-Not-Before", "X-SSL-Client-Not-After",
)  # fmt: skip
LONGEST = 2_073_600_000


def load_balancer(**values: Any) -> LoadBalancer:
    given = {"vip_address": "198.18.0.10", "generation": 7, "admin_state_up": True, "provisioning_status": "ACTIVE"}
    return LoadBalancer(id=new_id(), **{**given, **values})


def listener(root: LoadBalancer, **values: Any) -> Listener:
    given = {
        "protocol": "HTTP", "protocol_port": 80, "connection_limit": -1, "timeout_client_data": 50000,
        "timeout_member_connect": 5000, "timeout_member_data": 50000, "timeout_tcp_inspect": 0, "insert_headers": {},
        "client_authentication": "NONE", "sni_container_refs": [],
    }  # fmt: skip
    return _child(Listener, {**given, "load_balancer": root, **values})


def policy(of: Listener, **values: Any) -> L7Policy:
    given = {"action": "REJECT", "position": len(of.l7policies) + 1, "listener": of}
    return _child(L7Policy, {**given, **values})


def rule(of: L7Policy, **values: Any) -> L7Rule:
    given = {"type": "PATH", "compare_type": "EQUAL_TO", "value": "/x", "invert": False, "l7policy": of}
    return _child(L7Rule, {**given, **values})


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
URLS = st.from_regex(
    r"https?://[a-z0-9.]{1,20}(:[0-9]{0,5})?(/[A-Za-z0-9\-._~!$&'()*+,;=:@%]{0,20})*\Z", fullmatch=True
).filter(lambda url: len(url) <= 255)
VALUES = st.one_of(
    st.text(st.sampled_from("'\"\\#%$-{}[]()<>;!aA1 \t.*+?^|,:/=&é\u00a0"), min_size=1, max_size=255),
    st.text(min_size=1, max_size=40),
    st.from_regex(r'\A("[!-~ ]{1,20}"|[!-~]{1,20})\Z', fullmatch=True),
)
# Whatever is made of these is an expression for Python and for HAProxy.
EXPRESSIONS = st.lists(
    st.sampled_from(
        ["^/", "(b|c)+", "[^'\"]*?", r"\d{2}", "'", '"', "#", " ", r"\\", "$", "%", "é", "(?:x)", ";", "<"]
    ),
    min_size=1,
    max_size=20,
).map("".join)
KEYS = st.one_of(st.none(), st.text(st.sampled_from("!#$%&'*+-.^_`|~aZ09"), min_size=1, max_size=255))


def _accepted(rule: dict[str, Any]) -> bool:
    try:
        check_rule(rule["type"], rule["compare_type"], rule["key"], rule["value"])
    except Invalid:
        return False
    return not set("\r\n") & set(rule["value"])


@st.composite
def _rules(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["HOST_NAME", "PATH", "FILE_TYPE", "HEADER", "COOKIE", "SSL_DN_FIELD"]))
    compare_type = draw(st.sampled_from(["EQUAL_TO", "STARTS_WITH", "ENDS_WITH", "CONTAINS", "REGEX"]))
    value = draw(EXPRESSIONS if compare_type == "REGEX" else VALUES)
    return {
        "type": kind,
        "compare_type": compare_type,
        "key": draw(KEYS),
        "value": value,
        "invert": draw(st.booleans()),
    }


_CERTIFICATES = st.fixed_dictionaries(
    {"type": st.just("SSL_CONN_HAS_CERT"), "value": st.sampled_from(["true", "TRUE"])}
) | st.fixed_dictionaries({"type": st.just("SSL_VERIFY_RESULT"), "value": st.integers(min_value=0).map(str)})
RULES = _rules().filter(_accepted) | st.builds(
    lambda rule, invert: rule | {"compare_type": "EQUAL_TO", "key": None, "invert": invert},
    _CERTIFICATES,
    st.booleans(),
)
STATUSES = st.sampled_from(["ACTIVE", "ERROR", "PENDING_CREATE", "PENDING_UPDATE", "PENDING_DELETE"])
COMMON = {"admin_state_up": st.booleans(), "provisioning_status": STATUSES}


@st.composite
def trees(draw: st.DrawFn) -> LoadBalancer:
    vip, *more = draw(st.lists(ADDRESSES, min_size=1, max_size=3, unique=True))
    root = load_balancer(vip_address=vip, admin_state_up=draw(st.sampled_from([True, True, True, False])))
    root.additional_vips = [AdditionalVip(ip_address=each, position=place) for place, each in enumerate(more)]
    pools = [_pool(draw, root) for _ in range(draw(st.integers(0, 3)))]
    for port in draw(st.lists(PORTS, unique=True, max_size=4)):
        _listener(draw, root, port, pools)
    return root


def _listener(draw: st.DrawFn, root: LoadBalancer, port: int, pools: list[Pool]) -> None:
    protocol = draw(st.sampled_from(sorted(MODES)))
    fitting = [pool for pool in pools if pool.protocol in MODES[protocol]]
    inserted = (*HEADERS, *TLS_HEADERS) if protocol == "TERMINATED_HTTPS" else HEADERS
    headers = st.dictionaries(st.sampled_from(inserted), st.sampled_from(["true", "True", "false", "x'\n"]))
    made = listener(
        root,
        protocol=protocol,
        protocol_port=port,
        **(_listener_tls(draw) if protocol in ("TERMINATED_HTTPS", "PROMETHEUS") else {}),
        default_pool=draw(st.sampled_from([*fitting, None])),
        connection_limit=draw(st.one_of(st.integers(-1, 10), st.integers(0, 2**40))),
        insert_headers=draw(headers) if protocol in ("HTTP", "TERMINATED_HTTPS") else {},
        allowed_cidrs=draw(st.one_of(st.none(), st.lists(NETWORKS, max_size=70))),
        **{name: draw(TIMES) for name in ("timeout_client_data", "timeout_member_connect", "timeout_member_data")},
        timeout_tcp_inspect=draw(TIMES),
        **_common(draw),
    )
    for _ in range(draw(st.integers(0, 3)) if protocol in ("HTTP", "TERMINATED_HTTPS") else 0):
        _policy(draw, made, fitting)


def _policy(draw: st.DrawFn, of: Listener, pools: list[Pool]) -> None:
    action = draw(st.sampled_from(["REJECT", "REDIRECT_TO_URL", "REDIRECT_PREFIX", "REDIRECT_TO_POOL"]))
    made = policy(
        of,
        action=action,
        redirect_url=draw(URLS) if action == "REDIRECT_TO_URL" else None,
        redirect_prefix=draw(URLS) if action == "REDIRECT_PREFIX" else None,
        redirect_http_code=draw(st.sampled_from([301, 302, 303, 307, 308])) if "TO_POOL" not in action else None,
        redirect_pool=draw(st.sampled_from([*pools, None])) if action == "REDIRECT_TO_POOL" else None,
        **_common(draw),
    )
    for values in draw(st.lists(RULES, max_size=3)):
        rule(made, **values, **_common(draw))


def _pool(draw: st.DrawFn, root: LoadBalancer) -> Pool:
    protocol = draw(st.sampled_from(["HTTP", "TCP", "HTTPS", "PROXY", "PROXYV2"]))
    algorithm = draw(st.sampled_from(["ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP", "SOURCE_IP_PORT"]))
    made = pool(
        root,
        protocol=protocol,
        lb_algorithm=algorithm,
        session_persistence=draw(_persistence(protocol)),
        **_pool_tls(draw),
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


REFERENCES = st.text(min_size=1, max_size=20)
VERSIONS = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]
CIPHERS = st.lists(
    st.sampled_from(
        ["TLS_AES_128_GCM_SHA256", "TLS_AES_128_CCM_8_SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "AES128-SHA", "HIGH",
         "ECDHE+AESGCM", "!aNULL", "-AES128-SHA", "+HIGH", "@STRENGTH", "@SECLEVEL=1", "!RC4"]
    ),
    min_size=1,
).map(":".join)  # fmt: skip


@st.composite
def _choices(draw: st.DrawFn) -> dict[str, Any]:
    """Ciphers, versions and ALPN that go together, as the API makes sure of."""
    first, last = sorted(draw(st.tuples(st.integers(0, 3), st.integers(0, 3))))
    versions = draw(st.permutations(VERSIONS[first : last + 1]))
    usable = CIPHERS.filter(lambda listed: ciphers.selected(listed) and ciphers.spoken(listed, versions))
    alpn = st.lists(st.sampled_from(["h2", "http/1.1", "http/1.0"]), min_size=1, unique=True)
    return {
        "tls_versions": versions,
        "tls_ciphers": draw(usable) if last > 0 else "AES128-SHA",
        "alpn_protocols": draw(alpn),
    }


def _listener_tls(draw: st.DrawFn) -> dict[str, Any]:
    default, others = draw(st.one_of(st.none(), REFERENCES)), draw(st.lists(REFERENCES, max_size=3))
    asked = draw(st.sampled_from(["NONE", "OPTIONAL", "MANDATORY"]))
    return {
        "default_tls_container_ref": default if default or others else "server",
        "sni_container_refs": others,
        "client_authentication": asked,
        "client_ca_tls_container_ref": None if asked == "NONE" else draw(REFERENCES),
        "client_crl_container_ref": None if asked == "NONE" else draw(st.one_of(st.none(), REFERENCES)),
        "hsts_max_age": draw(st.one_of(st.none(), st.integers(0, 2**31 - 1))),
        "hsts_include_subdomains": draw(st.booleans()),
        "hsts_preload": draw(st.booleans()),
        **draw(_choices()),
    }


def _pool_tls(draw: st.DrawFn) -> dict[str, Any]:
    if not draw(st.booleans()):
        return {}
    issuers = draw(st.one_of(st.none(), REFERENCES))
    return {
        "tls_enabled": True,
        "tls_container_ref": draw(st.one_of(st.none(), REFERENCES)),
        "ca_tls_container_ref": issuers,
        "crl_container_ref": draw(st.one_of(st.none(), REFERENCES)) if issuers else None,
        **draw(_choices()),
    }


# --- what HAProxy says ---

LOGS = Logs(flow=LogTarget(addresses=["192.0.2.1:514"]), administrative=LogTarget(addresses=["192.0.2.1:514"]))


@functools.cache
def _secrets() -> dict[str, str]:
    """What stands for every reference to a secret of its kind."""
    root = Identity("root", ca=True)
    made = {"cert": Identity("a.example", issuer=root).bundle, "ca-file": root.pem, "crl-file": root.revoke()}
    return {kind: content.decode() for kind, content in made.items()}


def files(tree: LoadBalancer) -> list[File]:
    """All the files that a tree's configuration names."""
    read = [File(name=one.name, kind=one.kind, content=_secrets()[one.kind]) for one in certificates.wanted(tree)]
    return [*certificates.lists(tree), *read]


def complaints(config: str, directory: pathlib.Path, beside: Iterable[File] = ()) -> str:
    """Warnings and errors of ``haproxy -c``, with the sections that the agent writes; empty when it is content."""
    for file in beside:
        (directory / file.name).write_text(file.content)
    state, first, second = directory / "servers.state", directory / "global.cfg", directory / "haproxy.cfg"
    state.write_text("1\n")
    first.write_text(sections(directory, directory, LOGS, "a"))
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
