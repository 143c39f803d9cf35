"""The life of an amphora: born, found again, kept alive, removed."""

import concurrent.futures
import contextlib
import os
import pathlib
import resource
import signal
import subprocess
import sys
import time

import pytest

from lictor.drivers.compute.base import ComputeError
from tests.drivers_lab.conftest import Deployment, sh, world
from tests.lab.deployment import eventually


def test_an_amphora_is_reachable_and_its_agent_answers_over_mutual_tls(deployment: Deployment) -> None:
    amphora = deployment.create()
    instance = deployment.compute.find(amphora)
    assert instance is not None and instance.running
    assert instance.compute_id == f"lictor-{deployment.names.tag}-{amphora}"
    sh(f"ping -c 1 -W 2 {instance.lb_network_ip}")
    eventually(lambda: deployment.answers(amphora), what="the agent answers")


def test_an_agent_that_is_killed_is_replaced(deployment: Deployment) -> None:
    amphora = deployment.create()
    eventually(lambda: deployment.answers(amphora), what="the agent answers")
    first = deployment.agent(amphora)
    os.kill(first, signal.SIGKILL)
    eventually(lambda: deployment.agent(amphora) not in (0, first), what="another agent runs")
    eventually(lambda: deployment.answers(amphora), what="it answers")
    assert deployment.compute.find(amphora).running


def test_orphans_inside_are_reaped_by_process_1(deployment: Deployment) -> None:
    amphora = deployment.create()
    deployment.inside(amphora, "sh -c '(sleep 0.2 &) ; (exit 3 &)'")
    shell = deployment.shell(amphora).pid

    def zombies() -> str:
        return sh(f"ps --ppid {shell} -o stat= | grep Z || true")

    eventually(lambda: not sh(f"pgrep -P {shell} -x sleep || true"), what="the orphan ended")
    eventually(lambda: not zombies(), what="no zombie is left")


