"""``/openapi.json`` and ``/docs``: what this API takes and answers, for programs and for people."""

import functools
from typing import Any

import falcon
import msgspec

from lictor.api.document import page
from lictor.api.resource import Api


def _build() -> dict[str, Any]:
    from lictor.api.document import openapi  # The document is made of the table in which these resources stand.

    return openapi.build()


@functools.cache
def _document() -> bytes:
    return msgspec.json.encode(_build())


@functools.cache
def _page() -> bytes:
    return page.render(_build()).encode()


class Document:
    """``/openapi.json``."""

    def __init__(self, _api: Api) -> None:
        pass

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """This document."""
        resp.content_type = falcon.MEDIA_JSON
        resp.data = _document()


class Page:
    """``/docs``."""

    def __init__(self, _api: Api) -> None:
        pass

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """This document, as a page to read."""
        resp.content_type = falcon.MEDIA_HTML
        # The page is text and style, and its own browser may not be talked into anything else.
        resp.set_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        resp.data = _page()
