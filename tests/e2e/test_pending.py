"""Writes to a load balancer that is still at work on others: all accepted, and applied together."""

import contextlib
import os
import pathlib
import signal
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

from tests.e2e.balancer import Balancer, listener, pool
from tests.lab.deployment import eventually, processes


@contextlib.contextmanager
def deaf_agent():
    """The only amphora's agent is stopped: what is asked meanwhile stays pending."""
    (agent,) = [pid for pid, name in processes() if name == "lictor-agent"]
    os.kill(agent, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(agent, signal.SIGCONT)


class Generations(threading.Thread):
    """Watches which generations of a load balancer are applied: each is one delivery."""

    def __init__(self, state_dir, load_balancer_id):
        super().__init__(daemon=True)
        self._path, self._id = pathlib.Path(state_dir) / "lictor.db", load_balancer_id
        self.over = threading.Event()
        self.applied = []

    def run(self):
        query = "SELECT observed_generation, generation FROM load_balancer WHERE id = ?"
        with contextlib.closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=10)) as database:
            while not self.over.wait(0.002):
                ((applied, self.wanted),) = database.execute(query, (self._id,)).fetchall()
                if applied not in self.applied[-1:]:
                    self.applied.append(applied)


def test_thirty_writes_to_one_that_is_at_work_are_all_accepted_and_come_together(deployment, balancer, web):
    lb = balancer(listener(pool(web.addresses[:1])))
    place = f"/pools/{lb.pool()['id']}/members"
    listeners = [{"loadbalancer_id": lb.id, **listener(port=9000 + n)} for n in range(10)]
    members = [{"address": f"198.18.1.{n}", "protocol_port": 80, "weight": 0} for n in range(1, 11)]
    writes = [
        *(("POST", "/listeners", {"listener": each}) for each in listeners),
        *(("POST", place, {"member": each}) for each in members),
        *(("PUT", f"/loadbalancers/{lb.id}", {"loadbalancer": {"description": str(n)}}) for n in range(10)),
    ]
    watcher = Generations(deployment.state_dir, lb.id)
    watcher.start()
    with deaf_agent(), ThreadPoolExecutor(len(writes)) as crowd:
        answers = list(crowd.map(lambda each: deployment.request(each[0], f"/v2.0/lbaas{each[1]}", each[2]), writes))
        assert lb.itself()["provisioning_status"] == "PENDING_UPDATE"
    assert [status for status, _ in answers] == [201] * 20 + [200] * 10
    lb.wait_active()
    eventually(lambda: watcher.applied[-1] == watcher.wanted, 10, "the last generation is applied")
    watcher.over.set()
    watcher.join()
    assert watcher.wanted >= 31
    assert len(watcher.applied) <= 5, watcher.applied
    assert len(lb.ids("listeners")) == 11
    assert len(deployment.call("GET", place)) == 11
    assert set(lb.answers()) == {"web1"}
    every = [deployment.call("GET", f"/listeners/{each}")["provisioning_status"] for each in lb.ids("listeners")]
    assert every == ["ACTIVE"] * 11


def test_writes_while_it_is_created_are_accepted_too(deployment, web):
    lb = Balancer(deployment, "young", [listener(pool(web.addresses[:1]))], {})
    added = {"member": {"address": web.addresses[1], "protocol_port": 80}}
    deployment.call("POST", f"/pools/{lb.pool()['id']}/members", added)
    deployment.call("POST", "/listeners", {"listener": {"loadbalancer_id": lb.id, **listener(port=81)}})
    lb.wait_active()
    lb.served_by("web1", "web2")
    lb.delete()
