"""What the API says when the database, the network or the loop's wake-up is in trouble, and what it leaves behind."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, update
from sqlalchemy.exc import OperationalError

from lictor.drivers.network.base import NetworkError
from lictor.model import LoadBalancer
from lictor.model import store as store_module
from tests.unit import database
from tests.unit.api.world import World

READ_ONLY = {
    "sqlite": "PRAGMA query_only = ON",
    "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
}
IMPATIENT = {
    "sqlite": "PRAGMA busy_timeout = 10",
    "postgresql": "SET lock_timeout = 10",
    "mysql": "SET SESSION innodb_lock_wait_timeout = 1",
}


def each_connection(world: World, statement: str) -> None:
    """Have every connection begin with a statement."""

    def begin(connection, _record) -> None:
        connection.cursor().execute(statement)
        connection.commit()

    world.store.dispose()
    event.listen(world.store.engine, "connect", begin)


def post(world: World):
    return world.http.simulate_post("/v2/loadbalancers", json={"loadbalancer": {"vip_subnet_id": world.subnet.id}})


def test_a_database_that_takes_no_writes_is_503_with_its_reason_and_still_read(world: World) -> None:
    balancer = world.balancer()
    each_connection(world, READ_ONLY[world.store.engine.dialect.name])
    answer = world.http.simulate_put(f"/v2/loadbalancers/{balancer['id']}", json={"loadbalancer": {"name": "new"}})
    assert answer.status_code == 503
    assert "cannot be written to" in answer.json["faultstring"]
    assert answer.json["faultcode"] == "Server"
    assert world.get("/loadbalancers")["loadbalancers"] == [balancer | {"listeners": [], "pools": []}]


@pytest.mark.skipif(not database.ON_SQLITE, reason="filling a server's disk takes a disk of its own")
def test_a_database_that_is_full_is_503_with_its_reason_and_still_read(world: World) -> None:
    world.balancer()
    each_connection(world, "PRAGMA max_page_count = 1")
    answer = next(each for _ in range(999) if (each := post(world)).status_code != 201)
    assert answer.status_code == 503
    assert "has no room left" in answer.json["faultstring"]
    assert world.get("/loadbalancers")["loadbalancers"]


def test_a_row_that_another_process_holds_for_long_is_503(world: World, monkeypatch) -> None:
    monkeypatch.setattr(store_module, "ATTEMPTS", 2)
    path = f"/loadbalancers/{world.balancer()['id']}"
    each_connection(world, IMPATIENT[world.store.engine.dialect.name])
    with world.store.engine.connect().execution_options(lictor_write=True) as holder:
        holder.execute(update(LoadBalancer).values(name="held"))
        answer = world.http.simulate_put(f"/v2{path}", json={"loadbalancer": {"name": "new"}})
    assert answer.status_code == 503
    assert "is busy" in answer.json["faultstring"]
    assert world.change(path, name="new")["name"] == "new"


@pytest.mark.skipif(not database.ON_SQLITE, reason="tests/databases_lab ends a server")
def test_a_database_that_is_gone_is_503_until_it_is_back(tmp_path) -> None:
    directory = tmp_path / "state"
    directory.mkdir()
    world = World(directory)
    world.store.dispose()
    directory.rename(tmp_path / "elsewhere")
    for answer in (world.http.simulate_get("/v2/pools"), post(world)):
        assert answer.status_code == 503
        assert "cannot be reached" in answer.json["faultstring"]
        assert "sqlite" not in answer.text.lower()
    (tmp_path / "elsewhere").rename(directory)
    assert world.http.simulate_get("/v2/pools").status_code == 200


def test_a_port_is_given_back_when_the_rows_cannot_be_written(world: World) -> None:
    def fail(connection, cursor, statement, parameters, context, executemany) -> None:
        if statement.startswith("INSERT INTO load_balancer"):
            raise OperationalError(statement, parameters, Exception("disk I/O error"))

    event.listen(world.store.engine, "before_cursor_execute", fail)
    assert post(world).status_code == 503
    event.remove(world.store.engine, "before_cursor_execute", fail)
    assert world.networking.ports() == []


def test_a_port_stays_when_nobody_knows_whether_the_rows_were_written(world: World) -> None:
    lost: list[bool] = []

    def arm(connection, cursor, statement, parameters, context, executemany) -> None:
        if statement.startswith("INSERT INTO load_balancer"):
            event.listen(world.store.engine, "commit", commit_but_lose_the_answer, once=True)

    def commit_but_lose_the_answer(connection) -> None:
        connection.connection.driver_connection.commit()
        lost.append(True)
        raise OperationalError("COMMIT", {}, Exception("server closed the connection"))

    event.listen(world.store.engine, "before_cursor_execute", arm)
    answer = post(world)
    event.remove(world.store.engine, "before_cursor_execute", arm)
    assert (answer.status_code, lost) == (503, [True])
    (balancer,) = world.get("/loadbalancers")["loadbalancers"]
    assert balancer["vip_port_id"] in [port.id for port in world.networking.ports()]
    assert len(world.networking.ports()) == 2


def test_a_network_service_that_fails_is_503_with_its_own_sentence(world: World, monkeypatch) -> None:
    def fail(_request) -> None:
        raise NetworkError("Neutron does not answer.")

    monkeypatch.setattr(world.networking, "create_ports", fail)
    answer = post(world)
    assert (answer.status_code, answer.json["faultstring"]) == (503, "Neutron does not answer.")


def test_writes_at_the_same_time_all_count_and_one_port_is_one_listeners(world: World) -> None:
    balancer = world.balancer()
    generation, barrier = world.row(balancer).generation, threading.Barrier(8)
    body = {"listener": {"loadbalancer_id": balancer["id"], "protocol": "HTTP", "protocol_port": 80}}

    def create(_: int) -> int:
        barrier.wait(30)
        return world.http.simulate_post("/v2/listeners", json=body).status_code

    with ThreadPoolExecutor(8) as threads:
        statuses = sorted(threads.map(create, range(8)))
    assert statuses == [201] + [409] * 7
    assert world.row(balancer).generation == generation + 1
