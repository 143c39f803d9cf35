"""Where a client can go with what it has just created: the links of the document (OpenAPI 3.1, "Link Object").

They follow from names: an item's path begins with its collection's, and a body's attribute ``default_pool_id`` is a
pool's.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from lictor.api.document.operations import Answer, Body
from lictor.api.routes import Route
from lictor.api.views import View

Table = Sequence[tuple[str, Route]]
Document = dict[str, Any]


def identifier(path: str, verb: str) -> str:
    """The name of an operation."""
    words = [word.strip("{}") for word in path.removeprefix("/v2.0/lbaas/").split("/") if word]
    return "_".join([verb, *(words or ["root"])]).replace(".", "_").replace("-", "_")


def links(path: str, answer: Answer, table: Table) -> Document:
    """From the creation of an object to every operation that can be given it."""
    view = answer.view
    assert view is not None, path
    made = f"$response.body#/{answer.root}/{view.key}"
    return {link["operationId"]: link for link in (*_below(path, made, table), *_naming(view, made, table))}


def _below(path: str, made: str, table: Table) -> Iterator[Document]:
    """Operations on the object, and on what is below it."""
    outer = {name: f"$request.path.{name}" for name in re.findall(r"{(\w+)}", path)}
    item = re.compile(re.escape(path) + r"/{(\w+)}(/[a-z_]+)?")
    for below, route in table:
        if found := item.fullmatch(below):
            for verb in route.operations:
                yield {"operationId": identifier(below, verb), "parameters": {**outer, found[1]: made}}


def _naming(view: View, made: str, table: Table) -> Iterator[Document]:
    """Operations whose body can name the object."""
    for path, route in table:
        for verb, operation in route.operations.items():
            if operation.body and (values := _values(operation.body, view, made)):
                yield {"operationId": identifier(path, verb), "requestBody": {operation.body.root: values}}


def _values(body: Body, view: View, made: str) -> dict[str, str]:
    names = () if body.many else body.wanted.__struct_fields__
    return {name: made for name in names if is_of(name, view)}


def is_of(attribute: str, view: View) -> bool:
    """Whether an attribute of a body names an object of a view."""
    if view.key != "id":
        return attribute == view.single
    return attribute.endswith("_id") and attribute.removesuffix("_id").replace("_", "").endswith(
        view.single.replace("_", "")
    )
