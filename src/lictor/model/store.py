"""The database: one way to read it and one to change it, the same on SQLite, PostgreSQL, MySQL and Galera."""

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, CursorResult, Delete, Engine, ExceptionContext, Update, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from lictor.model.engine import WRITE, lost_race, make_engine

T = TypeVar("T")

ATTEMPTS = 12
"""How often a transaction that lost a race is run again before its error is passed on."""

PATIENCE = 15.0
"""Seconds after which it is not run again, however few the attempts were: somebody waits for an answer."""


class Store:
    """Transactions on one database. Thread-safe; sessions are not to leave the block they are made in."""

    def __init__(self, url: str) -> None:
        """``url`` is SQLAlchemy's, e.g. ``sqlite:////var/lib/lictor/lictor.db``."""
        self.engine = make_engine(url)
        self._single = make_engine(url, single=True)
        self.engines = (self.engine, self._single)
        _forget_together(*self.engines)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    @contextlib.contextmanager
    def read(self) -> Iterator[Session]:
        """A session on a consistent view, for reading only: whatever was changed in it is rolled back."""
        with self._sessions() as session:
            # Closing rolls back, and leaves what was read readable, which an explicit rollback would not.
            yield session

    @contextlib.contextmanager
    def look(self) -> Iterator[Connection]:
        """A connection for reading with a single statement: cheaper than ``read``, where each sees another moment."""
        with self._single.connect() as connection:
            yield connection

    def dispose(self) -> None:
        """Close all connections that nobody uses."""
        for engine in self.engines:
            engine.dispose()

    def write(self, work: Callable[[Session], T]) -> T:
        """Run ``work`` in a transaction and return its result once COMMIT has returned.

        A lost race (a deadlock, a certification failure, a busy SQLite) runs it again from the start, so ``work`` must
        have no effect but on its session. Any other exception rolls back and is passed on.
        """
        deadline = time.monotonic() + PATIENCE
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self._sessions.begin() as session:
                    session.connection(execution_options={WRITE: True})
                    return work(session)
            except DBAPIError as error:
                if attempt == ATTEMPTS or time.monotonic() > deadline or not lost_race(error):
                    raise
                time.sleep(random.uniform(0, 0.01 * 2 ** min(attempt, 6)))
        raise AssertionError("unreachable")


def _forget_together(*engines: Engine) -> None:
    """Whichever engine notices that the server is gone: the connections of all are."""

    def forget(context: ExceptionContext) -> None:
        cannot_connect = context.connection is None
        if context.is_disconnect or cannot_connect:
            for engine in engines:
                engine.dispose()

    for engine in engines:
        event.listen(engine, "handle_error", forget)


def rows_changed(session: Session, statement: Update | Delete) -> int:
    """Execute an UPDATE or DELETE and tell how many rows it met: the answer of a compare-and-swap."""
    result = session.execute(statement, execution_options={"synchronize_session": False})
    return int(cast("CursorResult[Any]", result).rowcount)
