"""The API as one WSGI application, put together from configuration: what `lictor up` and ``lictor.wsgi`` share."""

from collections.abc import Callable

from oslo_config import cfg

from lictor import config
from lictor.api.app import create_app
from lictor.api.middleware import Application
from lictor.cli.drivers import compute_class, driver, refusing
from lictor.cli.refusal import Refusal
from lictor.drivers.inventory import Inventory
from lictor.drivers.network.base import Networking
from lictor.drivers.secrets.base import Secrets
from lictor.model.store import Store


def networking(conf: cfg.ConfigOpts, store: Store) -> Networking:
    """The network driver. Raises ``Refusal``, status 2."""
    found: Networking = driver("lictor.network.drivers", conf.controller_worker.network_driver, conf, store)
    return found


def secrets(conf: cfg.ConfigOpts) -> Secrets:
    """The secrets driver. Raises ``Refusal``, status 2."""
    found: Secrets = driver("lictor.secrets.drivers", conf.certificates.cert_manager, conf)
    return found


def inventory(conf: cfg.ConfigOpts) -> Inventory:
    """Who knows what amphorae can be made of, by the compute driver. Raises ``Refusal``, status 2."""
    with refusing():
        return compute_class(conf).inventory(conf)


def build(conf: cfg.ConfigOpts, store: Store, network: Networking, wake: Callable[[], None]) -> Application:
    """The application. ``wake`` is called after every write. Raises ``Refusal``, status 2."""
    try:
        return create_app(conf, store, network, secrets(conf), wake, inventory=inventory(conf))
    except config.Misconfigured as error:
        raise Refusal(str(error), status=2) from None
