"""`lictor up`, `down` and `status` from the first start to the purge."""

import contextlib
import http.client
import os
import re
import signal
import sqlite3
import stat
import subprocess

import pytest

from tests.lab.deployment import PORT, eventually, processes, world


def status(deployment):
    result = subprocess.run(deployment.command("status"), capture_output=True, text=True, timeout=60)
    return result.returncode, result.stdout.splitlines()


def test_it_says_what_to_type_next(deployment):
    deployment.start()
    words = eventually(lambda: re.search(r"source (\S+)\n\s+openstack loadbalancer create", deployment.log.read_text()))
    assert words[1] == str(deployment.state_dir / "openrc")


def test_secrets_are_for_root_only(deployment):
    deployment.start()
    assert stat.S_IMODE(deployment.state_dir.stat().st_mode) == 0o700
    readable = {
        path.name
        for path in deployment.state_dir.rglob("*")
        if path.is_file() and path.suffix in ("", ".pem") and path.stat().st_mode & 0o077
    }
    assert readable == set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_it_cleanly(deployment, number):
    deployment.start()
    deployment.process.send_signal(number)
    assert deployment.process.wait(15) == 0
    assert "Traceback" not in deployment.log.read_text()


def test_idle_clients_do_not_delay_the_stop(deployment):
    deployment.start()
    connection = http.client.HTTPConnection("127.0.0.1", PORT)
    connection.request("GET", "/")
    connection.getresponse().read()
    deployment.process.send_signal(signal.SIGTERM)
    assert deployment.process.wait(15) == 0
    connection.close()


def test_a_second_start_has_the_same_password(deployment):
    deployment.start()
    before = deployment.credentials()
    deployment.stop()
    deployment.start()
    assert deployment.credentials() == before


def test_a_password_that_is_wrong_is_refused(deployment):
    deployment.start()
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)
    connection.request("GET", "/v2.0/lbaas/loadbalancers", headers={"Authorization": "Basic YWRtaW46d3Jvbmc="})
    assert connection.getresponse().status == 401
    connection.close()


def test_down_stops_it_and_says_whom(deployment):
    deployment.start()
    assert deployment.down().stdout == f"stopped process {deployment.process.pid}\n"
    assert deployment.process.wait(5) == 0
    assert deployment.down().stdout == f"no lictor works on {deployment.state_dir}\n"


def test_down_ends_one_that_does_not_answer(deployment):
    deployment.start()
    deployment.process.send_signal(signal.SIGSTOP)
    down = subprocess.Popen(deployment.command("down"), stdout=subprocess.PIPE, text=True)
    assert down.wait(60) == 0
    assert deployment.process.wait(5) == -signal.SIGKILL


def test_purge_leaves_nothing_even_if_everything_is_broken(deployment):
    before = world()
    deployment.start()
    assert world() != before
    deployment.kill()
    (deployment.state_dir / "lictor.db").write_text("not a database")
    (deployment.state_dir / "version").unlink()
    deployment.down("--purge")
    assert world() == before
    assert not deployment.state_dir.exists()


def test_purge_works_without_a_state_directory(deployment):
    before = world()
    deployment.start()
    deployment.kill()
    subprocess.run(["rm", "-r", deployment.state_dir], check=True)
    deployment.down("--purge")
    assert world() == before


def test_purge_with_another_drivers_configuration_forgets_no_amphora(deployment):
    """Without the file that names `nova`, the amphorae there would never be found again."""
    deployment.start()
    deployment.stop()
    other = deployment.config.with_name("other.conf")
    other.write_text("[controller_worker]\ncompute_driver = noop\n")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        deployment.down("--purge", "--config-file", str(other))
    assert "was used with [controller_worker] compute_driver = netns, and now it is noop" in refused.value.stderr
    assert (deployment.state_dir / "lictor.db").exists()


def test_status_tells_whether_it_runs(deployment):
    deployment.start()
    assert status(deployment) == (
        0,
        [f"up: process {deployment.process.pid}, API at http://127.0.0.1:{PORT}", "load balancers: none"],
    )
    deployment.stop()
    assert status(deployment) == (3, [f"not running (state directory {deployment.state_dir})", "load balancers: none"])


NO_AGENTS = """
table inet no_agents {
    chain output {
        type filter hook output priority 0;
        tcp dport 9443 reject with tcp reset
    }
}
"""


def test_status_names_the_load_balancer_that_fails_and_why(deployment):
    deployment.start()
    subprocess.run(["nft", "-f", "-"], input=NO_AGENTS, text=True, check=True)
    try:
        load_balancer = deployment.create([], name="unlucky")

        def failing():
            return [line for line in status(deployment)[1] if load_balancer["id"] in line]

        (line,) = eventually(failing, 60, "the failure is shown")
        assert line.startswith(f"  unlucky {load_balancer['id']} ")
        assert re.search(r"\d+ attempts failed, next one (now|in \d+ s): .+", line)
    finally:
        subprocess.run(["nft", "delete", "table", "inet", "no_agents"], check=True)
    deployment.wait_active(load_balancer["id"], 90)
    assert not failing()


def test_a_stop_hands_the_work_back_and_the_next_start_finishes_it(deployment):
    deployment.start()
    created = [deployment.create([], name=f"lb{number}") for number in range(4)]
    assert deployment.stop() == 0
    assert held(deployment) == 0
    deployment.start()
    for load_balancer in created:
        deployment.wait_active(load_balancer["id"])


def test_a_stop_waits_for_what_is_under_way_and_a_second_signal_of_any_kind_does_not(deployment):
    deployment.start()
    load_balancer = deployment.create([])
    deployment.wait_active(load_balancer["id"])
    agents = [pid for pid, name in processes() if name == "lictor-agent"]
    for pid in agents:
        os.kill(pid, signal.SIGSTOP)
    try:
        path = f"/listeners/{load_balancer['listeners'][0]['id']}"
        deployment.call("PUT", path, {"listener": {"connection_limit": 77}})
        eventually(lambda: held(deployment) == 1, 10, "a worker is at it")
        deployment.process.send_signal(signal.SIGTERM)
        eventually(lambda: "Stopping;" in deployment.log.read_text(), 10, "the stop has begun")
        with pytest.raises(subprocess.TimeoutExpired):
            deployment.process.wait(1)
        deployment.process.send_signal(signal.SIGINT)
        assert deployment.process.wait(2) == -signal.SIGINT
        assert held(deployment) == 1
    finally:
        for pid in agents:
            os.kill(pid, signal.SIGCONT)
    deployment.start()
    deployment.wait_active(load_balancer["id"])
    assert deployment.call("GET", path)["connection_limit"] == 77


def held(deployment):
    """How many load balancers a worker has a lease on."""
    with contextlib.closing(sqlite3.connect(deployment.state_dir / "lictor.db")) as database:
        return database.execute("SELECT count(*) FROM load_balancer WHERE lease_owner IS NOT NULL").fetchone()[0]


def test_control_c_reaches_the_control_plane_only(deployment):
    deployment.start()
    load_balancer = deployment.create([])
    deployment.wait_active(load_balancer["id"])
    running = world()["processes"]
    os.killpg(deployment.process.pid, signal.SIGINT)
    assert deployment.process.wait(15) == 0
    assert world()["processes"] == running
