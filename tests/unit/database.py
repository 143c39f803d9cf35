"""The database of a test: SQLite in its directory, or a database of the server that ``LICTOR_TEST_DATABASE`` names.

So the same tests run against all three: ``make unit`` on SQLite, ``make databases`` on PostgreSQL and MariaDB.
Making a database costs a second; so each test process keeps a few, and empties one whose last user is gone.
"""

import functools
import gc
import itertools
import os
import pathlib
import tempfile
import weakref
from typing import Any

from sqlalchemy import create_engine, delete, event, text
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.util import LRUCache

from lictor.model import Base, schema
from lictor.model.store import Store
from tests.lab.databases import VARIABLE

SERVER = os.environ.get(VARIABLE, "")
ON_SQLITE = not SERVER

KEPT = 4
"""Databases that one test process has before it looks for users that the garbage collector has not met yet."""

_free: list[URL] = []
_of_directory: dict[pathlib.Path, weakref.ref[Store]] = {}
_numbers = itertools.count(1)


def store(directory: pathlib.Path) -> Store:
    """A database with the schema and, unless one was asked for in this directory before, no rows."""
    if ON_SQLITE:
        path = directory / "lictor.db"
        if not path.exists():  # Migrating costs half a second; copying what it made does not.
            path.write_bytes(_empty_file())
        return _quick(Store(f"sqlite:///{path}"))
    before = _of_directory.get(directory, lambda: None)()
    if before is not None:
        return before
    url = _emptied() or _migrated()
    made = Store(url.render_as_string(hide_password=False))
    weakref.finalize(made, _release, made.engines, url)
    _of_directory[directory] = weakref.ref(made)
    return made


def blank(directory: pathlib.Path) -> Store:
    """A database with nothing in it, not even the schema."""
    if ON_SQLITE:
        return Store(f"sqlite:///{directory}/blank.db")
    return Store(created().render_as_string(hide_password=False))


def _quick(made: Store) -> Store:
    """What a power cut would do to a test's rows is of no interest, and SQL that was compiled once is known."""
    for engine in made.engines:
        event.listen(engine, "connect", lambda connection, _record: connection.execute("PRAGMA synchronous = OFF"))
        engine.update_execution_options(compiled_cache=_compiled)
    return made


# SQLAlchemy keeps compiled SQL for each dialect, of which every engine has one. All of these say the same.
_compiled: LRUCache[Any, Any] = LRUCache(2000)
SQLiteDialect_pysqlite.__eq__ = lambda one, other: type(one) is type(other)  # type: ignore[method-assign]
SQLiteDialect_pysqlite.__hash__ = lambda one: hash(type(one))  # type: ignore[method-assign]


@functools.cache
def _empty_file() -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory, "lictor.db")
        made = Store(f"sqlite:///{path}")
        schema.upgrade(made)
        with made.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        made.dispose()
        return path.read_bytes()


def _release(engines, url: URL) -> None:
    for engine in engines:
        engine.dispose()
    _free.append(url)


def _emptied() -> URL | None:
    if not _free and next(_numbers) > KEPT:
        gc.collect()
    if not _free:
        return None
    url = _free.pop()
    engine = create_engine(url)
    with engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(delete(table))
        connection.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": schema.head()})
    engine.dispose()
    return url


def _migrated() -> URL:
    url = created()
    made = Store(url.render_as_string(hide_password=False))
    schema.upgrade(made)
    made.dispose()
    return url


def created(server: str = SERVER) -> URL:
    """A new database on a server."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return make_url(server).set(database=name)
