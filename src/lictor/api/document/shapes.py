"""JSON Schema of what clients send and get, made of the types that the API itself works with.

Request types come from ``lictor.api.requests`` by way of msgspec. What is answered comes from the views: the type of an
attribute is that of the creation's attribute of the same name, or of the column, or what the view's ``shapes`` say.
"""

import datetime
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy.orm import InstrumentedAttribute

from lictor.api.answers import Moment
from lictor.api.fields import Wire
from lictor.api.forms import Form, Maybe
from lictor.api.kinds import Name, Project, Tag, Uuid
from lictor.api.views import View
from lictor.model.statuses import Operating, Provisioning

Schema = dict[str, Any]

REFERENCE = "#/components/schemas/"


def _words(source: type) -> Any:
    return Literal[tuple(value for name, value in vars(source).items() if name.isupper())]


_COMMON: dict[str, Any] = {
    "id": Uuid,
    "name": Name,
    "project_id": Project,
    "tenant_id": Project,
    "provisioning_status": _words(Provisioning),
    "operating_status": _words(Operating),
    "tags": list[Tag],
}
_COLUMNS: dict[type, Any] = {str: str, bool: bool, int: int, float: float, datetime.datetime: Moment}


def plain(kind: Any) -> Any:
    """An attribute's type without the None and UNSET that only say how it may be left out."""
    if typing.get_origin(kind) not in (typing.Union, types.UnionType):
        return kind
    (core,) = [each for each in typing.get_args(kind) if each not in (type(None), UnsetType)]
    return core


class Shapes:
    """The component schemas of a document, and references to them."""

    def __init__(self, creations: Mapping[str, type[Wire]]) -> None:
        """``creations`` are the types that create the objects of views, by the views' titles."""
        self._creations = creations
        self.structs: dict[str, type[msgspec.Struct]] = {}

    def form(self, form: Form) -> type[msgspec.Struct]:
        """The type of a view's documents."""
        if form.name not in self.structs:
            fields = [_optional(name, kind) for name, kind in self._attributes(form).items()]
            self.structs[form.name] = msgspec.defstruct(form.name, fields, kw_only=True, forbid_unknown_fields=True)
        return self.structs[form.name]

    def _attributes(self, form: Form) -> dict[str, Any]:
        view, creation = form.view, self._creations.get(form.view.title)
        hints = typing.get_type_hints(creation, include_extras=True) if creation else {}
        found = {name: _column(name, column, hints) for name, column in view.columns.items()}
        if view.owned:
            found["tenant_id"] = _COMMON["tenant_id"]
        if view.tagged:
            found["tags"] = _COMMON["tags"]
        found |= {name: self.resolve(kind) for name, kind in {**view.shapes, **form.instead}.items()}
        return {name: kind for name, kind in found.items() if kind is not None}

    def resolve(self, kind: Any) -> Any:
        """A type, in which views and forms are replaced by their structs; ``[form]`` is a list of them."""
        if isinstance(kind, View):
            return self.form(Form.of(kind))
        if isinstance(kind, Form):
            return self.form(kind)
        if isinstance(kind, Maybe):
            return self.resolve(kind.kind) | UnsetType
        if isinstance(kind, list):
            return list[self.resolve(kind[0])]  # type: ignore[misc]
        return kind

    def components(self, kinds: Iterable[Any]) -> tuple[dict[Any, Schema], dict[str, Schema]]:
        """The schema of each type, and the components that those refer to."""
        wanted = list(dict.fromkeys(kinds))
        schemas, components = msgspec.json.schema_components(wanted, ref_template=REFERENCE + "{name}")
        for name, schema in components.items():
            schema.pop("title", None)
            schema["description"] = schema.get("description", name).replace("``", "`")
        return dict(zip(wanted, schemas, strict=True)), components


def _column(name: str, column: InstrumentedAttribute[Any], hints: Mapping[str, Any]) -> Any:
    if name in _COMMON and column.type.python_type is not int:
        kind = _COMMON[name]
    elif name in hints:
        kind = plain(hints[name])
    else:
        python = column.type.python_type
        if python not in _COLUMNS:
            raise TypeError(f"{column}: say in the view's shapes what it holds")
        kind = _COLUMNS[python]
    return kind | None if getattr(column.property.columns[0], "nullable", False) else kind


def _optional(name: str, kind: Any) -> Any:
    return (name, kind, UNSET) if UnsetType in typing.get_args(kind) else (name, kind)


def lenient(schema: Schema, names: Iterable[str], creation: Schema | None) -> None:
    """A request's object as it is really understood: ``tenant_id`` is ``project_id``, and null is absent.

    In an update, null asks for the default; ``creation`` tells which attributes have none.
    """
    properties, required = schema["properties"], set(schema.get("required", ()))
    without = set((creation or {}).get("required", ()))
    for name in names:
        if name in without:
            properties[name] = not_null(properties[name])
        elif name not in required:
            properties[name] = or_null(properties[name])
    if "project_id" in properties:
        properties["tenant_id"] = properties["project_id"] | {"deprecated": True}


def or_null(schema: Schema) -> Schema:
    """The schema, or null."""
    if {"type": "null"} in schema.get("anyOf", ()) or schema.get("type") == "null":
        return schema
    default = {"default": schema["default"]} if "default" in schema else {}
    return {"anyOf": [{key: value for key, value in schema.items() if key != "default"}, {"type": "null"}], **default}


def not_null(schema: Schema) -> Schema:
    """The schema without null."""
    kept = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    return kept[0] if len(kept) == 1 else schema
