"""The OpenAPI 3.1 document of the API, made of the route table, the request types and the views."""

import inspect
import re
from typing import Any

from lictor import __version__
from lictor.api import answers, routes
from lictor.api.document import parameters, steps
from lictor.api.document.operations import Answer, Body, Operation
from lictor.api.document.shapes import REFERENCE, Schema, Shapes, lenient
from lictor.api.routes import Route

Document = dict[str, Any]

_INFO = """\
The OpenStack Octavia API v2.30 as Lictor speaks it. Every path under `/v2.0/lbaas` answers under `/v2.0`, `/v2` and
`/v2/lbaas` too, and every path under `/v2.0` under `/v2`; a path may end in a slash or in `.json`.

Values are taken in the spellings that Octavia takes: `"80"` is a number, `"on"`, `"yes"` and `1` are true. An update
changes what it names; a null in it asks for the default. What is accepted is applied later: poll
`provisioning_status`, which a deleted object keeps at `PENDING_DELETE` until it is gone.
"""

_SECURITY = {
    "basic": {"type": "http", "scheme": "basic", "description": "auth_strategy http_basic"},
    "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token", "description": "auth_strategy keystone"},
}

_ERRORS = {
    400: "The request cannot be understood, or its values do not go together.",
    401: "Nobody proved to ask.",
    403: "Whoever asks may not, or a quota is met.",
    404: "The object of the request, or one that it names, is not there.",
    405: "The path does not know the method.",
    406: "The answer could only be JSON, which the request does not accept.",
    409: "It clashes with what is there.",
    413: "The body is too long.",
    501: "The provider cannot do that.",
    503: "The database cannot be reached or is busy, or an address cannot be had now: try again later.",
}

_SUCCESS = {200: "What was asked for.", 201: "It is accepted.", 202: "It is accepted.", 204: "It is accepted."}


def build() -> Document:
    """The whole document."""
    table = list(routes.every())
    shapes = _Schemas(table)
    paths = {path: _path(path, route, shapes) for path, route in table}
    for path, route in table:
        for verb, operation in route.operations.items():
            if operation.status == 201 and operation.answer:
                paths[path][verb]["responses"]["201"]["links"] = steps.links(path, operation.answer, table)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Lictor", "version": __version__, "description": _INFO, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": dict(sorted(shapes.components.items())),
            "parameters": parameters.SHARED,
            "responses": {str(code): _error(code) for code in _ERRORS},
            "securitySchemes": _SECURITY,
        },
    }


class _Schemas:
    """The schemas of all operations, made in one go, as msgspec wants them."""

    def __init__(self, table: list[tuple[str, Route]]) -> None:
        operations = [operation for _, route in table for operation in route.operations.values()]
        creations = {
            operation.answer.view.title: operation.body.wanted
            for operation in operations
            if operation.body and not operation.body.initial and operation.answer and operation.answer.view
        }
        shapes = Shapes(creations)
        self._kinds = {
            id(operation.answer): shapes.resolve(operation.answer.shape) for operation in operations if operation.answer
        }
        bodies = [operation.body for operation in operations if operation.body]
        kinds = [*self._kinds.values(), *(body.wanted for body in bodies), answers.Fault, answers.Refused, answers.Link]
        self._schemas, self.components = shapes.components(kinds)
        shown = [operation.answer for operation in operations if operation.answer]
        partial = {self._kinds[id(answer)].__name__ for answer in shown if answer.partial}
        self._required = {name: self._open(name) for name in partial | set(shapes.structs)}
        self._loosen(bodies)

    def _open(self, name: str) -> list[str]:
        # Whoever asks for some ``fields`` gets no others.
        required: list[str] = self.components[name].pop("required", [])
        return required

    def _loosen(self, bodies: list[Body]) -> None:
        initials = {body.wanted.__name__: body.initial.__name__ for body in bodies if body.initial}
        for name, schema in self.components.items():
            if schema.get("additionalProperties") is False and name not in self._required:
                creation = self.components.get(initials.get(name, ""))
                lenient(schema, list(schema["properties"]), creation)

    def body(self, body: Body) -> Schema:
        """The envelope of a request."""
        inner = self._schemas[body.wanted]
        below = {"type": "array", "items": inner} if body.many else inner
        return {
            "type": "object",
            "properties": {body.root: below},
            "required": [body.root],
            "additionalProperties": False,
        }

    def answer(self, answer: Answer) -> Schema:
        """The envelope of an answer."""
        kind = self._kinds[id(answer)]
        schema = self._schemas[kind]
        name = schema.get("$ref", "").removeprefix(REFERENCE)
        if name in self._required and not answer.partial:
            schema = {"allOf": [schema, {"required": self._required[name]}]}
        if answer.root is None:
            return schema
        properties = {answer.root: {"type": "array", "items": schema} if answer.many else schema}
        if answer.paged and answer.view:
            links = {"type": "array", "items": self._schemas[answers.Link]}
            properties[f"{answer.view.links or answer.view.plural}_links"] = links
        return {"type": "object", "properties": properties, "required": list(properties)}


