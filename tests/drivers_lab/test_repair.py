"""Half-made amphorae, vanished state directories, several deployments: nothing is left, nobody else is touched."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import types
from collections.abc import Callable

import pytest

from lictor.drivers.compute.netns import links
from tests.drivers_lab.conftest import Deployment, sh, world
from tests.lab.deployment import eventually

AMPHORA = "11111111-2222-4333-8444-555555555555"


def directory_only(deployment: Deployment) -> None:
    (deployment.directory / "amphorae" / AMPHORA).mkdir(parents=True)


def port_too(deployment: Deployment) -> None:
    directory_only(deployment)
    deployment.networking.create_management_port(AMPHORA)


def plain_file_instead_of_a_namespace(deployment: Deployment) -> None:
    port_too(deployment)
    deployment.names.path(AMPHORA).touch()


def empty_namespace(deployment: Deployment) -> None:
    port_too(deployment)
    sh(f"ip netns add {deployment.names.namespace(AMPHORA)}")


def link_without_alias(deployment: Deployment) -> None:
    empty_namespace(deployment)
    port = deployment.networking.management_port(AMPHORA)
    name = deployment.names.link(AMPHORA, port.id)
    sh(f"ip link add {name} type veth peer name eth0 netns {deployment.names.namespace(AMPHORA)}")


def dead_process_1(deployment: Deployment) -> None:
    deployment.create(AMPHORA)
    os.kill(deployment.shell(AMPHORA).pid, signal.SIGKILL)


def namespace_name_gone(deployment: Deployment) -> None:
    deployment.create(AMPHORA)
    sh(f"ip netns del {deployment.names.namespace(AMPHORA)}")


def management_link_gone(deployment: Deployment) -> None:
    deployment.create(AMPHORA)
    sh(f"ip link del {deployment.names.link(AMPHORA, deployment.networking.management_port(AMPHORA).id)}")


def port_gone(deployment: Deployment) -> None:
    deployment.create(AMPHORA)
    deployment.networking.delete_port(deployment.networking.management_port(AMPHORA).id)


def directory_gone(deployment: Deployment) -> None:
    deployment.create(AMPHORA)
    os.kill(deployment.shell(AMPHORA).pid, signal.SIGKILL)
    shutil.rmtree(deployment.directory / "amphorae")


def everything_gone_but_the_directory_as_after_a_reboot(deployment: Deployment) -> None:
    deployment.create(AMPHORA)
    os.kill(deployment.shell(AMPHORA).pid, signal.SIGKILL)
    sh(f"ip netns del {deployment.names.namespace(AMPHORA)}")
    eventually(lambda: not links.names(deployment.names.link_prefix), what="the links are gone")


HALF_MADE = [
    directory_only, port_too, plain_file_instead_of_a_namespace, empty_namespace, link_without_alias, dead_process_1,
    namespace_name_gone, management_link_gone, port_gone, directory_gone,
    everything_gone_but_the_directory_as_after_a_reboot,
]  # fmt: skip


@pytest.mark.parametrize("half_made", HALF_MADE, ids=lambda made: made.__name__)
def test_what_is_half_made_is_seen_and_replaced(deployment: Deployment, half_made: Callable) -> None:
    before = world(deployment)
    half_made(deployment)
    deployment.restart()
    assert deployment.compute.find(AMPHORA).running is False
    assert [instance.amphora_id for instance in deployment.compute.instances()] == [AMPHORA]
    deployment.create(AMPHORA)
    assert deployment.compute.find(AMPHORA).running
    eventually(lambda: deployment.answers(AMPHORA), what="the agent answers")
    deployment.compute.delete(AMPHORA)
    assert world(deployment) == before


@pytest.mark.parametrize("half_made", HALF_MADE, ids=lambda made: made.__name__)
def test_what_is_half_made_can_be_deleted(deployment: Deployment, half_made: Callable) -> None:
    before = world(deployment)
    half_made(deployment)
    deployment.restart()
    deployment.compute.delete(AMPHORA)
    assert deployment.compute.find(AMPHORA) is None and deployment.compute.instances() == []
    assert world(deployment) == before


@pytest.mark.parametrize("half_made", HALF_MADE, ids=lambda made: made.__name__)
def test_what_is_half_made_can_be_purged(deployment: Deployment, half_made: Callable) -> None:
    half_made(deployment)
    deployment.restart()
    deployment.compute.purge()
    found = world(deployment)
    assert (found["links"], found["namespaces"], found["processes"], found["amphorae"]) == ({"lo"}, set(), set(), set())


def run_until(line: int, work: Callable[[], object]) -> bool:
    """Run ``work`` in a child that is killed at its ``line``-th line of the drivers; False if it came to its end."""
    child = os.fork()
    if child == 0:
        try:
            _trace_until(line)
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


def _trace_until(line: int) -> None:
    seen: set[tuple[str, int]] = set()

    def trace(frame: types.FrameType, event: str, _: object) -> object:
        if "lictor/drivers" not in frame.f_code.co_filename:
            return None
        if event == "line":
            seen.add((frame.f_code.co_filename, frame.f_lineno))
            if len(seen) >= line:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)


def test_a_crash_at_any_line_of_create_is_mended_by_calling_it_again(deployment: Deployment) -> None:
    before = world(deployment)
    boot = deployment.boot(AMPHORA)
    for line in range(1, 500):
        deployment.store.dispose()
        crashed = run_until(line, lambda: deployment.compute.create(boot))
        deployment.restart()
        if line % 2:
            deployment.compute.create(boot)
            assert deployment.compute.find(AMPHORA).running, line
            assert len(deployment.compute.instances()) == 1
        deployment.compute.delete(AMPHORA)
        # A shell that was left without orders is just reading end-of-file.
        eventually(lambda: world(deployment) == before, 5, f"nothing is left of a crash at line {line}", poll=0.01)
        if not crashed:
            break
    assert not crashed and line > 50


def test_a_crash_at_any_line_of_delete_is_mended_by_calling_it_again(deployment: Deployment) -> None:
    before = world(deployment)
    port = deployment.port("vip")
    for line in range(1, 500):
        deployment.create(AMPHORA)
        deployment.compute.attach(AMPHORA, port)
        deployment.store.dispose()
        crashed = run_until(line, lambda: deployment.compute.delete(AMPHORA))
        deployment.restart()
        instance = deployment.compute.find(AMPHORA)
        if instance is not None or not crashed:
            deployment.compute.delete(AMPHORA)
        assert world(deployment) == before, line
        if not crashed:
            break
    assert not crashed and line > 30


def test_two_deployments_on_one_host_do_not_disturb_each_other(deployment: Deployment, make) -> None:
    other = make(
        "other", local_network__cidr="10.66.0.0/24", local_network__management_cidr="10.67.0.0/24"
    )  # fmt: skip
    before = world(deployment, other)
    other.compute.prepare()
    mine, theirs = deployment.create(AMPHORA), other.create(AMPHORA)
    assert mine == theirs == AMPHORA
    for each in (deployment, other):
        each.compute.attach(AMPHORA, each.port("vip"))
        assert len(each.compute.instances()) == 1
        eventually(lambda each=each: each.answers(AMPHORA), what="the agent answers")
    other.compute.purge()
    other.networking.delete_port(other.networking.management_port(AMPHORA).id)
    assert deployment.compute.find(AMPHORA).running and deployment.answers(AMPHORA)
    deployment.compute.delete(AMPHORA)
    assert world(deployment, other) == before


def test_purge_leaves_nothing_also_when_directory_and_database_are_gone(make) -> None:
    deployment = make()
    before = world(deployment)
    deployment.compute.prepare()
    for number in range(3):
        amphora = deployment.create()
        deployment.compute.attach(amphora, deployment.port(f"vip{number}"))
    deployment.store.dispose()
    shutil.rmtree(deployment.directory)
    deployment.compute.purge()
    deployment.compute.purge()
    assert not deployment.directory.exists()
    deployment.directory.mkdir()
    deployment.restart()
    assert world(deployment) == before


def test_instances_are_found_without_directory_and_database(deployment: Deployment) -> None:
    amphorae = {deployment.create() for _ in range(2)}
    deployment.store.dispose()
    for path in deployment.directory.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert {instance.amphora_id for instance in deployment.compute.instances()} == amphorae


def test_an_amphora_of_which_only_a_link_is_left_is_found_and_removed(deployment: Deployment) -> None:
    name = deployment.names.link(AMPHORA, "port")
    sh(f"ip link add {name} type veth peer name other")
    sh(f"ip link set {name} alias '{deployment.names.alias(AMPHORA, 'port')}'")
    assert [instance.amphora_id for instance in deployment.compute.instances()] == [AMPHORA]
    deployment.compute.delete(AMPHORA)
    assert deployment.compute.instances() == [] and not links.exists("other")


def test_purge_takes_no_stranger_along(deployment: Deployment) -> None:
    sh("ip netns add lictor-stranger && ip link add l123456abcdefgh type veth peer name stranger1")
    (deployment.directory / "notes").write_text("mine")
    with subprocess.Popen(["sh", "-s", "lictor-stranger"], stdin=subprocess.PIPE) as stranger:
        deployment.compute.purge()
        assert stranger.poll() is None
    assert {"l123456abcdefgh", "stranger1"} <= world(deployment)["links"]
    assert pathlib.Path("/run/netns/lictor-stranger").exists() and (deployment.directory / "notes").exists()
    sh("ip netns del lictor-stranger && ip link del stranger1")
