"""Whatever a client sends, the answer is no 5xx but 501 ("not yet supported"), and has the shape of an answer."""

import pathlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import falcon.testing
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lictor.api.requests import healthmonitors, l7, listeners, loadbalancers, members, pools
from lictor.api.views import L7POLICIES, L7RULES, LISTENERS, LOAD_BALANCERS, MEMBERS, MONITORS, POOLS
from tests.unit.api.world import L, World
from tests.unit.certs import Identity

PRINTED = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


class Tree(World):
    """A world with one of everything, whose ids stand in place of words."""

    def __init__(self, directory: pathlib.Path) -> None:
        super().__init__(directory, controller_worker__compute_driver="noop")
        balancer = self.balancer(name="a", tags=["a"])
        pool = self.pool(balancer)
        listener = self.listener(balancer, default_pool_id=pool["id"])
        policy = self.policy(listener)
        self.ids = {
            "BALANCER": balancer["id"],
            "POOL": pool["id"],
            "LISTENER": listener["id"],
            "POLICY": policy["id"],
            "RULE": self.rule(policy)["id"],
            "MEMBER": self.member(pool)["id"],
            "MONITOR": self.monitor(pool)["id"],
            "SUBNET": self.subnet.id,
        }
        authority = Identity("ca", ca=True)
        for name, content in {"www": Identity("www").bundle, "ca": authority.pem, "crl": authority.revoke()}.items():
            self.secret(f"{name}.pem", content)

    def path(self, path: str) -> str:
        return L + "/".join(self.ids.get(segment, segment) for segment in path.split("/"))

    def fill(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self.fill(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self.fill(each) for each in value]
        return self.ids.get(value, value) if isinstance(value, str) else value


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    yield Tree(tmp_path_factory.mktemp("tree"))


def check(answer: falcon.testing.Result) -> None:
    assert answer.status_code < 500 or answer.status_code == 501, answer.text
    assert answer.headers["x-openstack-request-id"]
    if answer.status_code >= 400:
        assert set(answer.json) == {"faultcode", "faultstring", "debuginfo"}
        assert answer.json["faultcode"] == ("Client" if answer.status_code < 500 else "Server")
        assert answer.json["faultstring"]


def status_of(tree: Tree, environ: dict[str, Any]) -> int:
    """What a server would see that hands over bytes which no well-behaved client would send."""
    statuses: list[str] = []
    b"".join(tree.app(dict(environ), lambda status, _headers, *_rest: statuses.append(status)))
    return int(statuses[0][:3])


TARGETS = (
    ("POST", "/loadbalancers", "loadbalancer", loadbalancers.LoadBalancerPost),
    ("PUT", "/loadbalancers/BALANCER", "loadbalancer", loadbalancers.LoadBalancerPut),
    ("POST", "/listeners", "listener", listeners.ListenerPost),
    ("PUT", "/listeners/LISTENER", "listener", listeners.ListenerPut),
    ("POST", "/pools", "pool", pools.PoolPost),
    ("PUT", "/pools/POOL", "pool", pools.PoolPut),
    ("POST", "/pools/POOL/members", "member", members.MemberPost),
    ("PUT", "/pools/POOL/members", "members", members.MemberInBatch),
    ("PUT", "/pools/POOL/members/MEMBER", "member", members.MemberPut),
    ("POST", "/healthmonitors", "healthmonitor", healthmonitors.MonitorPost),
    ("PUT", "/healthmonitors/MONITOR", "healthmonitor", healthmonitors.MonitorPut),
    ("POST", "/l7policies", "l7policy", l7.L7PolicyPost),
    ("PUT", "/l7policies/POLICY", "l7policy", l7.L7PolicyPut),
    ("POST", "/l7policies/POLICY/rules", "rule", l7.L7RulePost),
    ("PUT", "/l7policies/POLICY/rules/RULE", "rule", l7.L7RulePut),
)
ATTRIBUTES = sorted({name for _, _, _, kind in TARGETS for name in kind.__struct_fields__} | {"id", "tenant_id"})

words = st.sampled_from(
    ["BALANCER", "POOL", "LISTENER", "MEMBER", "MONITOR", "SUBNET", "POLICY", "HTTP", "TCP", "HTTPS", "PROXY", "UDP",
     "PING", "ROUND_ROBIN", "SOURCE_IP", "APP_COOKIE", "10.0.0.1", "198.18.4.9", "::1", "::ffff:1.2.3.4",
     "10.0.0.0/8", "80", "on", "none", "", "0", "-1", "1e999", "nan", "inf", "1_000", "٣", "true", "/", "200-204",
     "a.b", "x" * 256]
)  # fmt: skip
scalars = st.one_of(
    words,
    st.text(max_size=20),
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, 1, 80, 65535, 256, 10, 2**31, 2**63, -1]),
    st.floats(allow_nan=False, allow_infinity=False),
)
names = st.one_of(st.sampled_from(ATTRIBUTES), st.text(max_size=5))
values = st.recursive(
    scalars, lambda below: st.lists(below, max_size=3) | st.dictionaries(names, below, max_size=6), max_leaves=12
)
sensible = st.fixed_dictionaries(
    {},
    optional={
        "loadbalancer_id": st.just("BALANCER"), "listener_id": st.just("LISTENER"), "pool_id": st.just("POOL"),
        "vip_subnet_id": st.just("SUBNET"), "protocol": st.sampled_from(["HTTP", "TCP", "HTTPS", "PROXY"]),
        "protocol_port": st.integers(1, 99), "lb_algorithm": st.just("ROUND_ROBIN"), "address": words,
        "type": st.sampled_from(["HTTP", "TCP", "SOURCE_IP", "APP_COOKIE", "PATH", "COOKIE", "SSL_VERIFY_RESULT"]),
        "delay": st.integers(0, 9), "timeout": st.integers(0, 9), "max_retries": st.integers(1, 10),
        "action": st.sampled_from(["REJECT", "REDIRECT_TO_URL", "REDIRECT_TO_POOL", "REDIRECT_PREFIX"]),
        "redirect_url": st.just("http://a.example"), "redirect_pool_id": st.just("POOL"),
        "position": st.sampled_from([1, 2, 2**31 - 1]), "compare_type": st.sampled_from(["REGEX", "EQUAL_TO"]),
        "key": words, "value": words | st.text("()[]{}*+?|\\^$a1-,", max_size=9),
    },
)  # fmt: skip
bodies = st.builds(lambda good, wild: good | wild, sensible, st.dictionaries(names, values, max_size=4))


