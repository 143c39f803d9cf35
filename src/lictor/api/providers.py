"""Providers and what they can do: ``/providers`` (reference, 1.13)."""

from collections.abc import Mapping

import falcon
from oslo_config import cfg

from lictor.api import errors
from lictor.api.auth.context import authorize, context_of
from lictor.api.listing import select_fields
from lictor.api.resource import Api, answer
from lictor.drivers.providers import PROVIDERS
from lictor.drivers.providers.base import NotSupported, Provider

Words = Mapping[str, str]
"""Names and what they mean."""


def resolve(conf: cfg.ConfigOpts, name: str | None) -> Provider:
    """The provider of this name, or the default one. Raises 400 if it is not enabled, and 501 if it is not there."""
    wanted = name or conf.api_settings.default_provider_driver
    found = wanted if wanted in conf.api_settings.enabled_provider_drivers else wanted.lower()
    if found not in conf.api_settings.enabled_provider_drivers:
        raise errors.bad_request(f"Provider '{wanted}' is not enabled.")
    if found not in PROVIDERS:
        raise errors.not_implemented(f"Provider '{wanted}' was not found.")
    return PROVIDERS[found]


class ProviderCollection:
    """``/providers``."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List."""
        context = context_of(req)
        authorize(context, "os_load-balancer_api:provider:get_all", context.project_id)
        answer(resp, {"providers": _list(req, self.api.conf.api_settings.enabled_provider_drivers)})


class ProviderItem:
    """``/providers/{provider}``: knows no method, so each is answered with 405 (reference, 1.3)."""

    def __init__(self, _api: Api) -> None:
        pass


class _Capabilities:
    plural: str
    rule: str

    def __init__(self, api: Api) -> None:
        self.api = api

    def words(self, provider: Provider) -> Words:
        """What the provider says of itself. Raises ``NotSupported``."""
        raise NotImplementedError

    def on_get(self, req: falcon.Request, resp: falcon.Response, provider: str) -> None:
        """List."""
        context = context_of(req)
        authorize(context, f"os_load-balancer_api:{self.rule}:get_all", context.project_id)
        try:
            words = self.words(resolve(self.api.conf, provider))
        except NotSupported as error:
            text = f"Provider '{provider}' does not support a requested action: {error}."
            raise errors.not_implemented(text) from None
        answer(resp, {self.plural: _list(req, words)})


class FlavorCapabilities(_Capabilities):
    """``/providers/{provider}/flavor_capabilities``."""

    plural, rule = "flavor_capabilities", "provider-flavor"

    def words(self, provider: Provider) -> Words:
        """The keys of a flavor profile's data."""
        return provider.get_supported_flavor_metadata()


class AvailabilityZoneCapabilities(_Capabilities):
    """``/providers/{provider}/availability_zone_capabilities``."""

    plural, rule = "availability_zone_capabilities", "provider-availability-zone"

    def words(self, provider: Provider) -> Words:
        """The keys of an availability zone profile's data."""
        return provider.get_supported_availability_zone_metadata()


def _list(req: falcon.Request, words: Words) -> list[dict[str, str]]:
    """Names with their meanings; no more than a handful, so they come in one page and in the operator's order."""
    rows = [{"name": name, "description": text} for name, text in words.items()]
    for key in ("name", "description"):
        wanted = req.get_param_as_list(key) or []
        rows = [row for row in rows if all(row[key] == value for value in wanted)]
    fields = req.get_param_as_list("fields") or []
    return [select_fields(row, fields) for row in rows]
