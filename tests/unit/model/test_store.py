"""The database: races are run again, and a newer release's database is left alone."""

import threading

import pytest
from alembic import command
from sqlalchemy import select, text

from lictor.model import LoadBalancer, schema
from lictor.model.clock import clock_ms
from lictor.model.store import Store


@pytest.fixture
def store(tmp_path):
    store = Store(f"sqlite:///{tmp_path}/lictor.db")
    schema.upgrade(store)
    return store


def test_concurrent_writes_are_all_done(store):
    store.write(lambda s: s.add(LoadBalancer(id="lb", project_id="p", provider="amphora")))

    def raise_generation(session):
        lb = session.get(LoadBalancer, "lb")
        lb.generation += 1

    threads = [threading.Thread(target=lambda: [store.write(raise_generation) for _ in range(20)]) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with store.read() as session:
        assert session.get(LoadBalancer, "lb").generation == 101


def test_a_failing_write_changes_nothing(store):
    def half(session):
        session.add(LoadBalancer(id="lb", project_id="p", provider="amphora"))
        session.flush()
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError):
        store.write(half)
    with store.read() as session:
        assert session.get(LoadBalancer, "lb") is None


def test_the_clock_counts_milliseconds_since_1970(store):
    with store.read() as session:
        assert 1_700_000_000_000 < session.scalar(select(clock_ms())) < 5_000_000_000_000


def test_the_migrations_make_what_the_models_say(store):
    with store.engine.connect() as connection:
        command.check(schema._config(connection))


def test_a_database_of_a_newer_release_is_refused_and_left_alone(store):
    store.write(lambda s: s.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(schema.NewerSchema, match="9999"):
        schema.upgrade(store)
    with store.read() as session:
        assert session.scalar(text("SELECT version_num FROM alembic_version")) == "9999"
