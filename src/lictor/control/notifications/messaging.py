"""Notifications by oslo.messaging: its drivers, topics and retries, as ``[oslo_messaging_notifications]`` says."""

import socket
from collections.abc import Callable
from typing import Any

import oslo_messaging
from oslo_config import cfg
from oslo_context.context import RequestContext

from lictor import bus
from lictor.control.notifications.notices import Notice


def teller(conf: cfg.ConfigOpts) -> Callable[[Notice], None]:
    """Who sends a notice; while the bus is away it does not return, or as ``retry`` says."""
    made: list[Any] = []

    def tell(notice: Notice) -> None:
        if not made:
            made.append(oslo_messaging.Notifier(bus.notifications(conf), f"lictor.{socket.gethostname()}"))
        made[0].info(_context(notice), notice.event, notice.payload)

    return tell


def _context(notice: Notice) -> RequestContext:
    """Whose it is, as consumers find it beside the message (``_context_project_id``, ``_context_request_id``)."""
    return RequestContext(project_id=notice.project_id, request_id=notice.request_id or None, overwrite=False)
