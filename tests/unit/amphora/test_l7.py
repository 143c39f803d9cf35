"""L7 policies and rules: what they become, and what a real HAProxy on loopback then does with requests."""

import collections
import http.client
import pathlib
import time
from collections.abc import Iterator

import pytest

from lictor.amphora import haproxy
from lictor.amphora.tree import Unsupported
from lictor.model import Listener, LoadBalancer, Pool
from lictor.wire import HAProxy
from tests.lab.l7cases import MATCHES

from . import trees
from .world import PATIENCE, Website, free_port, running

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def root() -> LoadBalancer:
    return trees.load_balancer(vip_address="127.0.0.1")


@pytest.fixture
def listener(root: LoadBalancer) -> Listener:
    return trees.listener(root, protocol_port=free_port())


@pytest.fixture
def sites() -> Iterator[list[Website]]:
    made = [Website(name) for name in ("one", "two")]
    yield made
    for site in made:
        site.shutdown()
        site.server_close()


def pool_of(root: LoadBalancer, site: Website) -> Pool:
    pool = trees.pool(root)
    trees.member(pool, address="127.0.0.1", protocol_port=site.port)
    return pool


def render(root: LoadBalancer) -> HAProxy:
    return haproxy.render(root, 100)


def lines(root: LoadBalancer) -> list[str]:
    return [line.strip() for line in render(root).config.split("\n")]


