"""Notifications: that a load balancer was made, changed or is gone, for whoever bills, lists or names them.

They have Octavia's names and travel by oslo.messaging, in the ways that ``[oslo_messaging_notifications] driver``
names. They are news, and never in the way of work: they leave after COMMIT through a queue with an end, so that a bus
that is away costs notifications, and nothing else.
"""

import importlib
from importlib import metadata
from typing import Final

from oslo_config import cfg

from lictor import config
from lictor.control.notifications.notices import Notices
from lictor.model import LoadBalancer

CREATED: Final = "octavia.loadbalancer.create.end"
UPDATED: Final = "octavia.loadbalancer.update.end"
DELETED: Final = "octavia.loadbalancer.delete.end"

GROUP = "oslo_messaging_notifications"
_DRIVERS = "oslo.messaging.notify.drivers"
_BY_BUS = {"messaging", "messagingv2", "routing"}

_OPTIONS = [cfg.MultiStrOpt("driver", default=[]), cfg.StrOpt("transport_url", secret=True)]
"""As oslo.messaging has them: read before it is loaded, as most have no use for it."""


def event(load_balancer: LoadBalancer) -> str:
    """What there is to tell when the load balancer is settled as it was read; empty if it did not change itself."""
    if load_balancer.told_generation == 0:
        return CREATED
    return UPDATED if load_balancer.own_generation > load_balancer.told_generation else ""


def notices(conf: cfg.ConfigOpts) -> Notices:
    """Who tells; nobody is told unless a driver is named. Raises ``config.Misconfigured``."""
    ways = drivers(conf)
    if not ways:
        return Notices(None)
    _check(conf, ways)
    try:
        messaging = importlib.import_module(f"{__name__}.messaging")
    except ImportError as error:
        raise config.Misconfigured(
            f"[{GROUP}] driver needs oslo.messaging, which cannot be used ({error}): pip install 'lictor[messaging]'"
        ) from None
    return Notices(messaging.teller(conf))


def drivers(conf: cfg.ConfigOpts) -> list[str]:
    """The ways that notifications go."""
    if not (conf.controller_worker.event_notifications and config.speaks_of(conf, GROUP)):
        return []
    conf.register_opts(_OPTIONS, group=GROUP)
    return [name for name in conf[GROUP].driver if name not in ("", "noop")]


def _check(conf: cfg.ConfigOpts, ways: list[str]) -> None:
    there = metadata.entry_points(group=_DRIVERS).names
    for name in ways:
        if there and name not in there:
            raise config.Misconfigured(f"[{GROUP}] driver is {name!r}: it must be one of {', '.join(sorted(there))}")
    if not _BY_BUS.isdisjoint(ways) and not (conf[GROUP].transport_url or conf.DEFAULT.transport_url):
        raise config.Misconfigured(
            f"[{GROUP}] driver is {ways[0]!r}, which needs a message bus: give transport_url there or in [DEFAULT], "
            "as in rabbit://user:password@bus.example:5672/"
        )
