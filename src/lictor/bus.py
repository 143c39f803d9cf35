"""oslo.messaging's configuration: the global one, as some of its options are registered with no other."""

import threading
from typing import Any

import oslo_messaging
from oslo_config import cfg

EXCHANGE = "octavia"
"""Where those look for messages who know Octavia's: ``[DEFAULT] control_exchange`` says another."""

NO_ADDRESS = (oslo_messaging.InvalidTransportURL, oslo_messaging.DriverLoadFailure, ValueError)
"""What a ``transport_url`` that is none ends in. Its words may have the URL in them, and that a password."""

RIGHT = "is no address of a message bus: write it as in rabbit://user:password@bus.example:5672/"
"""What to say instead."""

_PARSING = threading.Lock()
_parsed: list[list[str]] = []


def configuration(conf: cfg.ConfigOpts) -> cfg.ConfigOpts:
    """The global configuration, which nobody else uses here, with the files that ``conf`` was made of."""
    files = list(conf.config_file)
    with _PARSING:
        if _parsed != [files]:
            oslo_messaging.set_transport_defaults(EXCHANGE)
            cfg.CONF(args=[], project="lictor", default_config_files=files, default_config_dirs=[])
            _parsed[:] = [files]
    return cfg.CONF


def hints(conf: cfg.ConfigOpts) -> Any:
    """The transport of calls. It connects when it is needed."""
    return oslo_messaging.get_rpc_transport(configuration(conf), url=conf.DEFAULT.transport_url)


def notifications(conf: cfg.ConfigOpts, url: str | None = None) -> Any:
    """The transport of notifications, which may have a bus of its own. It connects when it is needed.

    Raises one of ``NO_ADDRESS``.
    """
    return oslo_messaging.get_notification_transport(configuration(conf), url)