def ask(listener: Listener, path: str = "/", **headers: str) -> tuple[int, str, str]:
    """Status, body and location of an answer. ``X_Name`` stands for the header ``X-Name``."""
    connection = http.client.HTTPConnection("127.0.0.1", listener.protocol_port, timeout=PATIENCE)
    connection.putrequest("GET", path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    found = answer.status, answer.read().decode(), answer.headers.get("Location", "")
    connection.close()
    return found


# --- who takes part ---


def test_a_policy_without_enabled_rules_never_matches(root: LoadBalancer, listener: Listener) -> None:
    trees.policy(listener)
    trees.rule(trees.policy(listener), admin_state_up=False)
    trees.rule(trees.policy(listener), provisioning_status="PENDING_DELETE")
    trees.rule(trees.policy(listener, admin_state_up=False))
    trees.rule(trees.policy(listener, provisioning_status="PENDING_DELETE"))
    assert "deny" not in render(root).config
    assert render(root).patterns == []


@pytest.mark.parametrize("change", [{"admin_state_up": False}, {"provisioning_status": "PENDING_DELETE"}])
def test_a_pool_that_is_not_used_is_no_target(root: LoadBalancer, listener: Listener, change: dict) -> None:
    trees.rule(trees.policy(listener, action="REDIRECT_TO_POOL", redirect_pool=trees.pool(root, **change)))
    assert not [line for line in lines(root) if line.startswith(("use_backend", "backend", "acl"))]


def test_a_pool_has_one_backend_for_a_listener_however_often_that_names_it(root: LoadBalancer) -> None:
    pool = trees.pool(root)
    member = trees.member(pool)
    for port in (80, 81):
        one = trees.listener(root, protocol_port=port, default_pool=pool if port == 80 else None)
        for value in ("/a", "/b"):
            trees.rule(trees.policy(one, action="REDIRECT_TO_POOL", redirect_pool=pool), value=value)
    backends = [line for line in lines(root) if line.startswith("backend ")]
    assert sorted(backends) == sorted(f"backend {pool.id}:{each.id}" for each in root.listeners)
    assert [server.name for server in render(root).servers] == [member.id, member.id]


def test_policies_are_for_listeners_that_see_requests(root: LoadBalancer) -> None:
    listener = trees.listener(root, protocol="TCP")
    trees.rule(trees.policy(listener))
    with pytest.raises(Unsupported, match=f"Listener {listener.id}: L7 policies on protocol TCP"):
        render(root)


def test_the_most_rules_of_the_longest_values_are_still_lines_for_haproxy(
    root: LoadBalancer, tmp_path: pathlib.Path
) -> None:
    pool = trees.pool(root)
    listener = trees.listener(root)
    url = "https://example.com/" + "a" * 235
    for action in ("REJECT", "REDIRECT_TO_URL", "REDIRECT_TO_POOL"):
        policy = trees.policy(listener, action=action, redirect_url=url, redirect_http_code=308, redirect_pool=pool)
        for _ in range(50):
            trees.rule(policy, type="HEADER", key="'" * 255, value="'" * 255, invert=True)
    assert trees.complaints(render(root).config, tmp_path) == ""


def test_rules_whose_numbers_would_be_the_same_get_different_ones(root: LoadBalancer, listener: Listener) -> None:
    policy = trees.policy(listener)
    for digit in (2, 1, 0):  # all are the same modulo 2^30 - 1
        number = digit * (2**30 - 1) + 2**30 - 2
        trees.rule(policy, id=f"00000000-0000-0000-0000-{number:012x}", value=f"/{digit}")
    found = {pattern.value: pattern.number for pattern in render(root).patterns}
    assert found == {"/0": 2**31 - 2, "/1": 2, "/2": 4}


# --- each type of rule and each comparison, with what matches and what does not ---


def test_each_rule_matches_what_it_says_and_nothing_else(root: LoadBalancer, listener: Listener) -> None:
    """All of them on one listener: each policy redirects to its number, and the request that must match names it."""
    for number, (kind, compare, key, value, _, _) in enumerate(MATCHES):
        policy = trees.policy(listener, action="REDIRECT_TO_URL", redirect_url=f"http://x/{number}")
        trees.rule(policy, type=kind, compare_type=compare, key=key, value=value)
        trees.rule(policy, type="HEADER", key="X-Case", compare_type="EQUAL_TO", value=str(number))
    with running(root):
        for number, (*rule, yes, no) in enumerate(MATCHES):
            assert ask(listener, **{"X_Case": str(number), **yes})[2] == f"http://x/{number}", (rule, yes)
            assert ask(listener, **{"X_Case": str(number), **no})[0] == 503, (rule, no)


def test_an_inverted_rule_matches_the_rest(root: LoadBalancer, listener: Listener) -> None:
    trees.rule(trees.policy(listener), type="FILE_TYPE", value="jpg", invert=True)
    with running(root):
        assert [ask(listener, path)[0] for path in ("/a.jpg", "/a.png", "/jpg")] == [503, 403, 403]


def test_without_tls_no_client_has_a_certificate(root: LoadBalancer, listener: Listener) -> None:
    for number, invert in enumerate((False, True)):
        for kind, key, value in (
            ("SSL_CONN_HAS_CERT", None, "true"),
            ("SSL_VERIFY_RESULT", None, "0"),
            ("SSL_DN_FIELD", "CN", "a"),
        ):
            policy = trees.policy(listener, action="REDIRECT_TO_URL", redirect_url=f"http://x/{kind}{invert}")
            trees.rule(policy, type=kind, key=key, value=value, invert=invert)
            trees.rule(policy, value=f"/{kind}/{number}")
    with running(root):
        for kind in ("SSL_CONN_HAS_CERT", "SSL_VERIFY_RESULT", "SSL_DN_FIELD"):
            assert ask(listener, f"/{kind}/0")[0] == 503
            assert ask(listener, f"/{kind}/1")[2] == f"http://x/{kind}True"


# --- actions ---


def test_each_action_answers_or_sends_on(root: LoadBalancer, listener: Listener, sites: list[Website]) -> None:
    listener.default_pool = pool_of(root, sites[0])
    given = [
        ("/no", {"action": "REJECT"}),
        ("/url", {"action": "REDIRECT_TO_URL", "redirect_url": "https://a.example/b%20c?d=%(e)"}),
        ("/prefix", {"action": "REDIRECT_PREFIX", "redirect_prefix": "https://a.example/b%2F"}),
        ("/pool", {"action": "REDIRECT_TO_POOL", "redirect_pool": pool_of(root, sites[1])}),
    ]
    for path, values in given:
        trees.rule(trees.policy(listener, redirect_http_code=307, **values), compare_type="STARTS_WITH", value=path)
    with running(root):
        assert ask(listener, "/no/a")[0] == 403
        assert ask(listener, "/url/a?b")[::2] == (307, "https://a.example/b%20c?d=%(e)")
        assert ask(listener, "/prefix/a?b=%20")[::2] == (307, "https://a.example/b%2F/prefix/a?b=%20")
        assert ask(listener, "/pool/a")[:2] == (200, "two")
        assert ask(listener, "/else")[:2] == (200, "one")
    assert collections.Counter(path for site in sites for _, path, _, _ in site.heard) == {"/pool/a": 1, "/else": 1}


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirection_has_the_code_that_was_asked_for(root: LoadBalancer, listener: Listener, code: int) -> None:
    policy = trees.policy(listener, action="REDIRECT_TO_URL", redirect_url="http://a/", redirect_http_code=code)
    trees.rule(policy)
    (pattern,) = render(root).patterns
    assert f"http-request redirect location 'http://a/' code {code} if r{pattern.number}" in lines(root)


def test_rejections_come_first_then_redirections_then_pools_each_by_position(
    root: LoadBalancer, listener: Listener, sites: list[Website]
) -> None:
    pools = [pool_of(root, site) for site in sites]
    given = [
        ("/a", {"action": "REDIRECT_TO_POOL", "redirect_pool": pools[1]}),
        ("/", {"action": "REDIRECT_TO_POOL", "redirect_pool": pools[0]}),
        ("/a/b", {"action": "REDIRECT_PREFIX", "redirect_prefix": "http://first"}),
        ("/a/b", {"action": "REDIRECT_TO_URL", "redirect_url": "http://second"}),
        ("/a/b/c", {"action": "REJECT"}),
    ]
    for path, values in given:
        trees.rule(trees.policy(listener, **values), compare_type="STARTS_WITH", value=path)
    with running(root):
        assert ask(listener, "/a/b/c")[0] == 403
        assert ask(listener, "/a/b")[2] == "http://first/a/b"
        assert ask(listener, "/a")[1] == "two"
        assert ask(listener, "/")[1] == "one"


def test_all_rules_of_a_policy_must_match(root: LoadBalancer, listener: Listener) -> None:
    policy = trees.policy(listener)
    trees.rule(policy, compare_type="STARTS_WITH", value="/a")
    trees.rule(policy, type="HEADER", key="X-Key", value="k")
    trees.rule(policy, type="COOKIE", key="c", value="1", invert=True)
    with running(root):
        assert ask(listener, "/a", X_Key="k")[0] == 403
        for path, headers in (("/b", {"X_Key": "k"}), ("/a", {}), ("/a", {"X_Key": "k", "Cookie": "c=1"})):
            assert ask(listener, path, **headers)[0] == 503


def test_a_catastrophic_expression_does_not_hold_up_the_balancer(root: LoadBalancer, listener: Listener) -> None:
    for _ in range(100):
        trees.rule(trees.policy(listener), compare_type="REGEX", value="^/(a+)+$")
    with running(root):
        assert ask(listener, "/aaa")[0] == 403
        begun = time.monotonic()
        for _ in range(10):
            assert ask(listener, f"/{'a' * 4000}b")[0] == 503
        # A thousand evaluations: 20 seconds by PCRE2's own limit, a third of one by ours.
        assert time.monotonic() - begun < 10
