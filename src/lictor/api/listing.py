"""Lists: filters, sorting, pages, links and fields, once for all resources (reference, 1.5)."""

import dataclasses
import datetime
import math
from typing import Any

import falcon
from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from lictor.api import errors
from lictor.api.auth.context import Context, authorize, sees_all
from lictor.api.fields import boolean
from lictor.api.links import page_links
from lictor.api.views import Database, Document, View
from lictor.model import Tag

_PAGING = frozenset({"limit", "marker", "page_reverse", "sort", "sort_key", "sort_dir", "fields"})
_TAGS = ("tags", "tags-any", "not-tags", "not-tags-any")
_MOST_TAGS = 100
_BAD_FILTER = "One or more arguments are either duplicate or invalid"


@dataclasses.dataclass(frozen=True)
class SortKey:
    """One column to sort by, and whether the largest comes first."""

    column: InstrumentedAttribute[Any]
    descending: bool

    def expressions(self) -> list[ColumnElement[Any]]:
        """What is compared. Databases disagree on where nulls belong, so it is said: first, as they sort ascending."""
        column: ColumnElement[Any] = self.column.expression
        return [case((column.is_(None), 0), else_=1), column] if self.column.nullable else [column]

    def values(self, value: Any) -> list[Any]:
        """What the expressions come to in a row that has this value."""
        return [0 if value is None else 1, value] if self.column.nullable else [value]


@dataclasses.dataclass(frozen=True)
class Page:
    """What a client asked of a list. ``visible`` limits it to what there is for this client, markers included."""

    conditions: list[ColumnElement[bool]]
    keys: list[SortKey]
    limit: int | None
    marker: str | None
    reverse: bool
    fields: list[str]
    visible: list[ColumnElement[bool]] = dataclasses.field(default_factory=list)


def parse(req: falcon.Request, view: View, options: Any) -> Page:
    """Understand the query string. Raises 400. ``options`` are ``[api_settings]``, which may switch parts of it off.

    A list that is longer than was asked for, or in another order, is of use; one of the wrong objects is not: so
    filters are refused where they are off, and the rest is passed over.
    """
    conditions = _filters(req, view) + _tag_filters(req, view)
    if not options.allow_filtering and (conditions or _single(req, "project_id") is not None):
        raise errors.bad_request("Lists cannot be filtered here: [api_settings] allow_filtering is off.")
    pages = options.allow_pagination
    return Page(
        conditions=conditions,
        keys=_sort_keys(view, _sort_words(req) if options.allow_sorting else []),
        limit=_limit(_single(req, "limit"), options.pagination_max_limit) if pages else None,
        marker=_single(req, "marker") if pages else None,
        reverse=pages and (boolean(_single(req, "page_reverse") or "") or False),
        fields=fields_of(req, options),
    )


def fields_of(req: falcon.Request, options: Any) -> list[str]:
    """The attributes that a request wants to see, if it may choose them."""
    return (req.get_param_as_list("fields") or []) if options.allow_field_selection else []


def fetch(req: falcon.Request, database: Database, view: View, page: Page, base: str) -> Document:
    """The answer: the documents of the page, and links to its neighbours."""
    query = view.query().where(*page.visible, *page.conditions)
    if page.marker is not None:
        query = query.where(_beyond(database, view, page))
    for key in page.keys:
        for expression in key.expressions():
            query = query.order_by(expression.desc() if key.descending != page.reverse else expression.asc())
    # One more than asked for tells whether there is a further page.
    documents = view.render(database, query.limit(None if page.limit is None else page.limit + 1))
    more = page.limit is not None and len(documents) > page.limit
    documents = documents[: page.limit]
    if page.reverse:
        documents.reverse()
    keys = [document[view.key] for document in documents]
    links = page_links(req, base, keys, more, page.marker is not None, page.reverse)
    return {
        view.plural: [select_fields(document, page.fields) for document in documents],
        f"{view.links or view.plural}_links": links,
    }


def scope(context: Context, rule: str, req: falcon.Request, view: View) -> list[ColumnElement[bool]]:
    """The rows that a caller may see: everybody's, if ``rule`` (``get_all-global``) says so, else one project's.

    Raises 403 for a project whose objects the caller may not list (reference, 1.5 "Scope").
    """
    if sees_all(context, rule):
        return []
    project_id = _single(req, "project_id") or context.project_id
    authorize(context, rule.removesuffix("-global"), project_id)
    return [view.columns["project_id"] == project_id]


def select_fields(document: Document, fields: list[str]) -> Document:
    """The attributes that were asked for; all of them if none was."""
    return {name: value for name, value in document.items() if name in fields} if fields else document


# --- filters ---------------------------------------------------------------------------------------------------------


def _single(req: falcon.Request, name: str) -> str | None:
    value = req.params.get(name)
    if value is not None and not isinstance(value, str):
        raise errors.bad_request(_BAD_FILTER)
    return value


def _filters(req: falcon.Request, view: View) -> list[ColumnElement[bool]]:
    conditions = []
    for name in req.params:
        if name in _PAGING or name in _TAGS:
            continue
        value = _single(req, name)
        if value is None or "\0" in value:
            raise errors.bad_request(_BAD_FILTER)
        conditions.append(_condition(view, name, value))
    return conditions