def test_the_key_is_in_the_amphoras_memory_only_and_for_root_only(deployment: Deployment) -> None:
    boot = deployment.boot()
    deployment.compute.create(boot)
    secret = boot.private_key.splitlines()[1]
    assert secret in deployment.inside(boot.amphora_id, "cat /run/lictor/boot/private_key.pem")
    modes = deployment.inside(boot.amphora_id, "find /run/lictor/boot -type f -printf '%m %F\n'").split("\n")
    assert set(filter(None, modes)) == {"600 tmpfs"} and len(modes) == 5
    assert not pathlib.Path("/run/lictor").exists()
    told = [path for path in deployment.directory.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert told == []
    for proc in pathlib.Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                assert secret.encode() not in (proc / name).read_bytes()
            except OSError:
                continue


def test_secrets_in_our_environment_are_not_handed_on(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_PASSWORD", "tell-nobody")
    amphora = deployment.create()
    environment = pathlib.Path(f"/proc/{deployment.shell(amphora).pid}/environ").read_text()
    assert "tell-nobody" not in environment and "PATH=" in environment


def test_what_an_amphora_mounts_stays_inside_and_what_the_host_unmounts_goes_inside(
    deployment: Deployment, tmp_path: pathlib.Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    # systemd makes every mount shared; in the laboratory none is, so we do the same for the one that matters.
    sh(f"mount --bind {tmp_path} {tmp_path} && mount --make-shared {tmp_path} && mount -t tmpfs disk {disk}")
    amphora = deployment.create()
    mounts = pathlib.Path(f"/proc/{deployment.shell(amphora).pid}/mounts")
    assert str(disk) in mounts.read_text()
    assert "lictor /run " not in pathlib.Path("/proc/mounts").read_text()
    sh(f"umount {disk}")
    assert str(disk) not in mounts.read_text()
    sh(f"umount {tmp_path}")


def test_an_amphora_keeps_no_other_amphoras_namespace_alive(deployment: Deployment) -> None:
    first = deployment.create()
    second = deployment.create()
    assert first not in pathlib.Path(f"/proc/{deployment.shell(second).pid}/mounts").read_text()


def test_amphorae_outlive_the_process_that_made_them_and_are_found_by_the_next(deployment: Deployment) -> None:
    script = (
        "import os, sys, pathlib; from tests.drivers_lab.conftest import Deployment\n"
        "d = Deployment(pathlib.Path(sys.argv[1]), {}); print(d.create(), flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, deployment.directory], capture_output=True, text=True, timeout=60
    )
    amphora = done.stdout.strip()
    assert done.returncode == -signal.SIGKILL, done.stderr
    deployment.restart()
    assert deployment.compute.find(amphora).running
    eventually(lambda: deployment.answers(amphora), what="the agent answers")
    assert [instance.amphora_id for instance in deployment.compute.instances()] == [amphora]
    deployment.compute.delete(amphora)
    assert deployment.compute.find(amphora) is None


def test_nothing_is_left_of_a_deleted_amphora(deployment: Deployment) -> None:
    before = world(deployment)
    amphora, port = deployment.create(), deployment.port("vip")
    deployment.compute.attach(amphora, port)
    eventually(lambda: deployment.answers(amphora), what="the agent answers")
    deployment.compute.delete(amphora)
    assert world(deployment) == before
    assert deployment.compute.find(amphora) is None
    deployment.compute.delete(amphora)


def test_an_amphora_that_was_never_there_is_none_and_can_be_deleted(deployment: Deployment) -> None:
    nobody = "00000000-0000-4000-8000-000000000000"
    assert deployment.compute.find(nobody) is None
    deployment.compute.delete(nobody)
    assert deployment.compute.instances() == []


def test_create_over_a_living_amphora_begins_afresh_at_the_same_address(deployment: Deployment) -> None:
    amphora = deployment.create()
    old, address = deployment.shell(amphora), deployment.compute.find(amphora).lb_network_ip
    deployment.create(amphora)
    assert not old.alive()
    assert deployment.compute.find(amphora).lb_network_ip == address
    eventually(lambda: deployment.answers(amphora), what="the agent answers with its new certificate")


def test_a_recycled_pid_is_never_killed(deployment: Deployment) -> None:
    amphora = deployment.create()
    known = deployment.shell(amphora)
    with subprocess.Popen(["sleep", "60"]) as bystander:
        # As if the amphora had died long ago and the kernel had given its pid to somebody else.
        deployment.compute._known[amphora] = type(known)(bystander.pid, known.started)
        deployment.compute.delete(amphora)
        time.sleep(0.1)
        assert bystander.poll() is None
        bystander.kill()
    assert deployment.compute.find(amphora) is None and not known.alive()


def test_a_user_who_calls_a_process_like_an_amphora_is_not_taken_for_one(deployment: Deployment) -> None:
    amphora = "00000000-0000-4000-8000-000000000001"
    with subprocess.Popen(["sh", "-s", deployment.names.namespace(amphora)], stdin=subprocess.PIPE) as stranger:
        assert deployment.compute.find(amphora) is None
        deployment.compute.delete(amphora)
        time.sleep(0.1)
        assert stranger.poll() is None


def test_a_log_that_grows_too_long_is_emptied(deployment: Deployment) -> None:
    amphora = deployment.create()
    eventually(lambda: deployment.answers(amphora), what="the agent answers")
    log = deployment.directory / "amphorae" / amphora / "agent.log"
    with log.open("a") as file:
        file.write("x" * 1_000_001)
    os.kill(deployment.agent(amphora), signal.SIGKILL)
    eventually(lambda: log.stat().st_size < 10_000, what="the log is short again")


def test_a_state_directory_below_run_works_too(make, tmp_path: pathlib.Path) -> None:
    deployment = make("/run/lictor-test-state")
    deployment.compute.prepare()
    amphora = deployment.create()
    eventually(lambda: deployment.answers(amphora), what="the agent answers")
    assert (deployment.directory / "amphorae" / amphora / "agent.log").stat().st_size > 0


def test_a_shell_that_cannot_carry_out_its_orders_is_an_error_with_its_words(deployment: Deployment) -> None:
    boot = deployment.boot()
    place = deployment.directory / "amphorae" / boot.amphora_id
    (place / "agent.log").mkdir(parents=True)
    with pytest.raises(ComputeError, match=r"first process ended, having said: sh: .*agent.log: Is a directory"):
        deployment.compute.create(boot)
    deployment.compute.delete(boot.amphora_id)
    assert deployment.compute.find(boot.amphora_id) is None


def test_a_control_plane_with_thousands_of_open_files_can_make_and_remove_amphorae(deployment: Deployment) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    with contextlib.ExitStack() as stack:
        for _ in range(1100):
            stack.enter_context(pathlib.Path(os.devnull).open())
        deployment.compute.delete(deployment.create())
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_an_exhausted_management_range_is_said(make) -> None:
    deployment = make(local_network__cidr="10.76.0.0/28", local_network__management_cidr="10.77.0.0/28")
    deployment.compute.prepare()
    for number in range(13):
        deployment.networking.create_management_port(f"amphora {number}")
    with pytest.raises(ComputeError, match=r"No address is left in the pool 10.77.0.2 - 10.77.0.14"):
        deployment.create()


def test_an_address_that_is_given_again_is_reachable_at_once(make) -> None:
    deployment = make(local_network__cidr="10.76.0.0/28", local_network__management_cidr="10.77.0.0/28")
    deployment.compute.prepare()
    # While another amphora keeps the bridge up, this host remembers the MAC address that an address had before.
    deployment.create()
    for number in range(11):
        deployment.networking.create_management_port(f"amphora {number}")
    addresses = []
    for _ in range(3):
        amphora = deployment.create()
        addresses.append(deployment.compute.find(amphora).lb_network_ip)
        sh(f"ping -c 1 -W 1 {addresses[-1]}")
        deployment.compute.delete(amphora)
    assert len(set(addresses)) == 1


def test_an_ipv6_management_network_works(make) -> None:
    deployment = make(local_network__management_cidr="fd00:77::/64")
    deployment.compute.prepare()
    amphora = deployment.create()
    eventually(lambda: deployment.answers(amphora), what="the agent answers")


def test_twenty_at_once_get_twenty_amphorae_and_deleting_them_at_once_leaves_nothing(deployment: Deployment) -> None:
    before = world(deployment)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        amphorae = list(pool.map(lambda _: deployment.create(), range(20)))
        ports = list(pool.map(lambda amphora: deployment.port(f"vip-{amphora}"), amphorae))
        list(pool.map(deployment.compute.attach, amphorae, ports))
        found = list(pool.map(deployment.compute.find, amphorae))
        assert all(instance.running for instance in found)
        assert len({instance.lb_network_ip for instance in found}) == 20
        for instance in found:
            sh(f"ping -c 1 -W 2 {instance.lb_network_ip}")
        list(pool.map(deployment.compute.delete, amphorae))
    assert world(deployment) == before
