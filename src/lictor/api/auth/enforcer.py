"""Decides by the policy rules: their defaults, and what the operator's files say instead.

oslo.policy walks through the rules for some hundred microseconds a decision. The same question has the same answer
until the files change, so answers are kept.
"""

import copy
import functools
import importlib.metadata
import logging
import pathlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from oslo_config import cfg
from oslo_policy import _checks, policy

from lictor import config
from lictor.api.auth.policies import list_rules

LOG = logging.getLogger(__name__)

IS_ADMIN = "context_is_admin"
"""The rule that decides who is an administrator, to which other rules refer as ``is_admin:True``."""

_LOOK_AGAIN = 1.0  # Seconds between looks at the operator's files.
_MOST_DECISIONS = 10_000  # Some megabytes.


class Caller(Protocol):
    """Whom a decision is about. Equal callers may do the same, so it is hashable."""

    @property
    def project_id(self) -> str | None:
        """The project that the caller acts for."""

    @property
    def unlimited(self) -> bool:
        """Whether the caller is an administrator whatever the rules say."""

    def credentials(self) -> dict[str, Any]:
        """What rules can refer to."""


class Policies:
    """The rules that hold now. Files that were changed count within a second or two, without a restart."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        """Raises ``config.Misconfigured`` if the operator's files make no sense."""
        self._conf = conf
        self._lock = threading.Lock()
        self._stamp = _stamp(conf)
        self._rules = _Rules(conf)
        self._due = time.monotonic() + _LOOK_AGAIN

    def allows(self, rule: str, caller: Caller, project_id: str | None) -> bool:
        """Whether a caller may do what the rule names to an object of this project; None: of nobody knows which."""
        if time.monotonic() >= self._due:
            self._look_again()
        return self._rules.decide(rule, caller, project_id)

    def _look_again(self) -> None:
        if not self._lock.acquire(blocking=False):
            return
        try:
            self._due = time.monotonic() + _LOOK_AGAIN
            stamp = _stamp(self._conf)
            if stamp != self._stamp:
                self._stamp = stamp
                self._rules = _Rules(self._conf)
                LOG.info("The policy files were read again.")
        except config.Misconfigured as error:
            LOG.error("The policy rules stay as they were: %s", error)
        finally:
            self._lock.release()


class _Rules:
    """The rules of one moment, and what was decided by them."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._enforcer = enforcer(conf)
        try:
            self._enforcer.load_rules()
        except Exception as error:  # Whatever a YAML parser and oslo.policy may think of.
            text = " ".join(str(error).split())
            raise config.Misconfigured(f"[oslo_policy] policy_file or policy_dirs cannot be used: {text}") from None
        self._enforcer.use_conf = False  # Never again: other threads would meet rules that are half loaded.
        self._decisions: dict[tuple[str, Caller, str | None], bool] = {}
        self._lasting = not _asks_others(self._enforcer)

    def decide(self, rule: str, caller: Caller, project_id: str | None) -> bool:
        key = (rule, caller, project_id)
        known = self._decisions.get(key)
        if known is not None:
            return known
        answer = self._ask(rule, caller, project_id)
        if self._lasting:
            if len(self._decisions) >= _MOST_DECISIONS:
                self._decisions.clear()
            self._decisions[key] = answer
        return answer

    def _ask(self, rule: str, caller: Caller, project_id: str | None) -> bool:
        admin = caller.unlimited or (rule != IS_ADMIN and self.decide(IS_ADMIN, caller, caller.project_id))
        target = {"project_id": project_id or "", "tenant_id": project_id or ""}
        try:
            return bool(self._enforcer.authorize(rule, target, {**caller.credentials(), "is_admin": admin}))
        except policy.PolicyNotRegistered:
            raise LookupError(f"Policy rule {rule} is missing in api/auth/policies.py.") from None
        except Exception:  # A rule may ask a server of the operator's, which may do anything.
            LOG.exception("Policy rule %s cannot be decided, so it refuses", rule)
            return False


@policy.register("is_admin")
class _IsAdmin(policy.Check):
    """``is_admin:True``, however it is spelt."""

    def __call__(self, _target: Any, creds: Any, _enforcer: Any, _current_rule: str | None = None) -> bool:
        return str(creds.get("is_admin", False)).lower() == self.match.lower()


def _asks_others(enforcer: policy.Enforcer) -> bool:
    """Whether any rule asks something that we cannot see, such as a policy server (``http:``)."""
    texts = [str(rule.check) for rule in enforcer.file_rules.values()]
    return any(kind in text for text in texts for kind in _outside_kinds())


@functools.cache
def _outside_kinds() -> list[str]:
    return [f"{each.name}:" for each in _plugins()]


def _plugins() -> Iterable[importlib.metadata.EntryPoint]:
    return importlib.metadata.entry_points(group="oslo.policy.rule_checks")


def _plugin_when_needed(plugin: importlib.metadata.EntryPoint) -> Callable[[str, str], policy.Check]:
    return lambda kind, match: plugin.load()(kind, match)


# oslo.policy loads all of its plug-ins with the first rule, and with them an HTTP client of many megabytes.
_checks.extension_checks = {each.name: _plugin_when_needed(each) for each in _plugins()}


def _stamp(conf: cfg.ConfigOpts) -> tuple[tuple[str, int, int, int], ...]:
    """What changes when the operator's files do."""
    return tuple(_stamps(conf))


def _stamps(conf: cfg.ConfigOpts) -> Iterator[tuple[str, int, int, int]]:
    options = conf.oslo_policy
    for name in (options.policy_file, *options.policy_dirs):
        found = conf.find_file(name)
        if found is None:
            continue
        path = pathlib.Path(found)
        for each in (path, *(sorted(path.iterdir()) if path.is_dir() else ())):
            try:
                status = each.stat()
            except OSError:
                continue
            yield str(each), status.st_mtime_ns, status.st_size, status.st_ino


def enforcer(conf: cfg.ConfigOpts) -> policy.Enforcer:
    """oslo.policy with our rules, and with nothing read yet."""
    made = policy.Enforcer(conf)
    made.suppress_deprecation_warnings = made.suppress_default_change_warnings = True
    # Its own register_defaults() copies every rule to the bottom, which takes longer than all the rest.
    made.registered_rules = {rule.name: copy.copy(rule) for rule in _defaults(bool(conf.oslo_policy.enforce_scope))}
    return made


@functools.cache
def _defaults(scoped: bool) -> list[policy.RuleDefault]:
    rules = list_rules()
    for rule in rules if not scoped else ():
        rule.scope_types = None
    return rules


def cli_enforcer() -> policy.Enforcer:
    """The enforcer of ``oslopolicy-*`` commands: entry point ``oslo.policy.enforcer``."""
    return enforcer(config.load(list(cfg.CONF.config_file or cfg.find_config_files("lictor"))))
