"""Hints by PostgreSQL's NOTIFY, on connections of their own: a transaction that notifies would wait for all others."""

import threading
from collections.abc import Callable
from typing import Any

import psycopg
from oslo_config import cfg

from lictor.control.hints.base import Listener, Sender
from lictor.model.store import Store

CHANNEL = "lictor_work"
LISTENS, TELLS = "lictor hints heard", "lictor hints told"
"""The application names of connections, by which pg_stat_activity tells them from others."""

_PATIENCE = 5.0
"""Seconds for a connection. One that is cut is noticed after a dozen or so by TCP's keepalives."""


def sender(_conf: cfg.ConfigOpts, store: Store) -> Sender:
    """Who notifies."""
    return Sender("hints", _Notifying(store).notify)


def listener(_conf: cfg.ConfigOpts, store: Store, wake: Callable[[], None]) -> Listener:
    """Who listens."""

    def listen(stopping: threading.Event, connected: Callable[[], None]) -> None:
        with _connect(store, LISTENS) as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            connected()
            wake()  # What was said while nobody listened was not heard.
            while not stopping.is_set():
                for _ in connection.notifies(timeout=1.0, stop_after=1):
                    wake()

    return Listener("hearing", listen)


class _Notifying:
    """A connection that is made when it is needed, and again when it is lost."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._connection: psycopg.Connection[Any] | None = None

    def notify(self) -> None:
        if self._connection is None:
            self._connection = _connect(self._store, TELLS)
        try:
            self._connection.execute(f"NOTIFY {CHANNEL}")
        except psycopg.Error:
            # The server may have been restarted since: then another connection does.
            self._connection.close()
            self._connection = _connect(self._store, TELLS)
            self._connection.execute(f"NOTIFY {CHANNEL}")


def _connect(store: Store, name: str) -> psycopg.Connection[Any]:
    words, options = store.engine.dialect.create_connect_args(store.engine.url)
    known = {"connect_timeout": _PATIENCE, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
    return psycopg.connect(*words, **{**known, **options, "application_name": name, "autocommit": True})
