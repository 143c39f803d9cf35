"""Which provider a name means (reference, 1.13).

Third-party providers will come through octavia-lib's ``ProviderDriver``; its four calls about flavors and availability
zones are those of ``base.Provider``.
"""

from typing import Final

from lictor.drivers.providers.amphora import AmphoraProvider
from lictor.drivers.providers.base import Provider
from lictor.drivers.providers.noop import NoopProvider

_AMPHORA: Final = AmphoraProvider()

PROVIDERS: Final[dict[str, Provider]] = {
    "amphora": _AMPHORA,
    "amphorav2": _AMPHORA,
    "octavia": _AMPHORA,
    "noop_driver": NoopProvider("noop_driver"),
    "noop_driver-alt": NoopProvider("noop_driver-alt"),
}
"""By every name that ``[api_settings] enabled_provider_drivers`` may list."""
