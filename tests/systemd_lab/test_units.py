"""The units of deploy/systemd, installed as the operator guide says, below a real systemd, with real amphorae."""

import contextlib
import re
import signal

import psycopg
import pytest

from tests.lab import databases
from tests.lab.deployment import Deployment, eventually, http_get, processes
from tests.lab.web import WebServers
from tests.systemd_lab.machine import CHECKOUT, Machine

STATE = "/var/lib/lictor"
UNITS = ["lictor-api", "lictor-worker@1", "lictor-worker@2", "lictor-health", "lictor-housekeeping"]
CONFIG = """
[database]
connection = postgresql+psycopg://lictor@/postgres?host=/srv/database
[health_manager]
heartbeat_interval = 0.5
heartbeat_timeout = 3
"""


class Installed(Deployment):
    """What the machine serves, asked from outside of it."""

    def __init__(self, machine, tmp_path):
        super().__init__(tmp_path / "outside")
        self.machine = machine

    def credentials(self):
        text = (self.machine.root / STATE.lstrip("/") / "openrc").read_text()
        return dict(re.findall(r"^export (\w+)=(\S+)$", text, re.MULTILINE))


@pytest.fixture(scope="module")
def server():
    with databases.server("postgresql") as made:
        yield made


@pytest.fixture(scope="module")
def machine(server):
    made = Machine(server.directory)
    try:
        made.wait_up()
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="module")
def lictor(machine, tmp_path_factory):
    (machine.root / "opt/lictor/lictor.conf").write_text(CONFIG)
    page = (CHECKOUT / "docs/operator.md").read_text()
    typed = re.search(r"^    (install .+?systemctl enable --now lictor-api[^\n]+)\n", page, re.DOTALL | re.MULTILINE)
    machine.run("bash", "-euc", f"cd /opt/lictor\n{typed[1]}")
    return Installed(machine, tmp_path_factory.mktemp("lictor"))


@pytest.fixture(scope="module")
def vip(lictor):
    with WebServers(STATE, names=["web1"]) as servers:
        made = lictor.create(servers.addresses)
        lictor.wait_active(made["id"], 30)
        eventually(lambda: http_get(made["vip_address"])[0] == 200, 20, "it serves")
        yield made["vip_address"]


def amphorae():
    """The processes of amphorae."""
    return {pid for pid, name in processes() if name in ("haproxy", "lictor-agent")}


def change(lictor):
    """A write that a worker applies."""
    one = lictor.call("GET", "/loadbalancers")[0]
    lictor.call("PUT", f"/listeners/{one['listeners'][0]['id']}", {"listener": {"connection_limit": 1000}})
    lictor.wait_active(one["id"], 30)


@contextlib.contextmanager
def options(machine, unit, text):
    """Options of a unit for the length of the block; the unit is started anew with them."""
    folder = machine.root / f"run/systemd/system/{unit}.service.d"
    folder.mkdir(parents=True)
    (folder / "test.conf").write_text(f"[Service]\n{text}\n")
    machine.systemctl("daemon-reload")
    machine.systemctl("restart", unit)
    try:
        yield
    finally:
        (folder / "test.conf").unlink()
        folder.rmdir()
        machine.systemctl("daemon-reload")


def started_anew(machine, unit, before):
    """Until another main process is ready."""

    def ready():
        return machine.state(unit) == "active" and machine.property(unit, "MainPID") != before

    eventually(ready, 30, f"{unit} is started anew: {machine.log(unit)[-2000:]}")


def test_a_start_returns_when_all_are_ready_and_what_is_sandboxed_works(machine, lictor, vip):
    assert {unit: machine.state(unit) for unit in UNITS} == dict.fromkeys(UNITS, "active")
    assert all(" is up; http://127.0.0.1:98" in machine.log(unit) for unit in UNITS)
    assert http_get("127.0.0.1", 9891, "/readyz") == (200, "ok\n")  # worker 1
    assert http_get("127.0.0.1", 9892, "/readyz") == (200, "ok\n")  # worker 2
    beats = re.search(r"^lictor_heartbeats_total (\S+)", http_get("127.0.0.1", 9880, "/metrics")[1], re.MULTILINE)
    assert float(beats[1]) > 0
    assert machine.systemctl("is-enabled", *UNITS).split() == ["enabled"] * len(UNITS)
    assert machine.systemctl("--failed", "--quiet", "list-units") == ""


