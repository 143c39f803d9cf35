"""Connections that behave alike on SQLite, PostgreSQL, MySQL and MariaDB.

Readers see one consistent view for as long as they look. Writers take locks as they go, and see what was committed
before the lock was theirs: ``changes.begin`` waits for the load balancer's row, and what it then reads must not be from
before the wait. So reading is REPEATABLE READ and writing READ COMMITTED; SQLite lets one writer in at a time.
"""

import datetime
import functools
import math
import os
import time
import weakref
from typing import Any, Final

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateTable

LOCK_TIMEOUT: Final = 5
"""Seconds that a statement waits for a lock before its transaction counts as having lost a race."""

TRUSTED: Final = 1.0
"""Seconds for which a connection that was just used counts as alive."""

WRITE: Final = "lictor_write"
"""The execution option of a connection that says that its transaction is going to write."""

_DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql"}


def make_engine(url: str) -> Engine:
    """An engine for SQLAlchemy's ``url``, in which the driver may be left out."""
    named = make_url(url)
    named = named.set(drivername=_DRIVERS.get(named.drivername, named.drivername))
    if named.get_backend_name() == "sqlite":
        engine = create_engine(named, connect_args={"timeout": LOCK_TIMEOUT, "check_same_thread": False})
        _listen(engine, _sqlite_connect, _sqlite_begin)
    elif named.get_backend_name() == "postgresql":
        engine = _pooled(named)
        _listen(engine, _postgresql_connect, _postgresql_begin)
    else:
        engine = _pooled(named, connect_args=_mysql_arguments(named))
        _listen(engine, _mysql_connect, _mysql_begin)
    _leave_to_parent(engine)
    return engine


def _pooled(url: URL, **options: Any) -> Engine:
    # Sessions end their transactions: the pool need not do so once more.
    pool = {"pool_use_lifo": True, "pool_reset_on_return": None, "pool_size": 20, "max_overflow": 20}
    engine = create_engine(url, **pool, **options)
    event.listen(engine, "checkin", _remember_use)
    event.listen(engine, "checkout", functools.partial(_check_idle, engine))
    return engine


def _listen(engine: Engine, connect: Any, begin: Any) -> None:
    event.listen(engine, "connect", connect)
    event.listen(engine, "begin", begin)


def _remember_use(_connection: Any, record: Any) -> None:
    record.info["used"] = time.monotonic()


def _check_idle(engine: Engine, connection: Any, record: Any, _proxy: object) -> None:
    """A server that was restarted has forgotten its connections. To ask it each time would cost a round trip."""
    if time.monotonic() - record.info.get("used", math.inf) < TRUSTED:
        return
    try:
        engine.dialect.do_ping(connection)
    except engine.dialect.loaded_dbapi.Error as error:
        raise InvalidatePoolError(str(error)) from None


def _leave_to_parent(engine: Engine) -> None:
    """A WSGI server may fork after connections were made. Two processes that talk on one would garble both."""
    remembered = weakref.ref(engine)

    def forget() -> None:
        inherited = remembered()
        if inherited is not None:
            inherited.dispose(close=False)

    os.register_at_fork(after_in_child=forget)


# --- SQLite ----------------------------------------------------------------------------------------------------------


def _sqlite_connect(connection: Any, _record: object) -> None:
    # None: the driver sends no BEGIN of its own (https://docs.python.org/3/library/sqlite3.html#transaction-control).
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    # FULL: in WAL mode NORMAL may lose acknowledged transactions when the power fails (https://sqlite.org/pragma.html).
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _sqlite_begin(connection: Any) -> None:
    # A deferred transaction that turns into a writer fails at once when another wrote meanwhile, however long the
    # timeout: so writers say what they are from the start.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if _writes(connection) else "BEGIN")


def _writes(connection: Any) -> bool:
    return bool(connection.get_execution_options().get(WRITE))


# --- PostgreSQL ------------------------------------------------------------------------------------------------------


def _postgresql_connect(connection: Any, _record: object) -> None:
    connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}s'")
    connection.commit()


def _postgresql_begin(connection: Any) -> None:
    from psycopg import IsolationLevel

    # The driver puts it into the BEGIN that it sends with the first statement: no round trip of its own.
    level = IsolationLevel.READ_COMMITTED if _writes(connection) else IsolationLevel.REPEATABLE_READ
    connection.connection.driver_connection.isolation_level = level


# --- MySQL and MariaDB -----------------------------------------------------------------------------------------------


def _mysql_arguments(url: URL) -> dict[str, Any]:
    arguments: dict[str, Any] = {"charset": "utf8mb4"}
    if url.get_driver_name() == "pymysql":
        from pymysql.constants import FIELD_TYPE
        from pymysql.converters import conversions

        # Its own parser of times takes a third of the time of a long list.
        arguments["conv"] = conversions | {FIELD_TYPE.DATETIME: datetime.datetime.fromisoformat}
    return arguments


def _mysql_connect(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        # TRADITIONAL: a value that does not fit is an error, and not cut to fit.
        cursor.execute(f"SET SESSION sql_mode = 'TRADITIONAL', SESSION innodb_lock_wait_timeout = {LOCK_TIMEOUT}")
        cursor.execute("SET SESSION group_concat_max_len = 1073741824")  # See listed.py; MySQL's default is 1024.


def _mysql_begin(connection: Any) -> None:
    level = "READ COMMITTED" if _writes(connection) else "REPEATABLE READ"
    if connection.info.get("level") != level:
        connection.exec_driver_sql(f"SET SESSION TRANSACTION ISOLATION LEVEL {level}")
        connection.info["level"] = level


@compiles(CreateTable, "mysql", "mariadb")
def _create_table(element: CreateTable, compiler: Any, **kw: Any) -> str:
    """Text is equal if its bytes are, as elsewhere; a server's default may ignore case and final spaces."""
    collation = "utf8mb4_nopad_bin" if compiler.dialect.is_mariadb else "utf8mb4_0900_bin"
    statement = compiler.visit_create_table(element, **kw).rstrip()
    return f"{statement} ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation}"


# --- lost races ------------------------------------------------------------------------------------------------------

# SQLSTATE: serialization failure, deadlock, lock timeout (https://www.postgresql.org/docs/15/errcodes-appendix.html).
_POSTGRESQL_LOST = frozenset({"40001", "40P01", "55P03"})
# Lock wait timeout, deadlock (also Galera's failed certification), record has changed since last read.
_MYSQL_LOST = frozenset({1205, 1213, 1020})


def lost_race(error: DBAPIError) -> bool:
    """Whether the database asks for the transaction to be tried again. Told by codes: texts may be translated."""
    cause = error.orig
    if getattr(cause, "sqlstate", None) in _POSTGRESQL_LOST:
        return True
    code = cause.args[0] if cause is not None and cause.args else None
    return code in _MYSQL_LOST if isinstance(code, int) else "database is locked" in str(cause)
