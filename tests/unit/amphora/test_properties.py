"""What holds for every tree that the API accepts."""

import copy
import pathlib

import msgspec
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from lictor.amphora import haproxy
from lictor.model import LoadBalancer
from lictor.wire import HAProxy

from . import trees

LIMITED = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


def render(tree: LoadBalancer) -> HAProxy:
    return haproxy.render(tree, 50000)


@LIMITED
@given(tree=trees.trees())
def test_haproxy_accepts_every_tree_without_a_warning(tree: LoadBalancer, tmp_path_factory) -> None:
    directory: pathlib.Path = tmp_path_factory.mktemp("haproxy")
    assert trees.complaints(render(tree).config, directory) == ""


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
