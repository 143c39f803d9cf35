"""How JSON becomes a request type, and errors become sentences that name the attribute, its value and what is right.

A request type is a ``Wire`` struct whose attributes are of ``lictor.api.kinds``. In front of msgspec stands WSME's
leniency (reference, 1.1): "80" is a number, "on" is true, null is absent.
"""

import functools
import re
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from lictor.api import errors

_TRUE = frozenset({"true", "t", "yes", "y", "on", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "off", "0"})
_LONGEST_NUMBER = 32
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")


class FieldError(ValueError):
    """A value that msgspec let pass and ``parse`` did not."""

    def __init__(self, field: str, value: object, expected: str) -> None:
        super().__init__(field)
        self.field, self.value, self.expected = field, value, expected


class Wire(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of all request types."""

    def __post_init__(self) -> None:
        """Bring values into canonical form."""
        for field, parse, expected in _parsers(type(self)):
            value = getattr(self, field)
            if value is None or value is UNSET:
                continue
            try:
                setattr(self, field, [parse(item) for item in value] if isinstance(value, list) else parse(value))
            except (ValueError, OverflowError):
                raise FieldError(field, value, expected) from None


W = TypeVar("W", bound=Wire)


def given(body: Wire) -> dict[str, Any]:
    """The attributes that a request names, whatever their value."""
    return {field: value for field in body.__struct_fields__ if (value := getattr(body, field)) is not UNSET}


def changes(body: Wire, creation: type[Wire], defaults: dict[str, Any]) -> dict[str, Any]:
    """What an update asks for: null means the default that ``creation`` (or ``defaults``) has for the attribute.

    But ``admin_state_up: null`` is false, as WSME has it (reference, 1.1).
    """
    initial = _defaults(creation) | defaults | {"admin_state_up": False}
    values = given(body)
    for field, value in values.items():
        if value is None:
            if field not in initial:
                raise errors.missing_field(field)
            values[field] = initial[field]
    return values


@functools.cache
def _defaults(creation: type[Wire]) -> dict[str, Any]:
    found = {}
    for field in msgspec.structs.fields(creation):
        if field.default_factory is not msgspec.NODEFAULT:
            found[field.name] = field.default_factory()
        elif field.default is not msgspec.NODEFAULT:
            found[field.name] = field.default
    return found


# --- from JSON -------------------------------------------------------------------------------------------------------


def decode(document: Any, wanted: type[W], argument: str, root: str, place: str = "") -> W:
    """A JSON value as ``wanted``. Raises 400, in which ``argument`` is what Octavia calls the value.

    ``root`` is the envelope it stood in; ``place`` goes before the names of its attributes if it is one of many.
    """
    understood = lenient(wanted, document)
    try:
        return msgspec.convert(understood, wanted)
    except msgspec.ValidationError as error:
        raise _explain(error, understood, wanted, argument, place or root, place) from None
    except RecursionError:
        raise errors.bad_request("Request is not in valid JSON format") from None


def lenient(wanted: type[Wire], document: Any) -> Any:
    """What WSME would have understood (reference, 1.1 "Coercion")."""
    if not isinstance(document, dict):
        return document
    fields = _fields(wanted)
    result = {}
    for key, value in document.items():
        name = "project_id" if key == "tenant_id" and "project_id" in fields else key
        field = fields.get(name)
        if field is None:
            result[name] = value
        elif value is not None or field.nullable:
            result[name] = _coerce(field, value)
    return result


def boolean(text: str) -> bool | None:
    """What a word says, in any spelling that WSME takes; None if it is no such word."""
    word = text.strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


def _coerce(field: "_Field", value: Any) -> Any:
    struct = field.struct
    if struct is not None:
        return [lenient(struct, item) for item in value] if isinstance(value, list) else lenient(struct, value)
    if field.kind is bool and isinstance(value, str | int):
        known = boolean(str(value))
        return value if known is None else known
    if field.kind is int and isinstance(value, float) and value.is_integer():
        return int(value)  # JSON knows one kind of number
    if field.kind in (int, float) and isinstance(value, str):
        return _number(field.kind, value)
    return value


def _number(kind: type[int] | type[float], text: str) -> Any:
    try:
        return kind(text) if len(text) <= _LONGEST_NUMBER else text
    except ValueError:
        return text


class _Field(typing.NamedTuple):
    kind: Any
    struct: type[Wire] | None
    nullable: bool
    expected: str
    parse: Callable[[Any], Any] | None


@functools.cache
def _fields(wanted: type[Wire]) -> dict[str, _Field]:
    return {name: _describe(hint) for name, hint in typing.get_type_hints(wanted, include_extras=True).items()}


@functools.cache
def _parsers(wanted: type[Wire]) -> list[tuple[str, Callable[[Any], Any], str]]:
    return [(name, field.parse, field.expected) for name, field in _fields(wanted).items() if field.parse]


def _describe(hint: Any) -> _Field:
    # Only updates have attributes that may be null as well as absent.
    alternatives = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    nullable = type(None) in alternatives and UnsetType in alternatives
    (core,) = [kind for kind in alternatives if kind not in (type(None), UnsetType)]
    field = _describe_core(core)
    return field._replace(nullable=nullable)


def _describe_core(core: Any) -> _Field:
    origin, arguments = typing.get_origin(core), typing.get_args(core)
    if origin is Annotated:
        meta = next(extra for extra in arguments[1:] if isinstance(extra, Meta))
        return _Field(arguments[0], None, False, meta.description or "", (meta.extra or {}).get("parse"))
    if origin is Literal:
        return _Field(type(arguments[0]), None, False, f"one of {', '.join(map(str, arguments))}", None)
    if origin is list:
        item = _describe_core(arguments[0])
        kind = "objects" if item.struct else item.expected
        return item._replace(kind=list, expected=f"a list of {kind}" if item.struct else f"a list, each {kind}")
    if isinstance(core, type) and issubclass(core, Wire):
        return _Field(core, core, False, "an object", None)
    return _Field(core, None, False, _PLAIN.get(core, _PLAIN.get(origin, "")), None)


_PLAIN: dict[Any, str] = {bool: "true or false", int: "a whole number", str: "text", dict: "an object"}


# --- errors ----------------------------------------------------------------------------------------------------------


def _explain(
    error: msgspec.ValidationError, document: Any, wanted: type[Wire], argument: str, root: str, prefix: str
) -> Exception:
    text, _, path = str(error).rpartition(" - at `$")
    text, steps = (text, _STEP.findall(path[:-1].replace("[...]", ""))) if text else (str(error), [])
    place = "".join(f".{name}" if name else f"[{index}]" for name, index in steps)
    if found := _UNKNOWN.fullmatch(text):
        return errors.unknown_attribute(argument + place, found[1])
    place = prefix + place
    if found := _MISSING.fullmatch(text):
        return errors.missing_field((place + "." + found[1]).lstrip("."))
    if isinstance(error.__cause__, FieldError):
        cause = error.__cause__
        return errors.invalid_field((place + "." + cause.field).lstrip("."), cause.value, cause.expected)
    value, expected = _follow(document, wanted, steps)
    return errors.invalid_field(place.lstrip(".") or root, value, expected)


def _follow(document: Any, wanted: type[Wire], steps: list[tuple[str, str]]) -> tuple[Any, str]:
    value, struct, expected = document, wanted, "an object"
    for name, index in steps:
        if name and isinstance(value, dict):
            field = _fields(struct)[name]
            value, expected, struct = value.get(name), field.expected, field.struct or struct
        elif index and isinstance(value, list):
            value = value[int(index)]
            expected = "an object" if expected == "a list of objects" else expected.removeprefix("a list, each ")
    return value, expected