@PRINTED
@given(target=st.sampled_from(TARGETS), body=bodies, listed=st.booleans())
def test_no_body_gives_a_5xx(tree: Tree, target: tuple, body: dict, listed: bool) -> None:
    method, path, root, kind = target
    known = {name: value for name, value in body.items() if name in kind.__struct_fields__}
    content = [known, body] if root == "members" or listed else known
    check(tree.http.simulate_request(method, tree.path(path), json={root: tree.fill(content)}))
    check(tree.http.simulate_request(method, tree.path(path), json={root: tree.fill(body)}))


refs = st.sampled_from(["www", "ca", "crl", "none", "", "..", "file:www", "\U0001f600", "a\n"])
secured = st.fixed_dictionaries(
    {"protocol": st.sampled_from(["TERMINATED_HTTPS", "PROMETHEUS", "HTTP", "UDP", "SCTP"])},
    optional={
        "default_tls_container_ref": refs, "sni_container_refs": st.lists(refs, max_size=2),
        "client_ca_tls_container_ref": refs, "client_crl_container_ref": refs, "tls_container_ref": refs,
        "ca_tls_container_ref": refs, "crl_container_ref": refs, "tls_enabled": st.booleans(),
        "client_authentication": st.sampled_from(["NONE", "OPTIONAL"]), "hsts_max_age": st.integers(0, 9),
        "tls_ciphers": st.text("AHIGS@LEVC=0123:!+-_.", max_size=12) | st.just("HIGH:TLS_AES_128_CCM_SHA256"),
        "tls_versions": st.lists(st.sampled_from(["SSLv3", "TLSv1", "TLSv1.3", "x"]), max_size=2),
        "alpn_protocols": st.lists(st.sampled_from(["h2", "http/1.1", "x"]), max_size=2),
        "insert_headers": st.dictionaries(st.sampled_from(["X-Real-IP", "X-SSL-Issuer", "x"]), words, max_size=2),
        "type": st.sampled_from(["UDP-CONNECT", "SCTP", "PING"]),
    },
)  # fmt: skip


