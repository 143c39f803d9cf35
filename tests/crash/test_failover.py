"""Trouble in the middle of a fail-over: it is gone on with, never do two have the VIP, and in the end one has it."""

import contextlib
import http.client
import os
import pathlib
import signal
import time

import pytest

from lictor.control import handover
from tests.crash.random.amphorae import Watch
from tests.crash.test_control_plane import ask, died_there, ports
from tests.lab.amphorae import amphorae, carrier, go_without_sharing, has_the_vip
from tests.lab.deployment import eventually, http_get, who_answers, world
from tests.lab.processes import Process

PAIR = """
[controller_worker]
loadbalancer_topology = ACTIVE_STANDBY
"""
PLACES = [*handover.BETWEEN, "state delivered"]


class Balancer:
    """What the amphorae of a load balancer are looked up by."""

    def __init__(self, made):
        self.id, self.vip = made["id"], made["vip_address"]


@pytest.mark.parametrize("point", PLACES)
def test_killed_while_an_amphora_is_replaced(deployment, web, point):
    deployment.start()
    lb = Balancer(deployment.create(web.addresses))
    deployment.wait_active(lb.id)
    (before,) = amphorae(deployment, lb)
    deployment.stop()

    deployment.start(failpoint=point)
    ask(deployment, "PUT", f"/loadbalancers/{lb.id}/failover")
    assert died_there(deployment), "the fail point was not reached"
    if point == "successor set up":
        assert http_get(lb.vip)[0] == 200, "traffic goes on without a control plane"

    deployment.start()
    deployment.wait_active(lb.id)
    eventually(lambda: who_answers(lb.vip) == ["web1", "web2"], 10)
    (after,) = amphorae(deployment, lb)
    assert after.id != before.id and after.carries()
    assert len([name for name in world()["namespaces"] if name.startswith("lictor-")]) == 1
    assert len(ports(deployment)) == 2


def test_killed_without_a_vip_another_worker_takes_over_long_before_a_lease_is_over(deployment, web):
    deployment.config.write_text(deployment.config.read_text().replace("lease_duration = 4", "lease_duration = 120"))
    deployment.start()
    lb = Balancer(deployment.create(web.addresses))
    deployment.wait_active(lb.id)
    deployment.stop()
    deployment.start(failpoint="vip let go")
    ask(deployment, "PUT", f"/loadbalancers/{lb.id}/failover")
    assert died_there(deployment), "the fail point was not reached"

    # Beside others, a worker does not know whose leases are a dead one's.
    heir = Process(deployment, "worker", 0).start()
    try:
        eventually(lambda: who_answers(lb.vip) == ["web1", "web2"], 30)
    finally:
        heir.stop()


@contextlib.contextmanager
def held(deployment, what):
    """Its process stands still at the place that is armed, once it has been asked for this fail-over."""
    pid = deployment.process.pid
    with contextlib.suppress(ConnectionError, http.client.HTTPException):
        deployment.request("PUT", f"{what}/failover")
    eventually(lambda: pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] == "T", 30, "it is held")
    yield
    os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("both", [True, False], ids=["to be replaced as well", "to stay"])
def test_who_has_the_vip_cannot_be_told_of_a_new_partner(deployment, web, both):
    """It hears nobody but the old one, and nobody but the old one hears it: the new one must not think it dead."""
    with deployment.config.open("a") as file:
        file.write(PAIR)
    deployment.start()
    lb = Balancer(deployment.create(web.addresses))
    deployment.wait_active(lb.id)
    master, backup = amphorae(deployment, lb)
    has_the_vip(deployment, lb, master)
    deployment.stop()

    deployment.start(failpoint="hold:vip let go")
    what = f"/v2.0/lbaas/loadbalancers/{lb.id}" if both else f"/v2.0/octavia/amphorae/{backup.id}"
    with held(deployment, what):
        (agent,) = master.pids("lictor.agent")
        os.kill(agent, signal.SIGSTOP)
    going = {master.id, backup.id} if both else {backup.id}
    began = time.monotonic()

    def go_on_after_a_while():
        if not both and time.monotonic() - began > 2:
            with contextlib.suppress(ProcessLookupError):
                os.kill(agent, signal.SIGCONT)

    go_without_sharing(deployment, lb, going, 60, go_on_after_a_while)
    deployment.wait_active(lb.id)
    carrier(deployment, lb)
    eventually(lambda: who_answers(lb.vip) == ["web1", "web2"], 10)


def test_at_no_moment_do_two_have_the_vip_of_one_that_stands_alone(deployment, web, tmp_path):
    deployment.start()
    lb = Balancer(deployment.create(web.addresses))
    deployment.wait_active(lb.id)
    wrong = []
    watch = Watch(deployment.state_dir, tmp_path, wrong.append)
    watch.start()
    try:
        for _ in range(3):
            (before,) = amphorae(deployment, lb)
            deployment.call("PUT", f"/loadbalancers/{lb.id}/failover")
            deployment.wait_active(lb.id)
            (after,) = amphorae(deployment, lb)
            assert after.id != before.id and after.carries()
    finally:
        watch.stopping.set()
        watch.join(10)
    assert watch.samples > 10 and wrong == []
