"""L7 policies: ``/l7policies`` (reference, 1.11)."""

from collections.abc import Mapping, Sequence
from typing import Any

import falcon
from sqlalchemy import select
from sqlalchemy.orm import Session

from lictor.api import certificates, errors, expressions, l7rules, members, nested, pools, supported
from lictor.api.auth.context import context_of
from lictor.api.fields import changes
from lictor.api.item import Item
from lictor.api.requests.l7 import L7PolicyInGraph, L7PolicyPost, L7PolicyPut
from lictor.api.resource import Change, Reader, begin_at, rule
from lictor.api.views import L7POLICIES, LISTENERS, POOLS, Document
from lictor.model import L7Policy, Listener, Pool
from lictor.model.changes import mark_deleted, mark_updated
from lictor.model.l7rules import Invalid, implied_action, place, redirection
from lictor.model.rules import HTTP_LISTENERS
from lictor.model.statuses import Provisioning

_COLUMNS = ("name", "description", "admin_state_up")
_REDIRECTION = ("redirect_url", "redirect_prefix", "redirect_pool_id", "redirect_http_code")
_REDIRECTS_TO_POOL = "REDIRECT_TO_POOL"


def create(
    change: Change, listener: Listener, wanted: Sequence[L7PolicyInGraph], named: nested.Pools
) -> list[L7Policy]:
    """Add policies with their rules to a listener. Raises 400, 404, 409 and 501."""
    added = [_new(change, listener, each, named) for each in wanted]
    order = _present(change, listener.id)
    for policy, each in zip(added, wanted, strict=True):
        place(order, policy, each.position)
    _number(order)
    for policy, each in zip(added, wanted, strict=True):
        change.add(policy, each.tags)
        l7rules.create(change, policy, each.rules)
    return added


def _new(change: Change, listener: Listener, wanted: L7PolicyInGraph, named: nested.Pools) -> L7Policy:
    change.check_project(wanted.project_id)
    if listener.protocol == "PROMETHEUS":
        raise errors.no_children(listener.protocol)
    if listener.protocol not in HTTP_LISTENERS and supported.data_plane(change.api.conf):
        raise errors.not_implemented(
            f"Provider 'amphora' does not support L7 policies on listeners of protocol {listener.protocol}, "
            f"only on those of {' and '.join(sorted(HTTP_LISTENERS))}."
        )
    pool = _pool(change, listener, wanted, named)
    asked = {name: getattr(wanted, name) for name in _REDIRECTION} | {"redirect_pool_id": pool.id if pool else None}
    values = {name: getattr(wanted, name) for name in _COLUMNS} | _redirection(wanted.action, asked)
    return L7Policy(listener_id=listener.id, **values)


def _pool(change: Change, listener: Listener, wanted: L7PolicyInGraph, named: nested.Pools) -> Pool | None:
    """The pool that a new policy sends requests to, if its action is that."""
    if wanted.redirect_pool is not None:
        if wanted.redirect_pool_id is not None:
            raise _invalid("a policy has redirect_pool or redirect_pool_id, not both")
        if wanted.action != _REDIRECTS_TO_POOL:
            raise _invalid(f"redirect_pool is for action {_REDIRECTS_TO_POOL}, not {wanted.action}")
        pool = named.find(wanted.redirect_pool)
    elif wanted.action == _REDIRECTS_TO_POOL and wanted.redirect_pool_id is not None:
        pool = change.find(POOLS, Pool, wanted.redirect_pool_id)
    else:
        return None
    pools.check_fit(change, listener, pool)
    return pool


def _redirection(action: str, values: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {"action": action} | redirection(action, values)
    except Invalid as error:
        raise _invalid(str(error)) from None


def _invalid(detail: str) -> Exception:
    return errors.bad_request(f"Invalid L7 Policy arguments: {detail}.")


def _present(change: Change, listener_id: str) -> list[L7Policy]:
    mine = select(L7Policy).where(L7Policy.listener_id == listener_id)
    there = mine.where(L7Policy.provisioning_status != Provisioning.PENDING_DELETE)
    return list(change.session.scalars(there.order_by(L7Policy.position, L7Policy.created_at)))


def _number(policies: list[L7Policy]) -> None:
    for position, policy in enumerate(policies, 1):
        policy.position = position


class PolicyCollection(Reader):
    """``/l7policies``."""

    view = L7POLICIES

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List; by age unless asked otherwise, as everything."""
        self.list(req, resp)

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Create, with rules and the pool to redirect to if the request holds them."""
        context = context_of(req)
        wanted = self.api.parse(req, "l7policy_", "l7policy", L7PolicyPost)
        definitions = nested.in_policy(wanted)
        action, parent = rule(L7POLICIES, "post"), self._load_balancer_of(wanted)
        members.check_outside_below(self.api, context, action, parent, nested.members_of(definitions))
        expressions.check_rules(wanted.rules)
        certificates.check_new_below(self.api, context, action, parent, wanted)

        def work(session: Session) -> Document:
            change, listener = begin_at(self.api, session, context, action, LISTENERS, Listener, wanted.listener_id)
            (policy,) = create(change, listener, [wanted], nested.Pools(change, definitions))
            mark_updated(change.load_balancer, listener)
            session.flush()
            return L7POLICIES.show(session, policy.id)

        self.respond(resp, self.api.write(work), falcon.HTTP_201)

    def _load_balancer_of(self, wanted: L7PolicyPost) -> str | None:
        if wanted.redirect_pool is None:
            return None
        with self.api.store.read() as session:
            return session.scalar(select(Listener.load_balancer_id).where(Listener.id == wanted.listener_id))


class PolicyItem(Item):
    """``/l7policies/{l7policy_id}``."""

    view = L7POLICIES

    def on_get(self, req: falcon.Request, resp: falcon.Response, l7policy_id: str) -> None:
        """Show."""
        self.show(req, resp, l7policy_id)

    def on_put(self, req: falcon.Request, resp: falcon.Response, l7policy_id: str) -> None:
        """Change; position null moves it to the end."""
        l7policy_id = L7POLICIES.identify(l7policy_id)
        values = changes(self.api.parse(req, "l7policy_", "l7policy", L7PolicyPut), L7PolicyPost, {})

        def work(change: Change, policy: L7Policy) -> None:
            _update(change, policy, dict(values))
            mark_updated(change.load_balancer, policy.listener)

        self.alter(req, resp, l7policy_id, work)

    def on_delete(self, req: falcon.Request, resp: falcon.Response, l7policy_id: str) -> None:
        """Delete, with its rules; the pool stays."""
        self.remove(req, resp, L7POLICIES.identify(l7policy_id), _delete)


def _delete(change: Change, policy: L7Policy) -> None:
    mark_deleted(change.load_balancer, policy, *policy.rules)
    mark_updated(change.load_balancer, policy.listener)
    _number(_present(change, policy.listener_id))


def _update(change: Change, policy: L7Policy, values: dict[str, Any]) -> None:
    named = {name: value for name, value in values.items() if name in _REDIRECTION}
    try:
        action = values.get("action") or implied_action(policy.action, named)
    except Invalid as error:
        raise _invalid(str(error)) from None
    redirects = _redirection(action, {name: getattr(policy, name) for name in _REDIRECTION} | named)
    if named.get("redirect_pool_id") and redirects["redirect_pool_id"]:
        pools.check_fit(change, policy.listener, change.find(POOLS, Pool, redirects["redirect_pool_id"]))
    if "position" in values:
        order = [other for other in _present(change, policy.listener_id) if other is not policy]
        place(order, policy, values.pop("position"))
        _number(order)
    change.update(policy, values | redirects)
