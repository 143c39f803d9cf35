"""Providers: ``/providers`` (reference, 1.13)."""

import falcon

from lictor.api import errors
from lictor.api.context import authorize, context_of
from lictor.api.resource import Api, answer

_DEFAULT = "amphora"
_NAMES = {
    "amphora": "Lictor's own: HAProxy in amphorae.",
    "octavia": "Another name of the amphora provider.",
}


def resolve(name: str | None) -> str:
    """The driver that a provider's name means. Raises 400 for a provider that is not there."""
    if name is not None and name.lower() not in _NAMES:
        raise errors.bad_request(f"Provider '{name}' is not enabled.")
    return _DEFAULT


class ProviderCollection:
    """``/providers``."""

    def __init__(self, _api: Api) -> None:
        pass

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List."""
        authorize(context_of(req), "os_load-balancer_api:provider:get_all", None)
        fields = req.get_param_as_list("fields") or ["name", "description"]
        rows = [{"name": name, "description": text} for name, text in _NAMES.items()]
        answer(resp, {"providers": [{key: row[key] for key in row if key in fields} for row in rows]})