@PRINTED
@given(target=st.sampled_from(TARGETS), body=bodies, secure=secured)
def test_no_reference_or_choice_for_tls_gives_a_5xx(tree: Tree, target: tuple, body: dict, secure: dict) -> None:
    method, path, root, kind = target
    known = {name: value for name, value in (body | secure).items() if name in kind.__struct_fields__}
    content = [known] if root == "members" else known
    answer = tree.http.simulate_request(method, tree.path(path), json={root: tree.fill(content)})
    check(answer)
    assert answer.status_code < 500


@PRINTED
@given(target=st.sampled_from(TARGETS), content=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_no_bytes_give_a_5xx(tree: Tree, target: tuple, content: bytes) -> None:
    method, path, _root, _kind = target
    check(tree.http.simulate_request(method, tree.path(path), body=content))


VIEWS = (LOAD_BALANCERS, LISTENERS, POOLS, MEMBERS, MONITORS, L7POLICIES, L7RULES)
COLUMNS = sorted({name for view in VIEWS for name in view.columns})
keys = st.one_of(
    st.sampled_from(["limit", "marker", "sort", "sort_key", "sort_dir", "page_reverse", "fields", "tags", "tags-any",
                     "not-tags", "not-tags-any", "load_balancer_id", "listener_id", "cascade", *COLUMNS]),
    st.text(max_size=5),
)  # fmt: skip
asked = st.one_of(
    words, st.text(max_size=10), st.sampled_from(COLUMNS), st.integers(-(2**70), 2**70).map(str),
    st.sampled_from(["name:desc", "id:asc,name", "asc", "desc", "a,b", "2026-11-23T00:00:00+25:00", "9" * 400,
                     "2026-11-23T00:00:00-23:59", "0001-01-01T00:00:00+10:00", "infinite", "True"]),
)  # fmt: skip
LISTS = (
    "/loadbalancers", "/listeners", "/pools", "/healthmonitors", "/pools/POOL/members", "/loadbalancers/BALANCER",
    "/l7policies", "/l7policies/POLICY/rules",
)  # fmt: skip


@PRINTED
@given(path=st.sampled_from(LISTS), query=st.lists(st.tuples(keys, asked), max_size=4))
def test_no_query_gives_a_5xx(tree: Tree, path: str, query: list[tuple[str, str]]) -> None:
    text = "&".join(f"{quote(name)}={quote(str(tree.fill(value)))}" for name, value in query)
    check(tree.http.simulate_get(tree.path(path), query_string=text))


@PRINTED
@given(query=st.binary(max_size=30), segment=st.binary(max_size=20), method=st.sampled_from(["GET", "PUT", "DELETE"]))
def test_no_bytes_in_path_or_query_give_a_5xx(tree: Tree, query: bytes, segment: bytes, method: str) -> None:
    environ = falcon.testing.create_environ(method=method)
    for prefix in (f"{L}/loadbalancers/", f"{L}/pools/", "/v2/subnets/", "/"):
        environ["PATH_INFO"] = prefix + segment.decode("latin-1")
        environ["QUERY_STRING"] = query.decode("latin-1")
        statuses: list[str] = []
        b"".join(tree.app(dict(environ), lambda status, _headers, *_rest, kept=statuses: kept.append(status)))
        assert int(statuses[0][:3]) < 500


@PRINTED
@given(
    header=st.sampled_from(["Accept", "X-Project-Id", "X-Openstack-Request-Id", "Host", "Content-Type", "Authorization",
                            "Content-Length", "Transfer-Encoding", "X-Forwarded-Host", "Forwarded", "Range"]),
    value=st.binary(max_size=30).map(lambda raw: raw.decode("latin-1")),
)  # fmt: skip
def test_no_header_gives_a_5xx(tree: Tree, header: str, value: str) -> None:
    environ = falcon.testing.create_environ(f"{L}/loadbalancers")
    plain = header.upper().replace("-", "_")
    environ[plain if plain.startswith("CONTENT") else f"HTTP_{plain}"] = value
    statuses: list[str] = []
    b"".join(tree.app(environ, lambda status, _headers, *_rest, kept=statuses: kept.append(status)))
    assert int(statuses[0][:3]) < 500


@pytest.mark.parametrize(
    "path", ["/", "/healthcheck", "/v2/subnets", "/v2.0/networks/x", "/projects/%00", "/v2/providers"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_no_method_gives_a_5xx(tree: Tree, path: str, method: str) -> None:
    assert tree.http.simulate_request(method, path).status_code < 500
