"""The words of query strings, for the document of the API: those of each operation, and what all lists take (1.5)."""

import datetime
from typing import Any, Final

from lictor.api import listing
from lictor.api.document.operations import FIELDS, Operation, Parameter
from lictor.api.views import View

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string", "pattern": r"^[^\x00]*$"}
_ANY: Final[Schema] = {"type": "string"}
_TAGS: Final = {
    "tags": "All of these tags, separated by commas.",
    "tags-any": "At least one of these tags.",
    "not-tags": "Not all of these tags.",
    "not-tags-any": "None of these tags.",
}
_PAGING: Final = (
    Parameter("limit", "The most objects to list; a number below 1 or 'infinite' for as many as may be.", _TEXT),
    Parameter("marker", "List what comes after the object with this key.", _TEXT),
    Parameter("page_reverse", "If true, list what comes before the marker; any unknown word is false.", _ANY),
    Parameter("sort", "Attributes to sort by, each with :asc or :desc if need be, separated by commas.", _TEXT),
    Parameter("sort_dir", "Directions of the attributes in sort_key.", {"enum": ["asc", "desc"]}, True),
    FIELDS,
)
_SHARED: Final = (*_PAGING, *(Parameter(name, text, _TEXT) for name, text in _TAGS.items()))


def _schema(parameter: Parameter) -> Schema:
    schema = {"type": "array", "items": parameter.schema} if parameter.many else parameter.schema
    shown = {"name": parameter.name, "in": "query", "description": parameter.description, "schema": schema}
    return shown | ({"explode": True} if parameter.many else {})


SHARED: Final = {parameter.name: _schema(parameter) for parameter in _SHARED}
"""``components/parameters``."""


def of(operation: Operation) -> list[Schema]:
    """The parameters of one operation."""
    own = [_reference(each.name) if each in _SHARED else _schema(each) for each in operation.query]
    if operation.answer and operation.answer.paged and operation.answer.view:
        own += _of_list(operation.answer.view)
    return own


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/parameters/{name}"}


def _of_list(view: View) -> list[Schema]:
    columns = {name: column for name, column in view.columns.items() if listing.comparable(column)}
    filters = [_filter(name, _KINDS.get(column.type.python_type, _TEXT)) for name, column in columns.items()]
    filters += [_filter(name, _TEXT) for name in view.filters if name not in columns]
    keys = Parameter("sort_key", "Attributes to sort by.", {"enum": list(columns)}, True)
    shared = [each.name for each in _SHARED if view.tagged or each.name not in _TAGS]
    return [*map(_reference, shared), _schema(keys), *filters]


def _filter(name: str, schema: Schema) -> Schema:
    return _schema(Parameter(name, f"Only objects with this {name}.", schema))


_KINDS: Final[dict[type[Any], Schema]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer", "minimum": 1 - 2**63, "maximum": 2**63 - 1},
    float: {"type": "number"},
    datetime.datetime: {"type": "string", "format": "date-time"},
}
