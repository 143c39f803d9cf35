"""Drivers are found by the entry points that installed packages declare."""

import contextlib
from collections.abc import Iterator
from typing import Any

from oslo_config import cfg
from stevedore.driver import DriverManager
from stevedore.exception import NoMatches

from lictor import config
from lictor.cli.refusal import Refusal
from lictor.drivers.compute.base import Compute
from lictor.drivers.network.local import BadNetworkConfiguration


def compute_class(conf: cfg.ConfigOpts) -> type[Compute]:
    """The class of the compute driver, which says what it needs of this host. Raises ``Refusal``, status 2."""
    found: type[Compute] = _class("lictor.compute.drivers", conf.controller_worker.compute_driver)
    return found


def driver(group: str, name: str, *parts: object) -> Any:
    """An instance of the class that the entry point ``name`` of ``group`` names. Raises ``Refusal``, status 2."""
    with refusing():
        return _class(group, name)(*parts)


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """A driver that is made inside and cannot work as it is configured is a ``Refusal``, status 2."""
    try:
        yield
    except (BadNetworkConfiguration, config.Misconfigured) as error:
        raise Refusal(str(error), status=2) from None


def _class(group: str, name: str) -> Any:
    try:
        return DriverManager(group, name).driver
    except ModuleNotFoundError as error:
        needs = f"the driver {name!r} of {group} needs the Python module {error.name}"
        raise Refusal(f"{needs}: see the extras of Lictor's package, such as lictor[openstack]", status=2) from None
    except NoMatches:
        raise Refusal(f"there is no driver {name!r} among the entry points of {group}", status=2) from None
