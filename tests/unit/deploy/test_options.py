"""Options: each is explained, in the documentation and in the sample that the tools of oslo.config make of the code."""

import pathlib
import re
import subprocess
import sys

import pytest

from lictor import config
from lictor.cli import options
from lictor.config.opts import OPTIONS
from tests.lab.options import page

ROOT = pathlib.Path(__file__).parents[3]
BIN = pathlib.Path(sys.executable).parent
ALL = [(group, option) for group, found in OPTIONS.items() for option in found]


def tool(name, *words):
    return subprocess.run([BIN / name, *words], capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def sample():
    done = tool("oslo-config-generator", "--namespace", "lictor")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_lictor_prints_what_the_tools_of_the_field_print(sample):
    ours = tool("lictor", "config", "sample")
    assert (ours.returncode, ours.stderr) == (0, "")
    assert ours.stdout == sample
    rules = tool("oslopolicy-sample-generator", "--namespace", "lictor")
    policy = tool("lictor", "config", "sample", "--policy")
    assert (policy.returncode, policy.stderr) == (0, "")
    assert policy.stdout == rules.stdout
    assert '#"os_load-balancer_api:loadbalancer:post": "' in policy.stdout


def test_the_sample_is_a_configuration_that_lictor_takes(sample, tmp_path):
    file = tmp_path / "lictor.conf"
    file.write_text(re.sub(r"^#(\w+ = (?!<None>|<Please).+)$", r"\1", sample, flags=re.MULTILINE))
    checked = tool("lictor", "config", "check", file)
    assert checked.returncode == 0, checked.stdout


def test_each_says_what_it_is_for():
    assert [(group, option.name) for group, option in ALL if not (option.help or "").endswith((".", "..."))] == []


def test_the_page_of_options_is_what_the_code_says():
    assert (ROOT / "docs/options.md").read_text() == page(), "run make options"


def test_the_sample_names_each_with_its_default_below_its_section(sample):
    sections = dict(re.findall(r"^\[(\w+)\]\n(.*?)(?=^\[|\Z)", sample, re.DOTALL | re.MULTILINE))
    missing = [
        (group, option.name)
        for group, option in ALL
        if not re.search(rf"^#{option.name} =", sections.get(group, ""), re.MULTILINE)
    ]
    assert missing == []
    assert "#bind_port = 9876\n" in sections["api_settings"]
    assert re.search(r"Refuse writes \(409\).*\n#strict_immutability = false", sections["api_settings"])


def test_the_sample_has_the_defaults_that_hold_here_also_of_libraries(sample):
    for line in (
        "#enforce_new_defaults = false",
        "#service_token_roles_required = true",
        "#allow_headers = X-Auth-Token,X-Project-Id,Authorization",
        "#backends = octavia_db_check",
        "#log_file = <None>",
        "#rabbit_quorum_queue = false",
        "[service_auth]",
    ):
        assert sample.count(f"\n{line}\n") == 1, line


def test_the_sample_can_be_loaded_with_every_option_set_to_its_default(sample, tmp_path):
    ours = {option.name for _, option in ALL if option.default is not None}
    lines = [
        line.removeprefix("#") if re.match(r"#(\w+) = ", line) and re.match(r"#(\w+)", line)[1] in ours else line
        for line in sample.splitlines()
    ]
    file = tmp_path / "lictor.conf"
    file.write_text("\n".join(lines))
    loaded, default = config.load([str(file)]), config.load([])
    assert {(group, option.dest): loaded[group][option.dest] for group, option in ALL} == {
        (group, option.dest): default[group][option.dest] for group, option in ALL
    }


def test_a_word_that_is_no_option_is_found_in_an_operators_file(tmp_path):
    file = tmp_path / "lictor.conf"
    file.write_text("[api_settings]\nbind_port = 9876\nbind_prot = 9876\n")
    done = tool("oslo-config-validator", "--input-file", file, "--namespace", "lictor")
    assert done.returncode != 0
    assert "bind_prot" in done.stdout + done.stderr
    file.write_text(
        "[DEFAULT]\nuse_json = true\n[oslo_policy]\nenforce_scope = false\n[quotas]\ndefault_pool_quota = 3\n"
    )
    done = tool("oslo-config-validator", "--input-file", file, "--namespace", "lictor")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_no_option_of_a_library_is_listed_beside_one_of_ours():
    listed = [(group, option.dest) for group, found in options.list_opts() for option in found]
    assert len(listed) == len(set(listed))
