"""L7 rules: ``/l7policies/{l7policy}/rules`` (reference, 1.11)."""

from collections.abc import Mapping, Sequence
from typing import Any

import falcon
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lictor.api import errors, expressions
from lictor.api.auth.context import context_of
from lictor.api.fields import changes
from lictor.api.item import Item
from lictor.api.requests.l7 import L7RuleInGraph, L7RulePost, L7RulePut
from lictor.api.resource import Change, Reader, begin_at, rule
from lictor.api.views import L7POLICIES, L7RULES, Document
from lictor.model import L7Policy, L7Rule
from lictor.model.changes import mark_deleted, mark_updated
from lictor.model.l7rules import MOST_RULES, WITH_KEY, Invalid, check_rule
from lictor.model.statuses import Provisioning

_COLUMNS = ("type", "compare_type", "key", "value", "invert", "admin_state_up")
_COMPARED = ("type", "compare_type", "key", "value")


def create(change: Change, policy: L7Policy, wanted: Sequence[L7RuleInGraph], there: int = 0) -> list[L7Rule]:
    """Add rules to a policy that has ``there`` of them already. Raises 400 and 409."""
    if there + len(wanted) > MOST_RULES:
        raise errors.conflict(f"Too many rules on L7 policy {policy.id}: it can have {MOST_RULES}.")
    return [_add(change, policy, each) for each in wanted]


def _count(session: Session, l7policy_id: str) -> int:
    mine = select(func.count()).where(L7Rule.l7policy_id == l7policy_id)
    return session.scalar(mine.where(L7Rule.provisioning_status != Provisioning.PENDING_DELETE)) or 0


def _add(change: Change, policy: L7Policy, wanted: L7RuleInGraph) -> L7Rule:
    change.check_project(wanted.project_id)
    values = {name: getattr(wanted, name) for name in _COLUMNS}
    _check(values)
    added = L7Rule(l7policy_id=policy.id, **values)
    change.add(added, wanted.tags)
    return added


def _update(changed: L7Rule, values: dict[str, Any]) -> dict[str, Any]:
    """The columns to change; a key that the new type has no use for goes."""
    if values.get("type", changed.type) not in WITH_KEY:
        values = {"key": None} | values
    _check({name: getattr(changed, name) for name in _COMPARED} | values)
    return dict(values)


def _check(values: dict[str, Any]) -> None:
    try:
        check_rule(values["type"], values["compare_type"], values["key"], values["value"])
    except Invalid as error:
        raise errors.bad_request(f"Error parsing L7Rule: {error}") from None


def _touch(change: Change, policy: L7Policy) -> None:
    """A change to a rule is one to its policy and its listener too (reference, 3.2)."""
    mark_updated(change.load_balancer, policy, policy.listener)


class RuleCollection(Reader):
    """``/l7policies/{l7policy_id}/rules``."""

    view = L7RULES

    def on_get(self, req: falcon.Request, resp: falcon.Response, l7policy_id: str) -> None:
        """List."""
        l7policy_id = L7POLICIES.identify(l7policy_id)
        with self.api.store.look() as connection:
            project_id = L7POLICIES.project(connection, l7policy_id)
        self.list(req, resp, L7Rule.l7policy_id == l7policy_id, project_id=project_id)

    def on_post(self, req: falcon.Request, resp: falcon.Response, l7policy_id: str) -> None:
        """Create."""
        l7policy_id, context = L7POLICIES.identify(l7policy_id), context_of(req)
        wanted = self.api.parse(req, "rule_", "rule", L7RulePost)
        expressions.check_rules([wanted])

        def work(session: Session) -> Document:
            change, policy = begin_at(
                self.api, session, context, rule(L7RULES, "post"), L7POLICIES, L7Policy, l7policy_id
            )
            (added,) = create(change, policy, [wanted], _count(session, l7policy_id))
            _touch(change, policy)
            session.flush()
            return L7RULES.show(session, added.id)

        self.respond(resp, self.api.write(work), falcon.HTTP_201)


class RuleItem(Item):
    """``/l7policies/{l7policy_id}/rules/{rule_id}``."""

    view = L7RULES

    def on_get(self, req: falcon.Request, resp: falcon.Response, l7policy_id: str, rule_id: str) -> None:
        """Show."""
        self.identify_below(L7Rule.l7policy_id, L7POLICIES, l7policy_id, rule_id)
        self.show(req, resp, rule_id)

    def on_put(self, req: falcon.Request, resp: falcon.Response, l7policy_id: str, rule_id: str) -> None:
        """Change."""
        rule_id = self.identify_below(L7Rule.l7policy_id, L7POLICIES, l7policy_id, rule_id)
        values = changes(self.api.parse(req, "l7rule_", "rule", L7RulePut), L7RulePost, {})
        self._check_expression(rule_id, values)

        def work(change: Change, changed: L7Rule) -> None:
            change.update(changed, _update(changed, values))
            _touch(change, changed.l7policy)

        self.alter(req, resp, rule_id, work)

    def on_delete(self, req: falcon.Request, resp: falcon.Response, l7policy_id: str, rule_id: str) -> None:
        """Delete."""
        self.remove(req, resp, self.identify_below(L7Rule.l7policy_id, L7POLICIES, l7policy_id, rule_id), _delete)

    def _check_expression(self, rule_id: str, values: Mapping[str, Any]) -> None:
        if not {"value", "compare_type"} & values.keys():
            return
        with self.api.store.read() as session:
            row = session.execute(select(L7Rule.value, L7Rule.compare_type).where(L7Rule.id == rule_id)).first()
        after = (row._asdict() if row else {}) | dict(values)
        if after.get("compare_type") == "REGEX":
            expressions.check([str(after.get("value", ""))])


def _delete(change: Change, gone: L7Rule) -> None:
    mark_deleted(change.load_balancer, gone)
    _touch(change, gone.l7policy)
