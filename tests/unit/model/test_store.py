"""The database: races are run again, and a newer release's database is left alone."""

import datetime
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, Table, insert, inspect, select, text

from lictor.control import lease, notifications
from lictor.model import AdditionalVip, Flavor, FlavorProfile, GivenPort, LoadBalancer, Tag, changes, schema
from lictor.model.clock import clock_ms
from lictor.model.store import Store
from tests.unit import database

MOMENT = datetime.datetime(2026, 11, 24, 9, 30, 0, 123456)


@pytest.fixture
def store(tmp_path):
    return database.store(tmp_path)


def test_concurrent_writes_are_all_done(store):
    store.write(lambda s: s.add(LoadBalancer(id="lb", project_id="p", provider="amphora")))

    def count(session):
        lb = changes.begin(session, "lb")
        lb.description = str(int(lb.description or 0) + 1)

    threads = [threading.Thread(target=lambda: [store.write(count) for _ in range(20)]) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with store.read() as session:
        lb = session.get(LoadBalancer, "lb")
        assert (lb.generation, lb.description) == (101, "100")


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


def test_a_database_with_tables_but_no_revision_is_refused_and_left_alone(tmp_path):
    blank = database.blank(tmp_path)
    blank.write(lambda s: s.execute(text("CREATE TABLE listener (id INTEGER)")))
    with pytest.raises(schema.HalfMade, match="'listener'"):
        schema.upgrade(blank)
    with blank.read() as session:
        assert session.execute(text("SELECT * FROM listener")).all() == []
    assert schema.current(blank) is None


def test_processes_that_start_at_once_upgrade_the_database_once(tmp_path):
    url = database.blank(tmp_path).engine.url.render_as_string(hide_password=False)
    stores = [Store(url) for _ in range(3)]
    with ThreadPoolExecutor(len(stores)) as threads:
        list(threads.map(schema.upgrade, stores))
    assert schema.current(stores[0]) == schema.head()


def test_a_file_that_another_process_is_just_making_is_waited_for(tmp_path):
    other = sqlite3.connect(tmp_path / "new.db", isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE made (a INTEGER)")
    other.execute("BEGIN IMMEDIATE")  # In the mode that new files have, SQLite would refuse at once to change it.
    threading.Timer(0.2, other.execute, ["COMMIT"]).start()
    with Store(f"sqlite:///{tmp_path}/new.db").read() as session:
        assert session.execute(text("SELECT * FROM made")).all() == []
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"


def test_text_is_equal_only_if_every_character_is(store):
    words = ["a", "A", "a ", "á", "\N{LATIN SMALL LETTER A}\N{COMBINING ACUTE ACCENT}", "🐎", "🐏"]
    store.write(
        lambda s: s.execute(insert(Tag), [{"resource_id": "r", "load_balancer_id": "l", "tag": w} for w in words])
    )
    with store.read() as session:
        for word in words:
            assert session.scalars(select(Tag.tag).where(Tag.tag == word)).all() == [word]


def test_names_that_differ_in_case_are_two_flavors(store):
    store.write(lambda s: s.add(FlavorProfile(id="p", name="n", provider_name="amphora", flavor_data="{}")))
    for name in ("small", "Small", "small "):
        store.write(lambda s, name=name: s.add(Flavor(name=name, flavor_profile_id="p")))
    with store.read() as session:
        assert sorted(session.scalars(select(Flavor.name))) == ["Small", "small", "small "]


def test_who_reads_sees_one_moment_and_who_writes_sees_what_was_written_before_the_lock(store):
    store.write(lambda s: s.add(LoadBalancer(id="lb", project_id="p", provider="amphora", name="before")))
    name = select(LoadBalancer.name)

    def write(session):
        session.execute(select(1))
        changes.begin(session, "lb")
        return session.scalar(name)

    with store.read() as session:
        assert session.scalar(name) == "before"
        store.write(lambda s: setattr(s.get(LoadBalancer, "lb"), "name", "after"))
        assert session.scalar(name) == "before"
    assert store.write(write) == "after"


def test_times_are_kept_to_the_microsecond(store):
    store.write(lambda s: s.add(LoadBalancer(id="lb", project_id="p", provider="amphora", created_at=MOMENT)))
    with store.read() as session:
        assert session.scalar(select(LoadBalancer.created_at).where(LoadBalancer.created_at == MOMENT)) == MOMENT


def test_the_newest_migration_is_the_last_of_one_chain(store):
    with store.engine.connect() as connection:
        scripts = ScriptDirectory.from_config(schema._config(connection))
    assert [script.revision for script in scripts.walk_revisions()][::-1] == schema._known()
    assert scripts.get_current_head() == schema.head() == schema.current(store)


_OLD = {
    "project_id": "p", "name": "", "description": "", "provider": "amphora", "topology": "SINGLE", "vip_sg_ids": "[]",
    "vip_vnic_type": "normal", "admin_state_up": True, "provisioning_status": "ACTIVE", "operating_status": "ONLINE",
    "generation": 1, "observed_generation": 1, "lease_epoch": 0, "lease_expires_ms": 0, "attempts": 0, "retry_at_ms": 0,
    "created_at": datetime.datetime(2026, 1, 1),
}  # fmt: skip


def _as_it_was(session, model):
    """The table without the columns that came later."""
    return Table(model.__tablename__, MetaData(), autoload_with=session.connection())


def _at(tmp_path, revision):
    """A database as an earlier release left it."""
    before = database.blank(tmp_path)
    with before.engine.connect().execution_options(lictor_write=True) as connection:
        command.upgrade(schema._config(connection), revision)
        connection.commit()
    return before


def test_what_needed_work_before_an_upgrade_needs_it_after(tmp_path):
    store = _at(tmp_path, "0010")
    for name, generation in (("settled", 1), ("unsettled", 2)):
        store.write(
            lambda s, name=name, generation=generation: s.execute(
                insert(_as_it_was(s, LoadBalancer)).values(
                    id=name, vip_port_owned=True, **{**_OLD, "generation": generation}
                )
            )
        )
    schema.upgrade(store)
    assert lease.claim(store, "worker", 15.0).load_balancer_id == "unsettled"
    assert lease.claim(store, "worker", 15.0) is None


def test_of_load_balancers_that_were_there_before_an_upgrade_nothing_is_told_unless_they_are_being_made(tmp_path):
    store = _at(tmp_path, "0011")
    for name, status in (("there", "ACTIVE"), ("being-made", "PENDING_CREATE")):
        row = {**_OLD, "id": name, "vip_port_owned": True, "generation": 7, "provisioning_status": status}
        store.write(lambda s, row=row: s.execute(insert(_as_it_was(s, LoadBalancer)).values(**row)))
    schema.upgrade(store)
    with store.read() as session:
        told = {lb.id: notifications.event(lb) for lb in session.scalars(select(LoadBalancer))}
    assert told == {"there": "", "being-made": "octavia.loadbalancer.create.end"}


def test_what_needs_work_is_stored_in_the_row_where_readers_of_a_virtual_column_may_miss_it(store):
    if database.ON_SQLITE:
        pytest.skip("SQLite has one writer, and can add virtual columns only")
    with store.engine.connect() as connection:
        columns = {column["name"]: column for column in inspect(connection).get_columns("load_balancer")}
    assert columns["unsettled"]["computed"]["persisted"] is True


def test_ports_that_were_given_before_they_had_a_table_are_in_it_after_an_upgrade(tmp_path):
    before = _at(tmp_path, "0004")

    def balancers(session):
        for name, port_owned, more_owned in (("a", False, True), ("b", True, False), ("c", False, False)):
            ports = {"vip_port_id": f"main-{name}", "vip_port_owned": port_owned}
            session.execute(insert(_as_it_was(session, LoadBalancer)).values(id=name, **_OLD, **ports))
            more = {"ip_address": "192.0.2.1", "network_id": "n", "port_owned": more_owned}
            for port_id in ("both", f"more-{name}"):
                session.add(AdditionalVip(load_balancer_id=name, subnet_id=port_id, port_id=port_id, **more))

    before.write(balancers)
    schema.upgrade(before)
    with before.read() as session:
        given = {port.port_id: port.load_balancer_id for port in session.scalars(select(GivenPort))}
    assert given == {"main-a": "a", "main-c": "c", "both": "b", "more-b": "b", "more-c": "c"}
