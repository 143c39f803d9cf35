"""Two of everything on PostgreSQL, with real amphorae: any of them may be killed, and each tells how it does."""

import contextlib
import json
import os
import re
import signal
import threading

import psycopg
import pytest

from tests.lab import databases
from tests.lab.deployment import eventually, http_get, processes, world
from tests.lab.processes import Many
from tests.lab.web import WebServers

CONFIG = """
[DEFAULT]
use_json = true
[database]
connection = {url}
[lictor]
stuck_after = 1
[health_manager]
controller_ip_port_list = 198.19.0.1:5555, 198.19.0.1:5556
heartbeat_interval = 0.5
heartbeat_timeout = 3
[controller_worker]
lease_duration = 3
[house_keeping]
cleanup_interval = 1
orphan_expiry_age = 1
"""

LOST_PORT = """
INSERT INTO local_port (id, name, project_id, device_owner, device_id, network_id, subnet_id, ip_address, mac_address,
                        created_at)
SELECT gen_random_uuid()::text, 'octavia-lb-vrrp-lost', project_id, device_owner, 'nobody', network_id, subnet_id,
       '198.18.9.9', 'fa:16:3e:00:00:01', created_at
FROM local_port WHERE name LIKE 'octavia-lb-vrrp%' LIMIT 1
"""


@pytest.fixture(scope="module")
def server():
    with databases.server("postgresql", quick=False) as made:
        yield made


@pytest.fixture(scope="module")
def many(tmp_path_factory, server):
    before = world()
    made = Many(tmp_path_factory.mktemp("many") / "state", CONFIG.format(url=server.url))
    made.prepare()
    try:
        yield made.start_all()
    finally:
        made.stop_all()
        made.down("--purge")
    assert world() == before, "something was left behind"


@pytest.fixture(scope="module")
def web(many):
    with WebServers(many.state_dir, names=["web1", "web2"]) as servers:
        yield servers


@pytest.fixture(scope="module")
def balancer(many, web):
    made = many.create([server.address for server in web.servers])
    many.wait_active(made["id"], 60)
    eventually(lambda: http_get(made["vip_address"])[0] == 200, 30, "it serves")
    return made


@contextlib.contextmanager
def traffic(vip):
    """A client that asks over and over, and must be answered each time."""
    failed, over, asked = [], threading.Event(), 0

    def ask():
        nonlocal asked
        while not over.wait(0.02):
            asked += 1
            try:
                assert http_get(vip, timeout=5)[0] == 200
            except (AssertionError, OSError) as error:
                failed.append(repr(error))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(10)
    assert asked > 10
    assert not failed


def change(many, balancer, **values):
    """A write, whose request id is returned once it is applied."""
    listener = many.call("GET", f"/loadbalancers/{balancer['id']}")["listeners"][0]["id"]
    many.call("PUT", f"/listeners/{listener}", {"listener": values})
    many.wait_active(balancer["id"], 60)


def test_any_of_them_is_killed_and_traffic_and_work_go_on(many, balancer):
    with traffic(balancer["vip_address"]):
        for number, victim in enumerate(many.processes):
            victim.kill()
            many.port = next(port for port, api in zip(many.ports, many.of("api"), strict=True) if api is not victim)
            change(many, balancer, connection_limit=1000 + number)
            victim.start()
            if victim.house == "api":
                victim.wait_ready()
        for victim in many.processes:
            victim.wait_ready()
    assert http_get(balancer["vip_address"])[0] == 200


def test_all_of_a_kind_are_killed_and_traffic_goes_on_and_work_waits(many, balancer):
    with traffic(balancer["vip_address"]):
        for worker in many.of("worker"):
            worker.kill()
        many.call("PUT", f"/loadbalancers/{balancer['id']}", {"loadbalancer": {"description": "later"}})
        health = many.of("health")[0]
        assert health.figure("queue_length") == health.figure("unconverged") == 1
        eventually(lambda: health.figure("queue_age_seconds") >= 1, 10, "the queue grows old")
        assert health.figure("load_balancer_unconverged_seconds", load_balancer_id=balancer["id"]) >= 1
        for worker in many.of("worker"):
            worker.start()
        many.wait_active(balancer["id"], 60)
        assert health.figure("unconverged") == 0
        for worker in many.of("worker"):
            worker.wait_ready()


def test_a_request_can_be_followed_from_the_apis_answer_to_the_agent(many, balancer):
    change(many, balancer, connection_limit=4321)
    lines = [json.loads(line) for line in many.words("api").splitlines() if line.startswith("{")]
    puts = [line for line in lines if "PUT '/v2.0/lbaas/listeners/" in line["message"]]
    request_id = puts[-1]["context"]["request_id"]
    assert re.fullmatch(r"req-[0-9a-f-]{36}", request_id)
    assert puts[-1]["context"]["load_balancer_id"] == balancer["id"]
    done = [json.loads(line) for line in many.words("worker").splitlines() if request_id in line]
    assert {line["context"]["load_balancer_id"] for line in done} == {balancer["id"]}
    assert any(re.search(r"generation \d+ applied", line["message"]) for line in done)
    agents = "".join(path.read_text() for path in many.state_dir.glob("amphorae/*/agent.log"))
    named = [line for line in agents.splitlines() if request_id in line]
    said = rf"load balancer {balancer['id']}: generation \d+ of epoch \d+ is applied$"
    assert [line for line in named if re.search(said, line)]


