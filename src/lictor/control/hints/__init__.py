"""Hints: "there may be work", told from process to process. They make a poll come sooner, and may be lost without harm.

On PostgreSQL they go through the database itself (LISTEN and NOTIFY), elsewhere through the message bus that
``[DEFAULT] transport_url`` names, if it does. Without either, workers find work by looking every ``poll_interval``.
"""

import importlib
from collections.abc import Callable
from typing import Any

from oslo_config import cfg

from lictor.control.hints.base import Listener, Sender
from lictor.model.store import Store

__all__ = ["Listener", "Sender", "listener", "sender", "ways"]


def ways(conf: cfg.ConfigOpts, store: Store) -> str:
    """How hints travel: the name of a module of this package, or nothing."""
    if conf.DEFAULT.transport_url:
        return "messaging"
    return "postgresql" if store.engine.driver == "psycopg" else ""


def sender(conf: cfg.ConfigOpts, store: Store) -> Sender:
    """Who tells other processes."""
    if way := ways(conf, store):
        made: Sender = _module(way).sender(conf, store)
        return made
    return Sender("hints", None)


def listener(conf: cfg.ConfigOpts, store: Store, wake: Callable[[], None]) -> list[Listener]:
    """Who hears other processes, and then calls ``wake``; nobody if there is no way."""
    if way := ways(conf, store):
        return [_module(way).listener(conf, store, wake)]
    return []


def _module(way: str) -> Any:
    return importlib.import_module(f"{__name__}.{way}")