def test_one_whose_main_process_is_killed_is_started_anew_and_amphorae_do_not_notice(machine, lictor, vip):
    there = amphorae()
    before = {unit: machine.property(unit, "MainPID") for unit in UNITS}
    machine.systemctl("kill", "--signal=KILL", "--kill-whom=main", *UNITS)
    for unit in UNITS:
        assert http_get(vip)[0] == 200
        started_anew(machine, unit, before[unit])
    assert amphorae() == there
    change(lictor)


def test_all_stop_well_and_hand_back_what_they_are_at_while_amphorae_serve(machine, lictor, vip, server):
    there = amphorae()
    for number in range(4):
        lictor.create([], name=f"late{number}")
    machine.systemctl("stop", *UNITS)
    assert {machine.property(unit, "Result") for unit in UNITS} == {"success"}
    assert {machine.state(unit) for unit in UNITS} == {"inactive"}
    with psycopg.connect(re.sub(r"\+psycopg", "", server.url)) as connection:
        held = connection.execute("SELECT count(*) FROM load_balancer WHERE lease_owner IS NOT NULL").fetchone()
    assert held == (0,)
    assert amphorae() >= there
    assert http_get(vip)[0] == 200
    machine.systemctl("start", *UNITS)
    for one in lictor.call("GET", "/loadbalancers"):
        lictor.wait_active(one["id"], 30)
        if one["name"].startswith("late"):
            lictor.call("DELETE", f"/loadbalancers/{one['id']}?cascade=true")
            lictor.wait_gone(f"/loadbalancers/{one['id']}")
    assert amphorae() == there


def test_a_worker_that_stands_still_is_started_anew(machine, lictor, vip):
    with options(machine, "lictor-worker@1", "WatchdogSec=2"):
        before = machine.property("lictor-worker@1", "MainPID")
        machine.systemctl("kill", "--signal=STOP", "--kill-whom=main", "lictor-worker@1")
        started_anew(machine, "lictor-worker@1", before)
        assert "Watchdog timeout" in machine.run("journalctl", "--no-pager", "--unit=lictor-worker@1")
    change(lictor)
    assert http_get(vip)[0] == 200


def test_amphorae_that_are_killed_with_their_service_are_replaced(machine, lictor, vip):
    there = amphorae()
    machine.systemctl("kill", "--signal=KILL", "lictor-worker@1", "lictor-worker@2")
    eventually(lambda: not amphorae() & there, 10, "they are dead")
    eventually(lambda: http_get(vip)[0] == 200, 60, "others serve in their place", poll=0.2)


def test_a_start_without_a_database_is_tried_until_there_is_one(machine, lictor, vip, server):
    machine.systemctl("stop", "lictor-api")
    server.stop(signal.SIGKILL)
    machine.systemctl("start", "--no-block", "lictor-api")
    eventually(lambda: int(machine.property("lictor-api", "NRestarts")) >= 2, 30, "it is tried again")
    assert re.search(r"^lictor: the database .+ cannot be used", machine.log("lictor-api"), re.MULTILINE)
    server.start()
    eventually(lambda: machine.state("lictor-api") == "active", 30, "it is started")
    change(lictor)
    assert http_get(vip)[0] == 200


def test_all_in_one_process_takes_the_place_of_the_others(machine, lictor, vip):
    there = amphorae()
    machine.systemctl("start", "--no-block", "lictor-up")
    eventually(lambda: "works on" in machine.log("lictor-up"), 20, "it does not start beside them")
    machine.systemctl("stop", "lictor-up", *UNITS)
    machine.systemctl("start", "lictor-up")
    change(lictor)
    machine.systemctl("stop", "lictor-up")
    assert machine.property("lictor-up", "Result") == "success"
    assert amphorae() == there
    assert http_get(vip)[0] == 200
