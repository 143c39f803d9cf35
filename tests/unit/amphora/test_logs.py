"""How connections are logged: Octavia's format, an operator's own, and no word of a user's in it."""

import pathlib
import re

import pytest

from lictor.amphora import haproxy
from lictor.config.opts import LOG_FORMAT
from lictor.model import LoadBalancer

from . import trees

VARIABLES = """
B CC CS H HM HP HPO HQ HU HV ID ST T Ta Tc Td Tl Th Ti Tq TR Tr Ts Tt Tu Tw U ac b bc bi bp bq ci cp f fc fi fp ft lc
hr hrl hs hsl ms pid r rc rt s sc si sp sq t tr trg trl ts tsc
"""


@pytest.fixture
def root() -> LoadBalancer:
    root = trees.load_balancer(project_id="0123456789abcdef0123456789abcdef")
    trees.listener(root, default_pool=trees.pool(root))
    return root


def formats(root: LoadBalancer, log_format: str) -> set[str]:
    lines = haproxy.render(root, 50000, log_format).config.split("\n")
    found = [trees.tokens(line)[0] for line in lines if "log-format" in line]
    assert {words[0] for words in found} <= {"log-format", "error-log-format"}
    return {words[1] for words in found}


def test_a_line_begins_with_the_project_and_the_load_balancer(root: LoadBalancer) -> None:
    rest = "%f %ci %cp %t %{+Q}r %ST %B %U %[ssl_c_verify] %{+Q}[ssl_c_s_dn] %b %s %Tt %tsc"
    assert formats(root, LOG_FORMAT) == {f"{root.project_id} {root.id} {rest}"}


def test_what_is_said_of_requests_is_left_out_where_there_are_none(root: LoadBalancer) -> None:
    root.listeners[0].protocol = "TCP"
    rest = "%f %ci %cp %t - %ST %B %U %[ssl_c_verify] %{+Q}[ssl_c_s_dn] %b %s %Tt %ts"
    assert formats(root, LOG_FORMAT) == {f"{root.project_id} {root.id} {rest}"}


@pytest.mark.parametrize("protocol", ["TCP", "HTTP", "HTTPS", "TERMINATED_HTTPS", "PROMETHEUS"])
def test_haproxy_takes_every_variable_of_its_manual_in_every_mode(
    root: LoadBalancer, protocol: str, tmp_path: pathlib.Path
) -> None:
    listener = root.listeners[0]
    listener.protocol, listener.default_pool = protocol, None
    listener.default_tls_container_ref = "server" if protocol == "TERMINATED_HTTPS" else None
    log_format = "{{project_id}} it's %% " + " ".join(
        f"%{name} %{{+Q}}{name}" for name in re.findall(r"\w+", VARIABLES)
    )
    config = haproxy.render(root, 50000, log_format).config
    assert trees.complaints(config, tmp_path, trees.files(root)) == ""


def test_without_a_format_nothing_of_connections_is_logged(root: LoadBalancer) -> None:
    config = haproxy.render(root, 50000).config
    assert "log-format" not in config and "    no log\n" in config


@pytest.mark.parametrize(
    ("project", "said"), [("a b", "a?b"), ("%[env(HOME)]", "%%[env(HOME)]"), ("x\nlog 1", "x?log?1"), (None, "-")]
)
def test_no_projects_name_says_more_than_a_name(
    root: LoadBalancer, project: str | None, said: str, tmp_path: pathlib.Path
) -> None:
    root.project_id = project
    assert formats(root, "{{ project_id }} {{ lb_id }}") == {f"{said} {root.id}"}
    assert trees.complaints(haproxy.render(root, 50000, LOG_FORMAT).config, tmp_path) == ""
