"""The OpenAPI document as one HTML page: no script, no file from elsewhere."""

from collections import defaultdict
from html import escape
from typing import Any

Schema = dict[str, Any]
Document = dict[str, Any]

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --link: light-dark(#0550ae, #79b8ff); }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 62rem; padding: 1.5rem; }
a { color: var(--link); } code, .path { font-family: ui-monospace, monospace; font-size: .92em; }
h1 small { font-weight: normal; opacity: .7; } h2 { border-bottom: 1px solid var(--line); margin-top: 2.2rem; }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1rem; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .4rem 0; }
details > summary { cursor: pointer; padding: .35rem .7rem; } details[open] > summary { background: var(--soft); }
details > div { padding: .2rem .9rem .9rem; } .verb { display: inline-block; font-weight: 600; width: 4.6em; }
.get { color: light-dark(#1a6b34, #6fce8a); } .post { color: light-dark(#0550ae, #79b8ff); }
.put { color: light-dark(#8a5300, #e0b15c); } .delete { color: light-dark(#b3261e, #ff8a80); }
.dim { opacity: .7; } table { border-collapse: collapse; width: 100%; }
td, th { border-bottom: 1px solid var(--line); padding: .25rem .6rem .25rem 0; text-align: left; vertical-align: top; }
"""


def render(document: Document) -> str:
    """The page."""
    info, components = document["info"], document["components"]
    by_tag: dict[str, list[str]] = defaultdict(list)
    for path, item in document["paths"].items():
        for verb, operation in item.items():
            if verb != "parameters":
                by_tag[operation["tags"][0]].append(_operation(path, verb, operation, item, components))
    title = f"{escape(info['title'])} <small>{escape(info['version'])}</small>"
    links = "".join(f'<a href="#tag-{tag}">{tag}</a>' for tag in by_tag)
    sections = "".join(f'<h2 id="tag-{tag}">{tag}</h2>{"".join(shown)}' for tag, shown in by_tag.items())
    schemas = "".join(_component(name, schema) for name, schema in components["schemas"].items())
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])} API</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>'
        f"<h1>{title}</h1>{_prose(info['description'])}<p>The same for programs: "
        f'<a href="openapi.json">openapi.json</a> (OpenAPI {document["openapi"]}).</p><nav>{links}'
        f'<a href="#lists">parameters of lists</a><a href="#schemas">schemas</a></nav>{sections}'
        f'<h2 id="lists">parameters of lists</h2>{_shared(components["parameters"])}'
        f'<h2 id="schemas">schemas</h2>{schemas}</body></html>'
    )


def _prose(text: str) -> str:
    return "".join(f"<p>{_code(paragraph)}</p>" for paragraph in text.split("\n\n"))


def _code(text: str) -> str:
    """Text in which `this` is code."""
    pieces = escape(text).split("`")
    return "".join(f"<code>{piece}</code>" if index % 2 else piece for index, piece in enumerate(pieces))


def _operation(path: str, verb: str, operation: Document, item: Document, components: Document) -> str:
    rows = _parameters([*item.get("parameters", ()), *operation.get("parameters", ())])
    asked = f"<h4>Parameters</h4><table>{rows}</table>" if rows else ""
    return (
        f'<details id="{operation["operationId"]}"><summary><span class="verb {verb}">{verb.upper()}</span>'
        f'<span class="path">{escape(path)}</span> <span class="dim">{_code(operation["summary"])}</span></summary>'
        f"<div>{_prose(operation.get('description', ''))}{asked}{_body(operation)}{_answers(operation, components)}"
        "</div></details>"
    )


def _resolved(reference: Document, components: Document) -> Document:
    if "$ref" not in reference:
        return reference
    kind, name = reference["$ref"].rsplit("/", 2)[1:]
    found: Document = components[kind][name]
    return found


def _parameters(parameters: list[Document]) -> str:
    """Its own one by one; those of all lists, and filters that need no word, by name."""
    shared = [each["$ref"].rsplit("/", 1)[1] for each in parameters if "$ref" in each]
    named = [each for each in parameters if "$ref" not in each]
    filters = [each["name"] for each in named if each.get("description") == f"Only objects with this {each['name']}."]
    own = [each for each in named if each["name"] not in filters]
    rows = "".join(map(_parameter, own))
    if filters:
        rows += _row("filters", "equal to what is given", " ".join(f"<code>{escape(name)}</code>" for name in filters))
    if shared:
        links = (f'<a href="#parameter-{name}"><code>{escape(name)}</code></a>' for name in shared)
        rows += _row("in lists", "", " ".join(links))
    return rows


def _shared(parameters: Document) -> str:
    rows = "".join(f'<tr id="parameter-{name}">{_parameter(each)[4:]}' for name, each in parameters.items())
    return f"<table>{rows}</table>"


def _parameter(parameter: Document) -> str:
    text = parameter.get("description", f"in the {parameter['in']}")
    return _row(f"<code>{escape(parameter['name'])}</code>", _kind(parameter["schema"]), _code(text))


def _row(*cells: str) -> str:
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _body(operation: Document) -> str:
    if "requestBody" not in operation:
        return ""
    return f"<h4>Body</h4><p>{_kind(operation['requestBody']['content']['application/json']['schema'])}</p>"


def _answers(operation: Document, components: Document) -> str:
    rows = ""
    for code, answer in operation["responses"].items():
        shown = _resolved(answer, components)
        content = next(iter(shown.get("content", {}).values()), None)
        rows += _row(code, _kind(content["schema"]) if content else "no body", _code(shown["description"]))
    return f"<h4>Answers</h4><table>{rows}</table>"


def _component(name: str, schema: Schema) -> str:
    rows = "".join(
        _row(f"<code>{escape(key)}</code>", _kind(each), _remarks(key, each, schema))
        for key, each in schema.get("properties", {}).items()
    )
    return f'<h3 id="{escape(name)}">{escape(name)}</h3>{_prose(schema.get("description", ""))}<table>{rows}</table>'


def _remarks(name: str, schema: Schema, parent: Schema) -> str:
    remarks = ["required"] if name in parent.get("required", ()) else []
    if schema.get("default") is not None:
        remarks.append(f"default <code>{escape(str(schema['default']))}</code>")
    return ", ".join(remarks + (["deprecated"] if schema.get("deprecated") else []))


def _kind(schema: Schema) -> str:
    """One schema in a few words."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[1])
        return f'<a href="#{name}">{name}</a>'
    if choices := schema.get("allOf") or (schema.get("anyOf") if "type" not in schema else None):
        return " or ".join(words for words in map(_kind, choices) if words)
    if "enum" in schema:
        return " · ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if "properties" in schema:
        return "{ " + ", ".join(f'"{key}": {_kind(each)}' for key, each in schema["properties"].items()) + " }"
    return _code(schema.get("description") or schema.get("format") or schema.get("type", ""))