def test_what_they_did_is_counted(many, balancer):
    api, worker, health = (many.of(house)[0] for house in ("api", "worker", "health"))
    many.port = many.ports[0]
    before = api.figure("api_requests_total", method="GET", status="404") or 0
    assert many.gone("/loadbalancers/00000000-0000-4000-8000-000000000000")
    assert api.figure("api_requests_total", method="GET", status="404") == before + 1
    assert sum(each.figure("passes_total", result="applied") for each in many.of("worker")) > 0
    assert worker.figure("load_balancers", provisioning_status="ACTIVE") == 1
    assert worker.figure("amphorae", status="ALLOCATED") == 1
    assert worker.figure("certificate_expiry_seconds") > 0
    assert worker.figure("database_up") == 1
    beats = health.figure("heartbeats_total")
    eventually(lambda: health.figure("heartbeats_total") > beats, 10, "heartbeats are counted")
    assert health.figure("heartbeat_lag_seconds") < 3
    eventually(lambda: health.figure("health_view", view="sure") == 1, 20, "it trusts its eyes")
    for each in many.processes:
        assert each.figure("threads_dead") == 0
        assert each.ask("/healthz") == (200, "ok\n")
        assert each.ask("/nowhere")[0] == 404


def test_a_worker_that_hangs_and_an_amphora_that_is_silent_show(many, balancer):
    agents = [pid for pid, name in processes() if name == "lictor-agent"]
    for pid in agents:
        os.kill(pid, signal.SIGSTOP)
    try:
        many.call("PUT", f"/loadbalancers/{balancer['id']}", {"loadbalancer": {"admin_state_up": True}})

        def stuck():
            answers = [worker.ask("/readyz") for worker in many.of("worker")]
            return [words for status, words in answers if status == 503 and "has been at one thing" in words]

        eventually(stuck, 20, "a worker says that it is not ready")
        assert all(worker.ask("/healthz")[0] == 200 for worker in many.of("worker"))
        assert sum(worker.figure("leases_held") for worker in many.of("worker")) >= 1
        eventually(lambda: many.of("api")[0].figure("amphorae_silent") == 1, 20, "the amphora shows as silent")
    finally:
        for pid in agents:
            os.kill(pid, signal.SIGCONT)
    many.wait_active(balancer["id"], 60)
    eventually(lambda: many.of("api")[0].figure("amphorae_silent") == 0, 20, "it is heard again")
    for worker in many.of("worker"):
        worker.wait_ready()


def test_a_database_that_goes_and_returns_is_survived_by_all(many, balancer, server):
    with traffic(balancer["vip_address"]):
        server.stop(signal.SIGKILL)
        for each in many.processes:
            assert each.ask("/readyz") == (503, "The database cannot be reached.\n")
            assert each.ask("/healthz")[0] == 200
            assert each.figure("database_up") == 0
        server.start()
        for each in many.processes:
            each.wait_ready()
        change(many, balancer, connection_limit=77)
    assert all(each.process.poll() is None for each in many.processes)


def test_what_nobody_owns_is_removed_once_by_two_housekeepers_and_what_is_owned_stays(many, balancer, server):
    url = re.sub(r"\+psycopg", "", server.url)
    with psycopg.connect(url, autocommit=True) as connection:
        ports = connection.execute("SELECT count(*) FROM local_port").fetchone()[0]
        connection.execute(LOST_PORT)

        def gone():
            return connection.execute("SELECT count(*) FROM local_port").fetchone()[0] == ports

        assert not gone()
        eventually(gone, 20, "the port that nobody owns is gone")
        assert connection.execute("SELECT count(*) FROM local_port WHERE name LIKE '%lost'").fetchone()[0] == 0
    assert http_get(balancer["vip_address"])[0] == 200


def test_told_to_stop_they_hand_back_what_they_have_and_end_well(many, balancer):
    for number in range(4):
        many.create([], name=f"late{number}", port=80)
    assert many.stop_all() == [0] * len(many.processes)
    many.port = many.ports[0]
    for each in (many.of("api")[0], *many.of("worker")):
        each.start()
    many.of("api")[0].wait_ready()
    for each in many.call("GET", "/loadbalancers"):
        many.wait_active(each["id"], 60)
        if each["id"] != balancer["id"]:
            many.call("DELETE", f"/loadbalancers/{each['id']}?cascade=true")
    for each in many.call("GET", "/loadbalancers"):
        if each["id"] != balancer["id"]:
            many.wait_gone(f"/loadbalancers/{each['id']}", 60)
