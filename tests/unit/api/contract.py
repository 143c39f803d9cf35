"""What the API answers in any test is what its document says: the status, and every attribute of the body."""

import functools
import re
from typing import Any

import jsonschema_rs

from lictor.api.document import openapi

ALIASES = re.compile(r"^/v2(?:\.0)?(/lbaas)?(?=/|$)")


@functools.cache
def document() -> Any:
    return openapi.build()


@functools.cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    def pattern(path: str) -> re.Pattern[str]:
        return re.compile("/".join("[^/]+" if word.startswith("{") else re.escape(word) for word in path.split("/")))

    # A word goes before a placeholder: quotas/defaults before quotas/{project_id}.
    return [(pattern(path), path) for path in sorted(document()["paths"], key=lambda path: path.replace("{", "~"))]


def find(path: str) -> str | None:
    """The documented path that this one is an instance of, or an alias of."""
    path = path.partition("?")[0].removesuffix("/") or "/"
    plain = path.removesuffix(".json")
    names = [path, plain, ALIASES.sub("/v2.0/lbaas", plain), ALIASES.sub("/v2.0", plain)]
    return next((known for name in names for pattern, known in _patterns() if pattern.fullmatch(name)), None)


@functools.cache
def _validator(path: str, verb: str, status: int) -> Any:
    answers = document()["paths"][path][verb]["responses"]
    assert str(status) in answers, f"{verb} {path} answers {status}, which the document does not know of"
    answer = answers[str(status)]
    if "$ref" in answer:
        answer = document()["components"]["responses"][answer["$ref"].rsplit("/", 1)[1]]
    if "content" not in answer:
        return None
    schema = answer["content"]["application/json"]["schema"]
    return jsonschema_rs.validator_for({**schema, "components": document()["components"]})


def check(method: str, path: str, status: int, body: Any) -> None:
    """Fail unless the document says that this may be answered."""
    known = find(path)
    operations = document()["paths"].get(known, {})
    if method.lower() not in operations:
        assert status in (401, 404, 405, 406), f"{method} {path} is in no document"
        return
    validator = _validator(known, method.lower(), status)
    if validator is None:
        assert body is None, f"{method} {path} answers a body, of which the document says nothing"
    else:
        errors = [f"{error.instance_path}: {error.message[:300]}" for error in validator.iter_errors(body)]
        assert not errors, f"{method} {path} -> {status} is not as documented: {errors}"