def _path(path: str, route: Route, schemas: _Schemas) -> Document:
    shared = [_path_parameter(name) for name in re.findall(r"{(\w+)}", path)]
    verbs = {verb: _operation(path, verb, route, schemas) for verb in route.operations}
    return {**({"parameters": shared} if shared else {}), **verbs}


def _path_parameter(name: str) -> Schema:
    # Clients take dots for a way through the path (RFC 3986, section 5.2.4), and cannot ask for what has such a name.
    named = not name.endswith("_id") or name in ("object_id", "project_id")
    form = {"minLength": 1, "not": {"enum": [".", ".."]}} if named else {"format": "uuid"}
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", **form}}


def _operation(path: str, verb: str, route: Route, schemas: _Schemas) -> Document:
    operation = route.operations[verb]
    words = inspect.cleandoc(route.handler(verb).__doc__ or "").replace("``", "`")
    summary, _, more = words.partition("\n\n")
    document: Document = {
        "operationId": steps.identifier(path, verb),
        "summary": " ".join(summary.split()),
        "tags": [_tag(path)],
        "responses": _responses(operation, schemas),
        "security": [{"basic": []}, {"token": []}, {}] if operation.secured else [],
    }
    if more:
        document["description"] = more
    if listed := parameters.of(operation):
        document["parameters"] = listed
    if operation.body:
        content = {"application/json": {"schema": schemas.body(operation.body)}}
        document["requestBody"] = {"required": True, "content": content}
    return document


def _tag(path: str) -> str:
    words = path.removeprefix("/v2.0").removeprefix("/lbaas").removeprefix("/octavia").strip("/").split("/")
    if not path.startswith("/v2.0/") and words[0] != "projects":
        return "about"
    return "members" if "members" in words else "rules" if "rules" in words else words[0] or "about"


def _responses(operation: Operation, schemas: _Schemas) -> Document:
    success: Document = {"description": _SUCCESS[operation.status]}
    if operation.answer:
        texts = {kind: {"schema": {"type": "string"}} for kind in operation.answer.texts}
        document = {"application/json": {"schema": schemas.answer(operation.answer)}}
        success["content"] = (document if operation.answer.shape else {}) | texts
    errors = {str(code): {"$ref": f"#/components/responses/{code}"} for code in sorted(operation.errors)}
    alike = {str(code): success | {"description": _ERRORS[code]} for code in operation.alike}
    return {str(operation.status): success, **alike, **errors}


def _error(code: int) -> Document:
    shape = answers.Refused if code == 401 else answers.Fault
    schema = {"$ref": REFERENCE + shape.__name__}
    return {"description": _ERRORS[code], "content": {"application/json": {"schema": schema}}}
