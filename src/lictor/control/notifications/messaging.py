"""Notifications by oslo.messaging: its drivers, topics and retries, as ``[oslo_messaging_notifications]`` says."""

import socket
from collections.abc import Callable
from typing import Any

import oslo_messaging
from oslo_config import cfg
from oslo_context.context import RequestContext

from lictor import bus, config
from lictor.control.notifications.notices import Notice


def teller(conf: cfg.ConfigOpts) -> Callable[[Notice], None]:
    """Who sends a notice; while the bus is away it does not return, or as ``retry`` says.

    Nothing is connected to yet. Raises ``config.Misconfigured`` if the URL is none.
    """
    notifier = oslo_messaging.Notifier(_transport(conf), f"lictor.{socket.gethostname()}")

    def tell(notice: Notice) -> None:
        notifier.info(_context(notice), notice.event, notice.payload)

    return tell


def _transport(conf: cfg.ConfigOpts) -> Any:
    try:
        return bus.notifications(conf)
    except bus.NO_ADDRESS:
        where = "[oslo_messaging_notifications] transport_url, or that of [DEFAULT],"
        raise config.Misconfigured(f"{where} {bus.RIGHT}") from None


def _context(notice: Notice) -> RequestContext:
    """Whose it is, as consumers find it beside the message (``_context_project_id``, ``_context_request_id``)."""
    return RequestContext(project_id=notice.project_id, request_id=notice.request_id or None, overwrite=False)
