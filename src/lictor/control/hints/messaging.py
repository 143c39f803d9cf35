"""Hints by oslo.messaging: a fan-out cast that nobody waits for, through whatever ``[DEFAULT] transport_url`` names."""

import os
import socket
import threading
from collections.abc import Callable
from typing import Any

import oslo_messaging
from oslo_config import cfg

from lictor import bus
from lictor.control.hints.base import Listener, Sender
from lictor.model.store import Store

TOPIC = "lictor_work"


def sender(conf: cfg.ConfigOpts, _store: Store) -> Sender:
    """Who casts. A bus that is away loses the hint: it is not tried again."""
    client: list[Any] = []

    def tell() -> None:
        if not client:
            target = oslo_messaging.Target(topic=TOPIC, fanout=True)
            client.append(oslo_messaging.get_rpc_client(bus.hints(conf), target, retry=0))
        client[0].cast({}, "look")

    return Sender("hints", tell)


def listener(conf: cfg.ConfigOpts, _store: Store, wake: Callable[[], None]) -> Listener:
    """Who listens. oslo.messaging connects again by itself."""

    def listen(stopping: threading.Event, connected: Callable[[], None]) -> None:
        target = oslo_messaging.Target(topic=TOPIC, server=f"{socket.gethostname()}:{os.getpid()}")
        server = oslo_messaging.get_rpc_server(bus.hints(conf), target, [_Endpoint(wake)])
        server.start()
        connected()
        wake()
        stopping.wait()
        server.stop()
        server.wait()

    return Listener("hearing", listen)


class _Endpoint:
    """What can be called. Nothing is trusted but that somebody called: there is no more to a hint."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def look(self, _context: Any) -> None:
        self._wake()
