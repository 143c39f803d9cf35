"""What L7 policies and their rules may say, as far as it needs nothing but their own values (reference, 1.11)."""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

T = TypeVar("T")

MOST_RULES: Final = 50
"""Rules that one policy may have."""

TARGETS: Final[dict[str, str | None]] = {
    "REJECT": None,
    "REDIRECT_TO_URL": "redirect_url",
    "REDIRECT_PREFIX": "redirect_prefix",
    "REDIRECT_TO_POOL": "redirect_pool_id",
}
"""The attribute that says where each action sends a request."""

ANSWERS: Final = frozenset({"REDIRECT_TO_URL", "REDIRECT_PREFIX"})
"""Actions that answer with a redirection, which has a status code."""

WITH_KEY: Final = frozenset({"HEADER", "COOKIE", "SSL_DN_FIELD"})
"""Types of rules that look something up by its name."""

_FOUND: Final = 302
_REDIRECTION: Final = (*(name for name in TARGETS.values() if name), "redirect_http_code")

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+")  # RFC 9110, 5.6.2
_HEADER_VALUE = re.compile(r'[!-~]+|"[\t -~]*"')
_COOKIE_VALUE = re.compile(r"[!#-:<-\[\]-~]+")  # RFC 6265, 4.1.1, and the comma, which is seen in the wild
_DN_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9-]*")  # RFC 4512, 1.4 "descr"


_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Invalid(ValueError):
    """The values do not go together; the text says why."""


# --- policies --------------------------------------------------------------------------------------------------------


def implied_action(action: str, named: Mapping[str, Any]) -> str:
    """The action of a policy after an update that names attributes, but no action.

    A new target means its action, as a URL that the policy did not follow would be of no use. Raises ``Invalid`` if
    targets of several actions are named.
    """
    implied = [each for each, target in TARGETS.items() if target and named.get(target) is not None]
    if len(implied) > 1:
        raise Invalid(f"{', '.join(str(TARGETS[each]) for each in implied)} belong to different actions")
    return implied[0] if implied else action


def redirection(action: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The ``redirect_*`` attributes of a policy: those of its action, and null for those of others, whatever was asked.

    Raises ``Invalid`` if the action lacks its target.
    """
    result: dict[str, Any] = dict.fromkeys(_REDIRECTION)
    target = TARGETS[action]
    if target:
        if values.get(target) is None:
            raise Invalid(f"action {action} needs {target}")
        result[target] = values[target]
    if action in ANSWERS:
        result["redirect_http_code"] = values.get("redirect_http_code") or _FOUND
    return result


def place(order: list[T], one: T, position: int | None) -> None:
    """Put ``one`` into the order of policies: at ``position``, which counts from 1, or at the end."""
    order.insert(len(order) if position is None else position - 1, one)


# --- rules -----------------------------------------------------------------------------------------------------------


def check_rule(kind: str, compare_type: str, key: str | None, value: str) -> None:
    """Raises ``Invalid`` for a rule that could not be looked up or compared. ``kind`` is the rule's ``type``."""
    if not value:
        raise Invalid("value is empty")
    if not is_text(value):
        raise Invalid(f"value {value!r} has control characters")
    if kind in WITH_KEY:
        _check_key(kind, key)
    _CHECKS.get(kind, _check_text)(kind, compare_type, key, value)
    if compare_type == "REGEX":
        _check_regex(value)


def is_text(value: str) -> bool:
    """Whether there are no control characters in it, other than tabs."""
    return not _CONTROL.search(value)


def comparand(value: str) -> str:
    """What a rule compares with: double quotes around its value, as Octavia wants them where there are spaces, go."""
    return value[1:-1] if len(value) > 2 and value[0] == value[-1] == '"' else value


def regular_expression(value: str) -> str:
    """The value of a rule that compares by REGEX, as HAProxy gets it (PCRE2, whose patterns may begin with limits).

    The worst of expressions then costs a request 0.3 ms and does not match; with PCRE2's own limit of 10,000,000 it
    costs 20 ms (tried with HAProxy 2.6.12).
    """
    return f"(*LIMIT_MATCH=100000){comparand(value)}"


def _check_key(kind: str, key: str | None) -> None:
    if not key:
        raise Invalid(f"type {kind} needs a key")
    if not (_DN_FIELD if kind == "SSL_DN_FIELD" else _TOKEN).fullmatch(key):
        raise Invalid(f"key '{key}' is not the name of a {_KEYS[kind]}")


_KEYS = {"HEADER": "header", "COOKIE": "cookie", "SSL_DN_FIELD": "field of a distinguished name"}


def _check_text(kind: str, compare_type: str, _key: str | None, value: str) -> None:
    if compare_type != "REGEX" and not _HEADER_VALUE.fullmatch(value):
        raise Invalid(f"value '{value}' has other characters than ASCII's visible ones; put it in quotes for spaces")


def _check_cookie(kind: str, compare_type: str, _key: str | None, value: str) -> None:
    if compare_type != "REGEX" and not _COOKIE_VALUE.fullmatch(value):
        raise Invalid(f"value '{value}' has characters that a cookie cannot have")


def _check_file_type(kind: str, compare_type: str, key: str | None, value: str) -> None:
    if compare_type not in ("REGEX", "EQUAL_TO"):
        raise Invalid(f"type {kind} takes compare_type REGEX or EQUAL_TO, not {compare_type}")
    _check_text(kind, compare_type, key, value)


def _check_certificate(kind: str, compare_type: str, key: str | None, value: str) -> None:
    _check_exact(kind, compare_type, key)
    if value.lower() != "true":
        raise Invalid(f"type {kind} takes the value true, not '{value}'; invert says the opposite")


def _check_verification(kind: str, compare_type: str, key: str | None, value: str) -> None:
    _check_exact(kind, compare_type, key)
    if not (value.isascii() and value.isdigit()):
        raise Invalid(f"type {kind} takes a whole number of 0 or more, not '{value}'")


def _check_exact(kind: str, compare_type: str, key: str | None) -> None:
    if key:
        raise Invalid(f"type {kind} takes no key")
    if compare_type != "EQUAL_TO":
        raise Invalid(f"type {kind} takes compare_type EQUAL_TO, not {compare_type}")


def _check_nothing(_kind: str, _compare_type: str, _key: str | None, _value: str) -> None:
    """A distinguished name may hold any text."""


_CHECKS: Final = {
    "COOKIE": _check_cookie,
    "FILE_TYPE": _check_file_type,
    "SSL_CONN_HAS_CERT": _check_certificate,
    "SSL_VERIFY_RESULT": _check_verification,
    "SSL_DN_FIELD": _check_nothing,
}


def _check_regex(value: str) -> None:
    # A first sieve: the data plane's own expressions (PCRE) are checked where they are put to use.
    try:
        re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        raise Invalid(f"'{value}' is not a regular expression: {error}") from None