def _condition(view: View, name: str, value: str) -> ColumnElement[bool]:
    if name in view.filters:
        return view.filters[name](value)
    if view.shapes.get(name) is not None:
        raise errors.bad_request(f"{_BAD_FILTER}: {name} holds other objects, and lists are filtered by plain values.")
    if name not in view.columns or not comparable(view.columns[name]):
        raise errors.bad_request(f"{_BAD_FILTER}: {name}")
    column: ColumnElement[Any] = view.columns[name].expression
    typed = _typed(column, value)
    if typed is None:
        raise errors.bad_request(f"{_BAD_FILTER}: {name}={value}")
    condition: ColumnElement[bool] = column == typed
    return condition


def comparable(column: InstrumentedAttribute[Any]) -> bool:
    """Whether a column can be filtered and sorted by: it holds one plain value."""
    return column.type.python_type in _CONVERT


def _typed(column: ColumnElement[Any], value: str) -> Any:
    try:
        return _CONVERT[column.type.python_type](value)
    except (ValueError, OverflowError):
        return None


def _integer(text: str) -> int:
    number = int(text) if len(text) <= 20 else 2**63
    if abs(number) >= 2**63:
        raise ValueError(text)
    return number


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _moment(text: str) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(text)
    return moment.astimezone(datetime.UTC).replace(tzinfo=None) if moment.tzinfo else moment


_CONVERT: dict[type, Any] = {str: str, bool: boolean, int: _integer, float: _number, datetime.datetime: _moment}


def _tag_filters(req: falcon.Request, view: View) -> list[ColumnElement[bool]]:
    conditions = []
    for name in _TAGS:
        tags = {tag for text in req.get_param_as_list(name) or [] for tag in text.split(",") if tag}
        if tags and not view.tagged:
            raise errors.bad_request(f"{_BAD_FILTER}: {name}")
        if any("\0" in tag for tag in tags) or len(tags) > _MOST_TAGS:
            raise errors.bad_request(f"{_BAD_FILTER}: {name} takes at most {_MOST_TAGS} tags")
        if tags:
            found = _has_any(view, tags) if name.endswith("-any") else _has_all(view, tags)
            conditions.append(~found if name.startswith("not-") else found)
    return conditions


def _has_any(view: View, tags: set[str]) -> ColumnElement[bool]:
    return exists().where(Tag.resource_id == view.model.id, Tag.tag.in_(tags))


def _has_all(view: View, tags: set[str]) -> ColumnElement[bool]:
    count = select(func.count()).where(Tag.resource_id == view.model.id, Tag.tag.in_(tags))
    return count.scalar_subquery() == len(tags)


# --- sorting and pages -----------------------------------------------------------------------------------------------


def _sort_keys(view: View, words: list[tuple[str, str]]) -> list[SortKey]:
    keys = [_sort_key(view, name, direction) for name, direction in words]
    names = [key.column.key for key in keys]
    if len(set(names)) < len(names):
        raise errors.bad_request("Sort keys: each may be given only once")
    # By age, if nothing else is asked. The key makes the order total: or pages could overlap or leave gaps.
    rest = [] if keys or "created_at" not in view.columns else [view.columns["created_at"]]
    last = [] if view.columns[view.key].key in names else [view.columns[view.key]]
    return [*keys, *(SortKey(column, view.newest_first) for column in (*rest, *last))]


def _sort_words(req: falcon.Request) -> list[tuple[str, str]]:
    words = [word for text in req.get_param_as_list("sort") or [] for word in text.split(",") if word]
    if words:
        return [(name, direction or "asc") for name, _, direction in (word.partition(":") for word in words)]
    names = req.get_param_as_list("sort_key") or []
    directions = req.get_param_as_list("sort_dir") or []
    if len(directions) > len(names):
        raise errors.bad_request("There are more sort directions than sort keys")
    return list(zip(names, directions + ["asc"] * (len(names) - len(directions)), strict=True))


def _sort_key(view: View, name: str, direction: str) -> SortKey:
    if direction.lower() not in ("asc", "desc"):
        raise errors.bad_request(f"Sort direction '{direction}' is not one of asc, desc")
    column = view.columns.get(name)
    if column is None or not comparable(column):
        raise errors.bad_request(f"Sort key '{name}' is not an attribute to sort by")
    return SortKey(column, direction.lower() == "desc")


def _limit(text: str | None, longest: str) -> int | None:
    cap = _whole(longest)
    asked = _whole(text) if text else None
    return min((limit for limit in (asked, cap) if limit is not None), default=None)


def _whole(text: str) -> int | None:
    if text.lower() == "infinite":
        return None
    try:
        number = int(text[:20])
    except ValueError:
        raise errors.bad_request(f"Limit '{text}' is not a whole number or 'infinite'") from None
    return min(number, 2**31) if number >= 1 else None


def _beyond(database: Database, view: View, page: Page) -> ColumnElement[bool]:
    """The rows on the far side of the marker: after it in the first column, or equal there and after it in the next."""
    columns = [key.column for key in page.keys]
    name: ColumnElement[Any] = view.columns[view.key].expression
    at_marker = select(*columns).where(name == _typed(name, str(page.marker)), *page.visible)
    row = database.execute(at_marker).one_or_none() if _stored(page) else None
    if row is None:
        raise errors.bad_request(f"Supplied pagination marker {page.marker} is not valid.")
    alternatives: list[ColumnElement[bool]] = []
    equal: list[ColumnElement[bool]] = []
    for key, value in zip(page.keys, row, strict=True):
        down = key.descending != page.reverse
        for expression, at in zip(key.expressions(), key.values(value), strict=True):
            if at is not None:  # Among nulls, their being null has said all there is to say.
                alternatives.append(and_(*equal, expression < at if down else expression > at))
                equal.append(expression == at)
    return or_(*alternatives)


def _stored(page: Page) -> bool:
    return page.marker is not None and "\0" not in page.marker
