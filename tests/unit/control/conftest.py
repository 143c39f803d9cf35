"""A database with one load balancer in it, and what a pass of the loop works with."""

from types import SimpleNamespace

import pytest

from lictor import config
from lictor.control import lease
from lictor.control.task import Task, Tools, read_tree
from lictor.model import Amphora, Listener, LoadBalancer, Member, Pool
from tests.unit import database


@pytest.fixture
def store(tmp_path):
    return database.store(tmp_path)


@pytest.fixture
def conf(tmp_path):
    return config.load(lictor__state_dir=str(tmp_path))


def add_load_balancer(store, lb_id="lb", members=0):
    """One load balancer with a listener, its default pool and some members, all at generation 1."""

    def rows(session):
        session.add(LoadBalancer(id=lb_id, project_id="p", provider="amphora", vip_address="192.0.2.200"))
        session.flush()
        below = {"load_balancer_id": lb_id, "project_id": "p"}
        session.add(Pool(id=f"{lb_id}-pool", protocol="HTTP", lb_algorithm="ROUND_ROBIN", **below))
        session.flush()
        session.add(
            Listener(
                id=f"{lb_id}-listener",
                protocol="HTTP",
                protocol_port=80,
                default_pool_id=f"{lb_id}-pool",
                **below,
            )
        )
        for n in range(members):
            session.add(
                Member(
                    id=f"{lb_id}-member-{n}",
                    pool_id=f"{lb_id}-pool",
                    address=f"192.0.2.{n + 1}",
                    protocol_port=80,
                    **below,
                )
            )
        session.add(Amphora(id=f"{lb_id}-amphora", load_balancer_id=lb_id))

    store.write(rows)
    return lb_id


@pytest.fixture
def load_balancer(store):
    return add_load_balancer(store, members=2)


def begin_task(store, conf, owner="worker"):
    """Claim whatever needs work and read its tree, as a worker does."""
    held = lease.claim(store, owner, 15.0)
    assert held is not None
    with store.read() as session:
        tree = read_tree(session, held.load_balancer_id)
    held.generation = tree.generation
    tools = Tools(conf, store, *[SimpleNamespace()] * 4, b"secret", SimpleNamespace())
    return Task(tools, held, tree)


def row(store, table, key):
    with store.read() as session:
        return session.get(table, key)
