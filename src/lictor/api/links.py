"""Links in answers: where a client finds this API, and the pages next to the one it got."""

from urllib.parse import urlencode

import falcon
from oslo_config import cfg


def base_uri(req: falcon.Request, conf: cfg.ConfigOpts) -> str:
    """The API's root as clients know it, without a slash at the end."""
    configured: str | None = conf.api_settings.api_base_uri
    return (configured or req.prefix).rstrip("/")


def page_links(
    req: falcon.Request, base: str, keys: list[str], more: bool, from_marker: bool, reverse: bool
) -> list[dict[str, str]]:
    """Links to the next and the previous page, with everything else that was asked for (Octavia loses the filters).

    ``keys`` are those of the objects on this page, which the neighbours begin after.
    """
    if not keys:
        return []
    links = []
    # Walking backwards, what follows is the page we came from.
    if from_marker if reverse else more:
        links.append({"rel": "next", "href": _href(req, base, keys[-1], False)})
    if more if reverse else from_marker:
        links.append({"rel": "previous", "href": _href(req, base, keys[0], True)})
    return links


def _href(req: falcon.Request, base: str, marker: str, reverse: bool) -> str:
    kept = {name: value for name, value in req.params.items() if name not in ("marker", "page_reverse")}
    asked = {**kept, "marker": marker, **({"page_reverse": "True"} if reverse else {})}
    return f"{base}{req.path}?{urlencode(asked, doseq=True)}"
