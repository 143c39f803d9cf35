"""Which provider a name means (reference, 1.13).

Third-party providers will come through octavia-lib's ``ProviderDriver``; its four calls about flavors and availability
zones are those of ``base.Provider``.
"""

from typing import Final

from lictor.drivers.providers.amphora import AmphoraProvider
from lictor.drivers.providers.base import Provider
from lictor.drivers.providers.noop import NoopProvider

PROVIDERS: Final[dict[str, Provider]] = {
    "amphora": AmphoraProvider("amphora"),
    "amphorav2": AmphoraProvider("amphorav2"),
    "octavia": AmphoraProvider("octavia"),
    "lictor": AmphoraProvider("lictor"),
    "noop_driver": NoopProvider("noop_driver"),
    "noop_driver-alt": NoopProvider("noop_driver-alt"),
}
"""By every name that ``[api_settings] enabled_provider_drivers`` may list."""
