"""L7 policies in HAProxy's words: what a listener does with a request by its content (reference, 1.11).

Each rule is an ACL, whose pattern may be changed while HAProxy runs, and each policy one line that asks for all of its
rules. As in Octavia, policies that reject come first, then those that redirect, then those that choose a pool; position
orders each of these groups (reference, 4.4, surprise 6).
"""

import dataclasses
import re
from collections.abc import Callable, Iterable

from lictor.amphora import backend, numbering, tree
from lictor.amphora.emitter import (
    Word,
    cookie_fetch,
    joined,
    keywords,
    line,
    log_format,
    named_fetch,
    number,
    printable,
)
from lictor.model import L7Policy, L7Rule, Listener
from lictor.model.l7rules import comparand, regular_expression
from lictor.wire import Pattern

_GROUPS = {"REJECT": 0, "REDIRECT_TO_URL": 1, "REDIRECT_PREFIX": 1, "REDIRECT_TO_POOL": 2}
_COMPARE = {"EQUAL_TO": "str", "STARTS_WITH": "beg", "ENDS_WITH": "end", "CONTAINS": "sub", "REGEX": "reg"}

_FILE_TYPE = line(
    # What follows the last dot of the last part of the path; unset if there is none.
    keywords("http-request set-var(txn.file_type) path,field(-1,/),field(-1,.) if { path,field(-1,/) -m sub . }")
)

_WITH_PORT = re.compile(r":[0-9]+$")


@dataclasses.dataclass(frozen=True)
class Lines:
    """A frontend's lines: ``answers`` come before what is done to requests that go on, ``routes`` after it."""

    answers: list[str]
    routes: list[str]
    patterns: list[Pattern]


def numbers(listeners: Iterable[Listener]) -> dict[str, int]:
    """An even number for each rule of a load balancer, by which HAProxy knows its pattern; the next one is its too.

    It follows from the rule's id, so that other rules' coming and going does not change it.
    """
    rules = (rule.id for listener in listeners for policy in tree.policies(listener) for rule in tree.rules(policy))
    placed = numbering.distinct(((rule_id, numbering.of(rule_id)) for rule_id in sorted(rules)), _NUMBERS)
    return {rule_id: 2 * place + 2 for rule_id, place in placed.items()}


_NUMBERS = 2**30 - 1


def render(listener: Listener, ids: dict[str, int]) -> Lines:
    """The lines of a listener's policies, with ``ids`` from ``numbers``. Raises ``tree.Unsupported``."""
    policies = sorted(tree.policies(listener), key=lambda policy: _GROUPS[policy.action])
    rules = [rule for policy in policies for rule in tree.rules(policy)]
    patterns = [pattern for rule in rules for pattern in _patterns(rule, ids[rule.id])]
    answers = [_FILE_TYPE] if any(rule.type == "FILE_TYPE" for rule in rules) else []
    answers += [f"    {pattern.line()}" for pattern in patterns]
    answers += [_line(listener, policy, ids) for policy in policies if policy.action != "REDIRECT_TO_POOL"]
    routes = [_line(listener, policy, ids) for policy in policies if policy.action == "REDIRECT_TO_POOL"]
    return Lines(answers, routes, patterns)


# --- policies ---


def _line(listener: Listener, policy: L7Policy, ids: dict[str, int]) -> str:
    asked = [f"{'!' if rule.invert else ''}r{ids[rule.id]}" for rule in tree.rules(policy)]
    return line(_ACTIONS[policy.action](listener, policy), keywords(" ".join(["if", *asked])))


def _reject(_listener: Listener, _policy: L7Policy) -> list[Word]:
    return keywords("http-request deny")


def _redirect(_listener: Listener, policy: L7Policy) -> list[Word]:
    kind, target = ("prefix", policy.redirect_prefix) if policy.redirect_prefix else ("location", policy.redirect_url)
    words = [*keywords(f"http-request redirect {kind}"), log_format(target or "")]
    return [*words, *keywords("code"), number(policy.redirect_http_code or 302)]


def _use_pool(listener: Listener, policy: L7Policy) -> list[Word]:
    pool = tree.redirect_pool(policy)
    return [*keywords("use_backend"), backend.name(pool, listener)] if pool else []


_ACTIONS: dict[str, Callable[[Listener, L7Policy], list[Word]]] = {
    "REJECT": _reject,
    "REDIRECT_TO_URL": _redirect,
    "REDIRECT_PREFIX": _redirect,
    "REDIRECT_TO_POOL": _use_pool,
}


# --- rules ---


def _patterns(rule: L7Rule, rule_number: int) -> list[Pattern]:
    """The patterns of a rule, one of which must match."""
    value, compare = _value(rule), _compare(rule)
    found = []
    for pattern_number, fetch in enumerate(_FETCHES[rule.type](rule, value), rule_number):
        words = joined(keywords(f"acl r{rule_number}"), fetch, compare, keywords(f"-u {pattern_number} --"))
        found.append(Pattern(number=pattern_number, test=words, value=printable(value)))
    return found


def _value(rule: L7Rule) -> str:
    if rule.compare_type == "REGEX":
        return regular_expression(rule.value)
    if rule.type == "SSL_CONN_HAS_CERT":
        return "1"
    if rule.type == "SSL_VERIFY_RESULT":
        return str(min(int(rule.value), 2**31 - 1))
    value = comparand(rule.value)
    return value.lstrip(".") or value if rule.type == "FILE_TYPE" else value


def _compare(rule: L7Rule) -> list[Word]:
    if rule.type in ("SSL_CONN_HAS_CERT", "SSL_VERIFY_RESULT"):
        return keywords("-m int")
    return keywords(f"-m {_COMPARE[rule.compare_type]}" + (" -i" if rule.type == "HOST_NAME" else ""))


def _host(rule: L7Rule, value: str) -> list[Word]:
    """The name without the port that clients add to it, unless the rule asks for one."""
    bare, whole = keywords("req.hdr(host),host_only req.hdr(host)")
    if rule.compare_type == "REGEX":
        return [bare, whole]
    return [whole] if _WITH_PORT.search(value) else [bare]


def _header(rule: L7Rule, value: str) -> list[Word]:
    """One of the values that commas divide, or all of them if the rule's own has a comma."""
    parts, whole = (named_fetch(fetch, rule.key or "") for fetch in ("req.hdr", "req.fhdr"))
    if rule.compare_type == "REGEX":
        return [parts, whole]
    return [whole] if "," in value else [parts]


_FETCHES: dict[str, Callable[[L7Rule, str], list[Word]]] = {
    "HOST_NAME": _host,
    "PATH": lambda _rule, _value: keywords("path"),
    "FILE_TYPE": lambda _rule, _value: keywords("var(txn.file_type)"),
    "HEADER": _header,
    "COOKIE": lambda rule, _value: [cookie_fetch("req.cook", rule.key or "")],
    "SSL_CONN_HAS_CERT": lambda _rule, _value: keywords("ssl_c_used"),
    "SSL_VERIFY_RESULT": lambda _rule, _value: keywords("ssl_c_verify"),
    "SSL_DN_FIELD": lambda rule, _value: [named_fetch("ssl_c_s_dn", rule.key or "")],
}
