"""Regular expressions of L7 rules, checked by HAProxy itself before they are accepted, where the API's host has it.

HAProxy's are of another kind (PCRE2) than Python's. Where the API runs without HAProxy, the agent of an amphora is the
one who refuses what HAProxy does not take, and the load balancer keeps what it had.
"""

import logging
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping

from lictor.api import errors
from lictor.api.requests.l7 import L7PolicyInGraph, L7RuleInGraph
from lictor.api.requests.listeners import ListenerInGraph
from lictor.model.l7rules import is_text, regular_expression

LOG = logging.getLogger(__name__)

PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin"
"""Where HAProxy is looked for: Debian has it where only root's shell looks."""

_AT_ONCE = 400
"""Expressions given to one HAProxy: all of them are its environment, which has a limit."""

_TOO_LONG = 10.0
"""Seconds that HAProxy may take. One expression takes it 20 ms, its own start included."""

_HEAD = ["defaults", "mode http", "timeout client 1", "timeout server 1", "timeout connect 1", "frontend unused"]
_REFUSAL = re.compile(r"^\[ALERT\].* parsing \[/dev/stdin:([0-9]+)\] : (.*)$", re.MULTILINE)
_REASON = re.compile(r" \(error=(.*?)(, erroffset=[0-9]+)?\)\.$")


def in_listeners(listeners: Iterable[ListenerInGraph]) -> list[L7RuleInGraph]:
    """All L7 rules inside the listeners of a request."""
    return in_policies(policy for listener in listeners for policy in listener.l7policies)


def in_policies(policies: Iterable[L7PolicyInGraph]) -> list[L7RuleInGraph]:
    """All L7 rules inside the L7 policies of a request."""
    return [rule for policy in policies for rule in policy.rules]


def check_rules(rules: Iterable[L7RuleInGraph]) -> None:
    """Raise 400 for the first rule whose expression HAProxy does not take."""
    check(rule.value for rule in rules if rule.compare_type == "REGEX")


def check(values: Iterable[str]) -> None:
    """Raise 400 for the first of these expressions that HAProxy does not take."""
    wanted = [value for value in dict.fromkeys(values) if value and is_text(value)]
    program = shutil.which("haproxy", path=PLACES)
    for start in range(0, len(wanted) if program else 0, _AT_ONCE):
        _check(str(program), wanted[start : start + _AT_ONCE])


def _check(program: str, values: list[str]) -> None:
    words = _ask(program, {f"VALUE{number}": regular_expression(value) for number, value in enumerate(values)})
    for place, why in _refusals(words):
        raise errors.bad_request(f"Error parsing L7Rule: '{values[place]}' is not a regular expression: {why}")


def _ask(program: str, variables: Mapping[str, str]) -> str:
    # What comes from the environment is not parsed as configuration (manual, 2.2 and 2.3).
    lines = [*_HEAD, *(f'acl {name} path -m reg -- "${name}"' for name in variables)]
    try:
        ran = subprocess.run(
            [program, "-c", "-f", "/dev/stdin"],
            input="\n".join([*lines, ""]).encode(),
            env={name: value.encode() for name, value in variables.items()},
            capture_output=True,
            timeout=_TOO_LONG,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        LOG.warning("HAProxy cannot be asked about an expression, amphorae will be: %s", error)
        return ""
    return ran.stderr.decode(errors="replace")


def _refusals(words: str) -> Iterator[tuple[int, str]]:
    for number, sentence in _REFUSAL.findall(words):
        reason = _REASON.search(sentence)
        yield int(number) - len(_HEAD) - 1, reason[1] if reason else sentence
