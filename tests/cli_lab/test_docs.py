"""What the documentation prints is typed here, as it stands there."""

import pathlib
import re
import subprocess

import pytest

from demo.run import COMMANDS
from tests.lab.deployment import eventually, http_get
from tests.lab.web import WebServers

ROOT = pathlib.Path(__file__).parents[2]
SHELL = "set -eu; . {openrc}; {command}"


def commands(page):
    """The indented lines of a page that begin with the stock client's name, or with curl and go on over lines."""
    text = (ROOT / page).read_text()
    return re.findall(r"^    ((?:openstack loadbalancer .+)|(?:curl .+(?:\n      .+)*))", text, re.MULTILINE)


@pytest.mark.parametrize("page", ["README.md", "docs/user.md"])
def test_the_documented_commands_are_those_of_the_demo(page):
    demo = COMMANDS.format("198.18.0.16", "198.18.0.17").strip().splitlines()
    assert commands(page)[:6] == demo[:6]


def test_every_command_of_the_user_guide_works_in_the_order_in_which_it_is_printed(deployment):
    deployment.start()
    subnet = deployment.subnet()
    with WebServers(deployment.state_dir, names=["web1", "web2"]):
        for command in commands("docs/user.md"):
            command = command.replace("SUBNET-ID", subnet)
            shell = SHELL.format(openrc=deployment.state_dir / "openrc", command=command)
            result = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=60)
            assert result.returncode == 0, (command, result.stdout, result.stderr)
            assert not result.stdout.startswith('{"faultcode"'), (command, result.stdout)
        shop = deployment.call("GET", "/loadbalancers?name=shop")[0]
        eventually(lambda: http_get(shop["vip_address"])[0] == 200, 30, "the tree that curl asked for serves")


def test_a_server_attached_as_the_operator_guide_says_is_reached(deployment):
    text = (ROOT / "docs/operator.md").read_text()
    script = re.search(r"(    bridge=.+?)\n    (ip netns exec [^\n]+)\n", text, re.DOTALL)
    deployment.start()
    subprocess.run(["bash", "-euc", script[1]], check=True, timeout=30)
    server = subprocess.Popen(script[2].split(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
    try:
        eventually(lambda: http_get("198.18.0.16")[0] == 200, 20, "the attached server answers")
    finally:
        server.kill()
        server.wait(10)
        subprocess.run(["ip", "link", "del", "web1"], check=True)
        subprocess.run(["ip", "netns", "del", "web1"], check=True)
