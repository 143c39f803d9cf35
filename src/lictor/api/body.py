"""From the bytes of a request to a checked, typed value; everything that can be wrong on the way is a 400 or 413."""

from typing import Any, TypeVar

import falcon
import msgspec

from lictor.api import errors
from lictor.api.fields import Wire, decode

W = TypeVar("W", bound=Wire)

_NOT_JSON = "Request is not in valid JSON format"
_PIECE = 64 * 1024


def read(req: falcon.Request, limit: int) -> bytes:
    """The body, at most ``limit`` bytes of it. Raises 413, without reading on, if it is longer."""
    length = req.content_length
    if length is None:
        return _read_chunked(req, limit)
    if length > limit:
        raise errors.too_large(limit)
    return bytes(req.bounded_stream.read())


def _read_chunked(req: falcon.Request, limit: int) -> bytes:
    # Only a server that says so marks the end of a chunked body; with others, reading could wait for ever.
    if not req.env.get("wsgi.input_terminated"):
        return b""
    content = b""
    while len(content) <= limit:
        piece = req.stream.read(min(_PIECE, limit + 1 - len(content)))
        if not piece:
            return content
        content += piece
    raise errors.too_large(limit)


def parse(req: falcon.Request, limit: int, argument: str, root: str, wanted: type[W]) -> W:
    """The one object below ``root``, as ``wanted``. ``argument`` is what Octavia calls the body in its errors."""
    return decode(_below(_json(read(req, limit)), argument, root), wanted, f"{argument}.{root}", root)


def parse_list(req: falcon.Request, limit: int, argument: str, root: str, wanted: type[W]) -> list[W]:
    """The list of objects below ``root``, each as ``wanted``."""
    content = _below(_json(read(req, limit)), argument, root)
    if not isinstance(content, list):
        raise errors.invalid_field(root, content, "a list")
    places = [f"{root}[{index}]" for index in range(len(content))]
    return [
        decode(item, wanted, f"{argument}.{place}", root, place) for place, item in zip(places, content, strict=True)
    ]


def _json(content: bytes) -> Any:
    try:
        document = msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise errors.bad_request(_NOT_JSON) from None
    # PostgreSQL cannot store the character, and nobody has a use for it.
    if b"\\u0000" in content and _holds_nul(document):
        raise errors.bad_request("Invalid input: text with the character U+0000 (NUL) cannot be stored.")
    return document


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, list):
        return any(_holds_nul(item) for item in value)
    return isinstance(value, dict) and any(_holds_nul(item) for pair in value.items() for item in pair)


def _below(document: Any, argument: str, root: str) -> Any:
    if not isinstance(document, dict):
        raise errors.invalid_field(argument, document, f'an object: {{"{root}": ...}}')
    for key in document:
        if key != root:
            raise errors.unknown_attribute(argument, key)
    if document.get(root) is None:
        raise errors.missing_field(root)
    return document[root]
