"""What holds for every tree that the API accepts."""

import copy
import pathlib
from typing import Any

import msgspec
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from lictor.amphora import haproxy
from lictor.config.opts import LOG_FORMAT
from lictor.model import LoadBalancer
from lictor.wire import File, HAProxy

from . import trees

LIMITED = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


def render(tree: LoadBalancer) -> HAProxy:
    return haproxy.render(tree, 50000)


@LIMITED
@given(tree=trees.trees())
def test_haproxy_accepts_every_tree_without_a_warning(tree: LoadBalancer, tmp_path_factory) -> None:
    directory: pathlib.Path = tmp_path_factory.mktemp("haproxy")
    assert trees.complaints(render(tree).config, directory, trees.files(tree)) == ""


@LIMITED
@given(tree=trees.trees(), project=st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_a_projects_name_is_one_word_of_a_log_line(tree: LoadBalancer, project: str, tmp_path_factory) -> None:
    tree.project_id = project
    config = haproxy.render(tree, 50000, LOG_FORMAT).config
    formats = [words for words in trees.tokens(config) if "log-format" in words[0]]
    assert all(len(words) == 2 for words in formats)
    assert all(len(words[1].split(f" {tree.id} ")[0].split()) == 1 for words in formats)
    directory: pathlib.Path = tmp_path_factory.mktemp("haproxy")
    assert trees.complaints(config, directory, trees.files(tree)) == ""


@LIMITED
@given(tree=trees.trees())
def test_each_server_in_the_table_has_its_line_in_the_backend_it_names(tree: LoadBalancer) -> None:
    rendered = render(tree)
    section, found = "", []
    for line in rendered.config.split("\n"):
        section = line.split()[1] if line.startswith("backend ") else section
        found.append((section, line))
    for server in rendered.servers:
        assert (server.backend, f"    {server.line()}") in found


@LIMITED
@given(tree=trees.trees())
def test_a_rendered_state_crosses_the_wire_unchanged(tree: LoadBalancer) -> None:
    rendered = render(tree)
    assert msgspec.json.decode(msgspec.json.encode(rendered), type=HAProxy) == rendered
    files = trees.files(tree)
    assert msgspec.json.decode(msgspec.json.encode(files), type=list[File]) == files


@LIMITED
@given(tree=trees.trees(), data=st.data())
def test_the_order_in_which_rows_were_read_does_not_show(tree: LoadBalancer, data: st.DataObject) -> None:
    before = render(tree)
    tree.listeners = data.draw(st.permutations(tree.listeners))
    tree.pools = data.draw(st.permutations(tree.pools))
    assert render(tree) == before


@LIMITED
@given(tree=trees.trees(), data=st.data())
def test_a_members_change_changes_no_line_but_its_own(tree: LoadBalancer, data: st.DataObject) -> None:
    members = [member for pool in tree.pools for member in pool.members]
    assume(members)
    member = data.draw(st.sampled_from(members))
    before = render(tree).config.split("\n")
    member.weight, member.backup, member.admin_state_up = 17, not member.backup, not member.admin_state_up
    after = render(tree).config.split("\n")
    changed = [line for old, line in zip(before, after, strict=True) if old != line]
    assert all(line.startswith(f"    server {member.id} ") for line in changed)


@LIMITED
@given(rules=st.lists(trees.RULES, min_size=1, max_size=4), data=st.data())
def test_a_change_of_a_rules_value_changes_no_line_but_its_own(
    rules: list[dict[str, Any]], data: st.DataObject
) -> None:
    root = trees.load_balancer()
    policy = trees.policy(trees.listener(root))
    made = [trees.rule(policy, **values) for values in rules]
    rule = data.draw(st.sampled_from(made))
    before, rule.value = render(root), "7"
    after = render(root)
    assert before.skeleton() == after.skeleton()
    changed = [new for old, new in zip(before.patterns, after.patterns, strict=True) if old != new]
    assert len({new.test.split(" ")[1] for new in changed}) <= 1


@LIMITED
@given(rule=trees.RULES, url=trees.URLS)
def test_no_byte_of_a_rule_or_url_changes_how_a_line_falls_into_words(rule: dict[str, Any], url: str) -> None:
    root = trees.load_balancer()
    policy = trees.policy(trees.listener(root), action="REDIRECT_TO_URL", redirect_url=url, redirect_http_code=302)
    made = trees.rule(policy, **{name: value for name, value in rule.items() if name != "invert"})
    rendered = render(root)
    acls = [line for line in trees.tokens(rendered.config) if line[0] == "acl"]
    (redirect,) = [line for line in trees.tokens(rendered.config) if "redirect" in line]
    assert [line[-1] for line in acls] == [pattern.value for pattern in rendered.patterns]
    assert {len(line) for line in acls} == {10 if made.type == "HOST_NAME" else 9}
    meant = {made.value, made.value[1:-1], made.value.lstrip("."), made.value[1:-1].lstrip(".")}
    if not made.type.startswith(("SSL_CONN", "SSL_VERIFY")):
        assert {line[-1].removeprefix("(*LIMIT_MATCH=100000)") for line in acls} <= meant
    assert redirect == ["http-request", "redirect", "location", url.replace("%", "%%"), "code", "302", "if", acls[0][1]]


@LIMITED
@given(path=trees.PATHS, host=trees.HOSTS, cookie=trees.COOKIES)
def test_no_byte_of_a_users_changes_how_a_line_falls_into_words(path: str, host: str, cookie: str) -> None:
    plain = trees.tokens(_config("/PATH", "HOST", "COOKIE"))
    expected = [[_put(word, path, host, cookie) for word in line] for line in plain]
    assert trees.tokens(_config(path, host, cookie)) == expected


def _put(word: str, path: str, host: str, cookie: str) -> str:
    inner = cookie.replace('"', r"\"")  # what is in parentheses is cut into words once more
    return {
        "/PATH": path,
        "HOST": host,
        'req.cook("COOKIE")': f'req.cook("{inner}")',
        'res.cook("COOKIE")': f'res.cook("{inner}")',
    }.get(word, word)


ROOT = trees.load_balancer()
POOL = trees.pool(ROOT, session_persistence={"type": "APP_COOKIE"})
MONITOR = trees.monitor(POOL, http_version=1.1, expected_codes="200", http_method="GET")
trees.listener(ROOT, default_pool=POOL)
trees.member(POOL)


def _config(path: str, host: str, cookie: str) -> str:
    POOL.session_persistence = {"type": "APP_COOKIE", "cookie_name": cookie}
    MONITOR.url_path, MONITOR.domain_name = path, host
    return copy.copy(render(ROOT).config)
