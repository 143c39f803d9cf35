"""Drivers are found by the entry points that installed packages declare."""

from typing import Any

from stevedore.driver import DriverManager
from stevedore.exception import NoMatches

from lictor.cli.refusal import Refusal
from lictor.drivers.network.local import BadNetworkConfiguration


def driver(group: str, name: str, *parts: object) -> Any:
    """An instance of the class that the entry point ``name`` of ``group`` names. Raises ``Refusal``, status 2."""
    try:
        return DriverManager(group, name, invoke_on_load=True, invoke_args=parts).driver
    except BadNetworkConfiguration as error:
        raise Refusal(str(error), status=2) from None
    except NoMatches:
        raise Refusal(f"there is no driver {name!r} among the entry points of {group}", status=2) from None
