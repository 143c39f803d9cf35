"""Connections that behave alike on SQLite, PostgreSQL, MySQL and MariaDB.

Readers see one consistent view for as long as they look. Writers take locks as they go, and see what was committed
before the lock was theirs: ``changes.begin`` waits for the load balancer's row, and what it then reads must not be from
before the wait. So reading is REPEATABLE READ and writing READ COMMITTED; SQLite lets one writer in at a time.
"""

import datetime
import functools
import importlib
import importlib.util
import math
import os
import sqlite3
import time
import weakref
from collections.abc import Callable
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


def make_engine(url: str, single: bool = False) -> Engine:
    """An engine for SQLAlchemy's ``url``, in which the driver may be left out.

    Connections of a ``single`` one are for reading by single statements, each of which sees a consistent view by
    itself: no round trips for transactions.
    """
    named = make_url(url)
    named = named.set(drivername=_driver(named.drivername))
    make, connect, begin = _KINDS.get(named.get_backend_name(), _KINDS["mysql"])
    options = {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True} if single else {}
    engine = make(named, options)
    event.listen(engine, "connect", connect)
    if not single:
        event.listen(engine, "begin", begin)
    _leave_to_parent(engine)
    return engine


def _driver(name: str) -> str:
    """The driver of a database for which a URL names none: of two for MySQL, the one in C if it is there."""
    fast = importlib.util.find_spec("MySQLdb") is not None
    ours = {
        "postgresql": "psycopg",
        "mysql": "mysqldb" if fast else "pymysql",
        "mariadb": "mysqldb" if fast else "pymysql",
    }
    return f"{name}+{ours[name]}" if name in ours else name


def _pooled(url: URL, options: dict[str, Any]) -> Engine:
    # Sessions end their transactions: the pool need not do so once more.
    pool = {"pool_use_lifo": True, "pool_reset_on_return": None, "pool_size": 20, "max_overflow": 20}
    engine = create_engine(url, **pool, **options)
    event.listen(engine, "checkin", _remember_use)
    event.listen(engine, "checkout", functools.partial(_check_idle, engine))
    return engine


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


def _sqlite(url: URL, options: dict[str, Any]) -> Engine:
    return create_engine(url, connect_args={"timeout": LOCK_TIMEOUT, "check_same_thread": False}, **options)


def _sqlite_connect(connection: Any, _record: object) -> None:
    # None: the driver sends no BEGIN of its own (https://docs.python.org/3/library/sqlite3.html#transaction-control).
    connection.isolation_level = None
    _use_wal(connection)
    # FULL: in WAL mode NORMAL may lose acknowledged transactions when the power fails (https://sqlite.org/pragma.html).
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _use_wal(connection: Any) -> None:
    """The first connections to a new file may meet here: SQLite tells all but one at once that it is busy."""
    deadline = time.monotonic() + LOCK_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


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


_GALERA_SYNC_WAIT: Final = 1 | 2 | 4
"""Reads, updates and deletes, inserts: the first statement of a transaction waits for what the cluster has committed.

Writes that decide by what they read need it too: not for safety, which certification gives, but so that an object
which was made through another node a moment ago is not answered with 404.
"""


def _mysql(url: URL, options: dict[str, Any]) -> Engine:
    return _pooled(url, {**options, "connect_args": _mysql_arguments(url)})


def _mysql_arguments(url: URL) -> dict[str, Any]:
    arguments: dict[str, Any] = {"charset": "utf8mb4"}
    package = {"mysqldb": "MySQLdb", "pymysql": "pymysql"}.get(url.get_driver_name())
    if package:
        types = importlib.import_module(f"{package}.constants.FIELD_TYPE")
        known = importlib.import_module(f"{package}.converters").conversions
        # Their own parsers of times take a third of the time of a long list.
        arguments["conv"] = known | {types.DATETIME: datetime.datetime.fromisoformat}
    return arguments


def _mysql_connect(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        # TRADITIONAL: a value that does not fit is an error, and not cut to fit.
        cursor.execute(f"SET SESSION sql_mode = 'TRADITIONAL', SESSION innodb_lock_wait_timeout = {LOCK_TIMEOUT}")
        cursor.execute("SET SESSION group_concat_max_len = 1073741824")  # See listed.py; MySQL's default is 1024.
        # A node of Galera may be behind: who was answered by one node must find what it wrote on every other one.
        if cursor.execute("SHOW VARIABLES LIKE 'wsrep_on'") and cursor.fetchone()[1] == "ON":
            cursor.execute(f"SET SESSION wsrep_sync_wait = {_GALERA_SYNC_WAIT}")


def _mysql_begin(connection: Any) -> None:
    level = "READ COMMITTED" if _writes(connection) else "REPEATABLE READ"
    if connection.info.get("level") != level:
        connection.exec_driver_sql(f"SET SESSION TRANSACTION ISOLATION LEVEL {level}")
        connection.info["level"] = level


_KINDS: Final[dict[str, tuple[Callable[[URL, dict[str, Any]], Engine], Any, Any]]] = {
    "sqlite": (_sqlite, _sqlite_connect, _sqlite_begin),
    "postgresql": (_pooled, _postgresql_connect, _postgresql_begin),
    "mysql": (_mysql, _mysql_connect, _mysql_begin),
}


@compiles(CreateTable, "mysql", "mariadb")
def _create_table(element: CreateTable, compiler: Any, **kw: Any) -> str:
    statement = compiler.visit_create_table(element, **kw).rstrip()
    return f"{statement} ENGINE=InnoDB DEFAULT {collation(compiler.dialect)}"


def collation(dialect: Any) -> str:
    """MySQL's and MariaDB's words for: text is equal if its bytes are, as elsewhere.

    A server's default may ignore case and final spaces.
    """
    return f"CHARACTER SET utf8mb4 COLLATE {'utf8mb4_nopad_bin' if dialect.is_mariadb else 'utf8mb4_0900_bin'}"


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
