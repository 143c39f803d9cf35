"""What only a database server can do to us: crowds of writers, forks, and its own death."""

import contextlib
import itertools
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, make_url, select

from lictor.control import lease, settle
from lictor.model import Listener, LoadBalancer, Member, Pool, now, schema
from lictor.model.store import Store
from tests.lab import databases
from tests.unit import database
from tests.unit.api.world import World
from tests.unit.control.conftest import begin_task

pytestmark = pytest.mark.skipif(database.ON_SQLITE, reason="run by `make databases`")

WRITERS, ROUNDS = 8, 6


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def together(work):
    """``work(n)`` in many threads that begin at the same moment."""
    barrier = threading.Barrier(WRITERS)
    with ThreadPoolExecutor(WRITERS) as threads:
        list(threads.map(lambda n: (barrier.wait(30), work(n)), range(WRITERS)))


@contextlib.contextmanager
def meanwhile(work, world):
    """``work(world)`` over and over in a thread while the block runs."""
    over = threading.Event()

    def run():
        while not over.is_set():
            work(world)

    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(run)
        try:
            yield
        finally:
            over.set()
            running.result(30)


def claim_and_release(world):
    held = lease.claim(world.store, "worker", 15.0)
    if held is not None:
        lease.release(world.store, held)


def test_a_crowd_that_changes_one_tree_while_the_loop_settles_it_loses_no_write_and_meets_no_5xx(world):
    """Writers deadlock when they lock rows in different orders; each must then be run again, whole."""
    balancer = world.balancer()
    pool = world.pool(balancer)

    def write(writer):
        for number in range(ROUNDS):
            member = world.member(pool, "192.0.2.1", protocol_port=1000 + 100 * writer + number)
            path = f"/pools/{pool['id']}/members/{member['id']}"
            world.change(path, weight=number)
            if number % 2:
                world.delete(path)

    with meanwhile(claim_and_release, world), meanwhile(claim_and_release, world):
        together(write)
    writes = WRITERS * (2 * ROUNDS + ROUNDS // 2)
    assert world.row(balancer).generation == 1 + 1 + writes
    settle.success(begin_task(world.store, world.conf))
    with world.store.read() as session:
        assert session.scalar(select(func.count()).select_from(Member)) == WRITERS * ROUNDS // 2
        weights = session.scalars(select(Member.weight).distinct().order_by(Member.weight)).all()
    assert weights == list(range(0, ROUNDS, 2))


def test_only_one_of_many_workers_gets_a_lease(world):
    for _ in range(5):
        world.balancer()
    taken = []

    def work(n):
        while (held := lease.claim(world.store, f"worker-{n}", 60.0)) is not None:
            taken.append(held.load_balancer_id)

    together(work)
    with world.store.read() as session:
        assert sorted(taken) == sorted(session.scalars(select(LoadBalancer.id)))


def test_a_tree_that_is_being_written_is_read_whole_or_not_at_all(world):
    """The status tree takes several statements: a member must not turn up whose pool was not there yet."""
    balancer, ports = world.balancer(), itertools.count(1)

    def write(world):
        pool = world.pool(balancer)
        world.member(pool)
        world.listener(balancer, port=next(ports), default_pool_id=pool["id"])

    with meanwhile(write, world):
        for _ in range(60):
            tree = world.get(f"/loadbalancers/{balancer['id']}/status")["statuses"]["loadbalancer"]
            assert all(len(listener["pools"]) == 1 for listener in tree["listeners"])
    with world.store.read() as session:
        count = session.scalar(select(func.count()).select_from(Listener))
    assert 0 < count <= session.scalar(select(func.count()).select_from(Pool))


def test_a_child_process_makes_connections_of_its_own(world):
    """Servers such as uWSGI load the application once and fork. Parent and child must not talk on one connection."""
    world.balancer(name="parent's")
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            names = [each["name"] for each in world.get("/loadbalancers")["loadbalancers"]]
            world.balancer(name="child's")
            os.write(writer, repr(names).encode())
        finally:
            os._exit(0)
    names = [each["name"] for _ in range(20) for each in world.get("/loadbalancers")["loadbalancers"]]
    os.close(writer)
    with os.fdopen(reader) as pipe:
        assert pipe.read() == '["parent\'s"]'
    assert os.waitpid(pid, 0)[1] == 0
    assert names.count("parent's") == 20
    assert {each["name"] for each in world.get("/loadbalancers")["loadbalancers"]} == {"parent's", "child's"}


def test_mariadb_is_spoken_to_by_either_driver(tmp_path):
    url = make_url(database.SERVER)
    if url.get_backend_name() != "mysql":
        pytest.skip("PostgreSQL has one driver")
    names = []
    for driver in ("mysqldb", "pymysql"):
        url = database.created(database.SERVER).set(drivername=f"mysql+{driver}").render_as_string(hide_password=False)
        store = Store(url)
        schema.upgrade(store)
        world = World(tmp_path / driver, store=store, database__connection=url)
        world.balancer(name="ü", tags=["b", "a"])
        (shown,) = world.get("/loadbalancers")["loadbalancers"]
        names.append((shown["name"], shown["tags"], shown["created_at"][:10]))
        store.dispose()
    assert names == [("ü", ["a", "b"], now().isoformat()[:10])] * 2


def test_a_server_that_died_is_503_until_it_is_back_with_all_that_was_acknowledged(tmp_path):
    kind = {"postgresql": "postgresql", "mysql": "mariadb"}[make_url(database.SERVER).get_backend_name()]
    with databases.server(kind, quick=False) as server:
        store = Store(database.created(server.url).render_as_string(hide_password=False))
        schema.upgrade(store)
        url = store.engine.url.render_as_string(hide_password=False)
        world = World(tmp_path, store=store, database__connection=url, api_settings__healthcheck_enabled=True)
        world.balancer(name="kept")
        assert world.http.simulate_get("/healthcheck").status_code == 200
        server.stop(signal.SIGKILL)
        for path in ("/v2/loadbalancers", "/healthcheck"):
            answer = world.http.simulate_get(path)
            assert answer.status_code == 503
            assert "cannot be reached" in answer.text
        server.start()
        assert [each["name"] for each in world.get("/loadbalancers")["loadbalancers"]] == ["kept"]
        world.balancer()
        store.dispose()
