"""Three nodes of Galera that are all written to at once, and one that dies: nothing is lost, nothing is done twice."""

import itertools
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, make_url, select

from lictor.control import lease
from lictor.model import Event, Member, schema
from lictor.model.store import Store
from tests.lab import databases
from tests.unit import database
from tests.unit.api.world import World


@pytest.fixture(scope="module")
def cluster():
    with databases.cluster() as running:
        yield running


@pytest.fixture
def stores(cluster):
    """A store of each node, on one new database."""
    name = database.created(cluster.url).database
    made = [Store(make_url(url).set(database=name).render_as_string(hide_password=False)) for url in cluster.urls]
    schema.upgrade(made[0])
    yield made
    for store in made:
        store.dispose()


@pytest.fixture
def worlds(stores, tmp_path):
    """An API on each node."""
    return [World(tmp_path / str(number), store=store) for number, store in enumerate(stores)]


def together(count, work):
    """``work(n)`` in so many threads that begin at the same moment; what each returns."""
    barrier = threading.Barrier(count)
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(lambda n: (barrier.wait(30), work(n))[1], range(count)))


def test_every_load_balancer_is_claimed_by_one_worker_however_many_nodes_they_ask(worlds, stores):
    made = [worlds[0].balancer()["id"] for _ in range(8)]

    def claim_all(number):
        taken = []
        while (held := lease.claim(stores[number % 3], f"worker-{number}", 60.0)) is not None:
            taken.append(held.load_balancer_id)
        return taken

    assert sorted(itertools.chain.from_iterable(together(9, claim_all))) == sorted(made)


def test_a_lease_that_ran_out_has_one_heir_and_its_old_owner_learns_of_it(worlds, stores):
    worlds[0].balancer()
    old = lease.claim(stores[0], "dead", 0.0)
    heirs = [held for held in together(9, lambda n: lease.claim(stores[n % 3], f"heir-{n}", 60.0)) if held]
    assert [held.epoch for held in heirs] == [old.epoch + 1]
    lease.renew(stores[0], old)
    assert old.lost
    lease.release(stores[0], old)
    assert lease.claim(stores[2], "late", 60.0) is None, "who lost a lease cannot hand it back"


def test_writers_on_all_nodes_change_one_tree_and_each_is_counted(worlds):
    """Who comes second to be certified is run again, whole: MySQL's deadlock, seen as late as at COMMIT."""
    balancer = worlds[0].balancer()
    pool = worlds[0].pool(balancer)

    def write(number):
        for turn in range(5):
            member = worlds[number % 3].member(pool, protocol_port=1000 + 10 * number + turn)
            worlds[(number + 1) % 3].change(f"/pools/{pool['id']}/members/{member['id']}", weight=turn)

    together(6, write)
    assert worlds[0].row(balancer).generation == 1 + 1 + 6 * 5 * 2
    with worlds[1].store.read() as session:
        assert session.scalar(select(func.count()).select_from(Member)) == 30


def test_what_one_node_acknowledged_every_other_knows(worlds):
    for number in range(15):
        one, other = worlds[number % 3], worlds[(number + 1) % 3]
        made = one.balancer(name="made")
        other.change(f"/loadbalancers/{made['id']}", name="changed")
        path = f"/loadbalancers/{made['id']}"
        assert worlds[(number + 2) % 3].get(path)["loadbalancer"]["name"] == "changed"


def test_a_name_that_only_one_may_have_is_given_once_by_all_nodes_together(worlds):
    balancer = worlds[0].balancer()

    def listener(number):
        body = {"listener": {"loadbalancer_id": balancer["id"], "protocol": "HTTP", "protocol_port": 80}}
        return worlds[number % 3].http.simulate_post("/v2/lbaas/listeners", json=body).status_code

    assert sorted(together(6, listener)) == [201] + [409] * 5


def test_events_are_told_apart_whichever_node_wrote_them(stores):
    def write(number):
        stores[number % 3].write(lambda session: session.add_all([Event(**_event()) for _ in range(5)]))

    together(6, write)
    with stores[0].read() as session:
        assert session.scalar(select(func.count(Event.id.distinct()))) == 30


def _event():
    return {"load_balancer_id": "7a1f1b5c-0000-4000-8000-000000000001", "generation": 1, "kind": "x", "message": "x"}


def test_a_node_that_dies_loses_nothing_and_without_a_majority_nothing_is_accepted(cluster, worlds):
    """The last of the file: the cluster is not one afterwards."""
    first = worlds[0].balancer(name="before")
    cluster.nodes[0].stop(signal.SIGKILL)
    answer = worlds[0].http.simulate_get("/v2/loadbalancers")
    assert (answer.status_code, "cannot be reached" in answer.text) == (503, True)
    worlds[1].balancer(name="meanwhile")
    cluster.nodes[0].start()
    cluster.nodes[0].await_synced()
    names = {each["name"] for each in worlds[0].get("/loadbalancers")["loadbalancers"]}
    assert names == {"before", "meanwhile"}

    for node in cluster.nodes[1:]:
        node.stop(signal.SIGKILL)
    path, body = f"/v2/loadbalancers/{first['id']}", {"loadbalancer": {"name": "lost"}}
    assert worlds[0].http.simulate_put(path, json=body).status_code == 503
    assert worlds[0].http.simulate_get(path).status_code == 503
