"""kill -9 of an agent, of haproxy, and of a whole amphora: the world heals by itself, within seconds."""

import os
import pathlib
import signal

import pytest

from tests.lab.deployment import eventually, http_get, processes, who_answers, world


@pytest.fixture
def load_balancer(deployment, web):
    deployment.start()
    lb = deployment.create(web.addresses)
    deployment.wait_active(lb["id"])
    eventually(lambda: who_answers(lb["vip_address"]) == ["web1", "web2"], 10)
    return lb


def pids(name):
    return {pid for pid, other in processes() if other == name}


def kill_all(name):
    killed = pids(name)
    assert killed, f"no {name} runs"
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    return killed


def member_is_added(deployment, web, lb):
    pool = deployment.call("GET", "/pools")[0]["id"]
    for member in deployment.call("GET", f"/pools/{pool}/members"):
        deployment.call("PUT", f"/pools/{pool}/members/{member['id']}", {"member": {"weight": 7}})
    deployment.wait_active(lb["id"])


def test_an_agent_that_is_killed_comes_back_and_traffic_never_notices(deployment, web, load_balancer):
    haproxy = pids("haproxy")
    killed = kill_all("lictor-agent")
    assert http_get(load_balancer["vip_address"])[0] == 200
    eventually(lambda: pids("lictor-agent") - killed, 10, "a new agent")
    member_is_added(deployment, web, load_balancer)
    assert pids("haproxy") == haproxy, "haproxy outlives its agent"
    assert who_answers(load_balancer["vip_address"]) == ["web1", "web2"]


def test_a_killed_haproxy_is_started_again(deployment, web, load_balancer):
    killed = kill_all("haproxy")
    eventually(lambda: who_answers(load_balancer["vip_address"]) == ["web1", "web2"], 5)
    assert not pids("haproxy") & killed


def test_a_killed_amphora_is_made_anew(deployment, web, load_balancer):
    kill_amphora(deployment)
    eventually(lambda: who_answers(load_balancer["vip_address"]) == ["web1", "web2"], 30)
    deployment.wait_active(load_balancer["id"])
    one_amphora()


def test_an_amphora_that_dies_while_the_control_plane_is_down_is_made_anew(deployment, web, load_balancer):
    deployment.kill()
    kill_amphora(deployment)
    deployment.start()
    eventually(lambda: who_answers(load_balancer["vip_address"]) == ["web1", "web2"], 30)
    one_amphora()


def test_an_amphora_whose_namespace_is_removed_is_made_anew(deployment, web, load_balancer):
    kill_amphora(deployment)
    (name,) = [name for name in world()["namespaces"] if name.startswith("lictor-")]
    assert os.system(f"ip netns del {name}") == 0
    eventually(lambda: who_answers(load_balancer["vip_address"]) == ["web1", "web2"], 30)
    one_amphora()


def kill_amphora(deployment):
    """End the amphora's process 1, and with it everything in its process namespace."""
    agents = pids("lictor-agent")
    assert agents
    parents = {int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) for pid in agents}
    for pid in (parents - agents) - {1, deployment.process.pid}:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not pids("lictor-agent") & agents, 5, "the amphora's processes are gone")


def one_amphora():
    eventually(lambda: len([n for n in world()["namespaces"] if n.startswith("lictor-")]) == 1, 10, "one amphora")
