"""The unmodified ``openstack`` client against the API behind a real server, with ``http_basic`` and no Keystone.

There is no loop here, so everything stays PENDING and nothing is waited for.
"""

import base64
import json
import os
import pathlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import bcrypt
import pytest
from cheroot import wsgi

from tests.unit.api.world import World

OPENSTACK = pathlib.Path(sys.executable).with_name("openstack")
pytestmark = pytest.mark.skipif(not OPENSTACK.exists(), reason="the extra 'clients' is not installed")

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    directory = tmp_path_factory.mktemp("cli")
    (directory / "htpasswd").write_bytes(b"admin:" + bcrypt.hashpw(b"secret", bcrypt.gensalt(4)) + b"\n")
    return World(directory, api_settings__auth_strategy="http_basic")


@pytest.fixture(scope="module")
def run(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Run a command; its JSON if it has any. ``fails`` is a piece of the sentence it is to fail with."""
    server = wsgi.Server(("127.0.0.1", 0), world.app, numthreads=4)
    server.prepare()
    threading.Thread(target=server.serve, daemon=True).start()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")} | {
        "OS_AUTH_TYPE": "http_basic",
        "OS_USERNAME": "admin",
        "OS_PASSWORD": "secret",
        "OS_ENDPOINT": f"http://127.0.0.1:{server.bind_addr[1]}",
        "HOME": str(tmp_path_factory.mktemp("home")),
    }

    def command(line: str, *, shown: bool = False, fails: str = "") -> Any:
        words = [str(OPENSTACK), "loadbalancer", *line.split(), *(["-f", "json"] if shown else [])]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert (done.returncode != 0) == bool(fails), done.stderr
        assert fails in done.stderr
        return json.loads(done.stdout) if shown else done.stdout

    yield command
    server.stop()


@pytest.fixture(scope="module")
def made(run: Run) -> dict[str, Any]:
    """The commands of Octavia's own guide."""
    return {
        "balancer": run("create --name test_1 --vip-subnet-id private-subnet", shown=True),
        "listener": run("listener create --name listener_1 --protocol HTTP --protocol-port 80 test_1", shown=True),
        "pool": run(
            "pool create --name test_pool_1 --protocol HTTP --listener listener_1 --lb-algorithm ROUND_ROBIN",
            shown=True,
        ),
        "member": run(
            "member create --name member_1 --subnet-id private-subnet --address 198.18.0.10 --protocol-port 80 "
            "test_pool_1",
            shown=True,
        ),
        "monitor": run(
            "healthmonitor create --name hm --delay 1 --timeout 1 --max-retries 2 --type HTTP --url-path /healthy "
            "test_pool_1",
            shown=True,
        ),
    }


def test_the_commands_of_the_guide_make_a_load_balancer(made: dict[str, Any], run: Run) -> None:
    assert made["balancer"]["provisioning_status"] == "PENDING_CREATE"
    assert made["pool"]["id"] in str(run("listener show listener_1", shown=True)["default_pool_id"])
    tree = json.loads(run("status show test_1"))["loadbalancer"]["listeners"][0]["pools"][0]
    assert [member["name"] for member in tree["members"]] == ["member_1"]
    assert tree["health_monitor"]["type"] == "HTTP"


def test_lists_find_by_name_by_id_and_by_filter(made: dict[str, Any], run: Run) -> None:
    balancer = made["balancer"]["id"]
    for line in (
        "list", f"list --name test_1 --provider amphora --vip-subnet-id private-subnet --vip-port-id "
        f"{made['balancer']['vip_port_id']} --project lictor --provisioning-status PENDING_CREATE",
    ):  # fmt: skip
        assert [row["id"] for row in run(line, shown=True)] == [balancer]
    assert run("list --tags none", shown=True) == []
    for kind, name in (("listener", "listener_1"), ("pool", "test_pool_1")):
        assert [row["name"] for row in run(f"{kind} list --loadbalancer test_1", shown=True)] == [name]
    assert [row["name"] for row in run("member list test_pool_1", shown=True)] == ["member_1"]
    assert [row["name"] for row in run("healthmonitor list", shown=True)] == ["hm"]
    assert [row["name"] for row in run("provider list", shown=True)] == ["amphora", "octavia"]
    assert run(f"show {balancer}", shown=True)["name"] == "test_1"


def test_set_changes_and_unset_sets_back(made: dict[str, Any], run: Run, world: World) -> None:
    word = base64.b64encode(b"admin:secret").decode()

    def value(path: str, name: str) -> Any:
        answer = world.get(path, headers={"Authorization": f"Basic {word}"})
        return next(iter(answer.values()))[name]

    ids = {kind: document["id"] for kind, document in made.items()}
    for change, back, path, name, changed, default in (
        ("set test_1 --description x --tag a", "unset test_1 --description --all-tag",
         f"/loadbalancers/{ids['balancer']}", "description", "x", ""),
        ("set test_1 --tag a --tag b", "unset test_1 --tag a",
         f"/loadbalancers/{ids['balancer']}", "tags", ["a", "b"], ["b"]),
        ("listener set listener_1 --timeout-client-data 7 --insert-headers X-Forwarded-For=true "
         "--allowed-cidr 10.0.0.0/8",
         "listener unset listener_1 --timeout-client-data --insert-headers --allowed-cidrs",
         f"/listeners/{ids['listener']}", "insert_headers", {"X-Forwarded-For": "true"}, {}),
        ("pool set test_pool_1 --session-persistence type=SOURCE_IP", "pool unset test_pool_1 --session-persistence",
         f"/pools/{ids['pool']}", "session_persistence",
         {"type": "SOURCE_IP",
         "cookie_name": None, "persistence_timeout": None, "persistence_granularity": None}, None),
        ("member set test_pool_1 member_1 --weight 5 --enable-backup",
        "member unset test_pool_1 member_1 --weight --backup",
         f"/pools/{ids['pool']}/members/{ids['member']}", "weight", 5, 1),
        ("healthmonitor set hm --url-path /x --max-retries-down 5", "healthmonitor unset hm --url-path",
         f"/healthmonitors/{ids['monitor']}", "url_path", "/x", "/"),
    ):  # fmt: skip
        run(change)
        assert value(path, name) == changed
        run(back)
        assert value(path, name) == default


def test_statistics_are_shown(made: dict[str, Any], run: Run) -> None:
    for line in ("stats show test_1", "listener stats show listener_1"):
        assert set(run(line, shown=True).values()) == {0}


def test_what_is_refused_is_refused_in_the_apis_own_words(made: dict[str, Any], run: Run) -> None:
    run("create --vip-subnet-id nowhere", fails="nowhere")
    run("create --vip-subnet-id private-subnet --vip-address 10.0.0.1", fails="10.0.0.1 is not in the subnet")
    run("listener create --protocol TCP --protocol-port 80 test_1", fails="already using protocol HTTP")
    run("delete test_1", fails="it has children")


@pytest.mark.usefixtures("made")
def test_zz_everything_can_be_deleted(run: Run, world: World) -> None:
    """Last, as the others need what it deletes."""
    for line in (
        "member delete test_pool_1 member_1", "healthmonitor delete hm", "pool delete test_pool_1",
        "listener delete listener_1", "delete test_1",
    ):  # fmt: skip
        run(line)
    other = run("create --name other --vip-network-id private", shown=True)
    run(f"listener create --protocol TCP --protocol-port 80 {other['id']}")
    run("delete other --cascade")
    statuses = {row["name"]: row["provisioning_status"] for row in run("list", shown=True)}
    assert statuses == {"test_1": "PENDING_DELETE", "other": "PENDING_DELETE"}
