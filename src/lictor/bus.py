"""oslo.messaging's configuration: the global one, as some of its options are registered with no other."""

import threading
from typing import Any

import oslo_messaging
from oslo_config import cfg

EXCHANGE = "octavia"
"""Where those look for messages who know Octavia's: ``[DEFAULT] control_exchange`` says another."""

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


def notifications(conf: cfg.ConfigOpts) -> Any:
    """The transport of notifications, which may have a bus of its own. It connects when it is needed."""
    return oslo_messaging.get_notification_transport(configuration(conf))
