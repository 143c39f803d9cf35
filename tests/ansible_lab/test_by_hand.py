"""docs/openstack.md, typed as it stands there; and the playbook finds nothing left to do in the cloud after it."""

import json
import re
import shutil
import subprocess

import pytest

from tests.ansible_lab.playing import Played, said
from tests.ansible_lab.site import ENTER, KEY, URL, WHEELS, copy_of_sources, environment
from tests.lab.cloud import connect
from tests.lab.cloud.settings import AUTH_URL
from tests.lab.deployment import eventually
from tests.lab.keystone import PASSWORD
from tests.systemd_lab.machine import CHECKOUT

PAGE = CHECKOUT / "docs/openstack.md"

SITE = {
    "REGION": "RegionOne",
    "KEYSTONE": AUTH_URL,
    "API": "http://127.0.0.1:9876",
    "DATABASE": URL,
    "MANAGEMENT_CIDR": "10.250.0.0/24",
    "MANAGEMENT_POOL": "start=10.250.0.100,end=10.250.0.250",
    "CONTROLLERS": "10.250.0.11",
    "SERVICE_PASSWORD": PASSWORD,
    "HEARTBEAT_KEY": KEY,
}
"""What the operator says in step 1."""

OFFLINE = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(WHEELS), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}

# An image takes minutes to build (make image test-image), and the controller has no sshd.
PRELUDE = """
lictor() { if [ "$1 $2" = "image build" ]; then cp "$FAKE_IMAGE" amphora.qcow2; cp "$FAKE_IMAGE.json" amphora.qcow2.json
           else command lictor "$@"; fi; }
scp() { cp "${@:1:$#-1}" "$CONTROLLER/root/"; }
"""


def steps():
    """The commands below each numbered heading, by its number."""
    sections = re.findall(r"^## (\d)\. .+?\n(.*?)(?=^## )", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return {int(number): _indented(text) for number, text in sections}


def _indented(text):
    blocks = re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", text, re.MULTILINE)
    return "".join(re.sub(r"^ {4}", "", block, flags=re.MULTILINE) for block in blocks)


def ended(command, **options):
    """What a command printed that succeeds."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False, **options)
    assert done.returncode == 0, f"{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def desk(site):
    """The administrator's clone."""
    clone = copy_of_sources(site.directory / "desk")
    shutil.copytree(CHECKOUT / "deploy", clone / "deploy")
    return clone


@pytest.fixture(scope="module")
def typed(site, desk):
    """All of it, in the order of the page."""
    step = steps()
    admin = environment() | OFFLINE | SITE | {"FAKE_IMAGE": str(site.image), "CONTROLLER": str(site.machine.root)}
    admin.pop("PYTHONPATH", None)
    ended(["bash", "-euc", PRELUDE + "".join(step[number] for number in (2, 3, 4, 5))], cwd=desk, env=admin)
    offline = "".join(f"export {name}={value}\n" for name, value in OFFLINE.items())
    ended([ENTER, site.machine.root, "bash", "-euc", f"cd /root\n{offline}{step[6]}"])
    ended(["bash", "-euc", step[7]], env=admin)
    return step


def test_step_1_names_what_the_later_ones_use():
    assert set(re.findall(r"\b([A-Z_]+)=", steps()[1].partition("export PATH")[2])) - {"PATH"} == set(SITE)


def test_a_user_gets_a_load_balancer_with_a_server_and_ports(site, typed):
    alice, service = connect("alice", "alice"), connect("octavia", "service")
    network = alice.network.create_network(name="mine")
    alice.network.create_subnet(network_id=network.id, name="mine", cidr="10.99.0.0/24", ip_version=4)
    commands = "".join(line for line in typed[8].splitlines(keepends=True) if not line.startswith("curl "))
    said_last = ended(["bash", "-euc", commands], env=environment("alice", "alice"))
    assert "PENDING_CREATE" in said_last
    (server,) = eventually(lambda: list(service.compute.servers(name="amphora-")), 120, "a server of Nova's", poll=1)
    wanted = {"lb-mgmt-net", "mine"}
    eventually(lambda: set(service.compute.get_server(server.id).addresses) == wanted, 120, "both NICs", poll=1)


def test_authorities_and_quotas_are_changed_as_it_says(site, typed):
    day_2 = dict(re.findall(r"^### (\w+).*?\n(.*?)(?=^##)", PAGE.read_text(), re.MULTILINE | re.DOTALL))
    rolled = ended([ENTER, site.machine.root, "bash", "-euc", _indented(day_2["Certificates"])])
    assert "settled: " in rolled and "announced: " in rolled
    assert site.machine.run("stat", "-c", "%a %U", "/var/lib/lictor/pki/authority.pem") == "600 lictor"
    shown = ended(["bash", "-euc", _indented(day_2["Quotas"]).replace("PROJECT", "alice")], env=environment())
    assert re.search(r"load_balancer +\| 10\b", shown)


def test_the_playbook_finds_all_of_it_in_the_cloud_and_takes_the_controller_over(site, typed):
    played = Played(site, said(site))
    assert (played.status, played.changed["localhost"]) == (0, 0), played.output[-6000:]
    listed = ended(["openstack", "loadbalancer", "list", "-f", "json"], env=environment("alice", "alice"))
    assert [each["name"] for each in json.loads(listed)] == ["lb1"]
