"""Quotas: ``/quotas`` (reference, 1.12)."""

import dataclasses
import functools

import falcon
from sqlalchemy import or_
from sqlalchemy.orm import Session

from lictor.api import errors, limits
from lictor.api.auth.context import PROJECT, authorize, context_of
from lictor.api.fields import given
from lictor.api.requests.quotas import QuotaPut
from lictor.api.resource import Api, Reader, answer, rule
from lictor.api.views import QUOTAS, Document, Hangers
from lictor.model import Quota, quotas

_TWINS = {"loadbalancer": "load_balancer", "healthmonitor": "health_monitor"}
"""Octavia once misspelled two names, accepts both spellings ever since, and shows both."""

_DEFAULTS = "defaults"
"""No project's id: what the stock client asks for to see the defaults."""

_OWN = or_(*(getattr(Quota, name).is_not(None) for name in quotas.LIMITED))
"""Of the rows that only serve as a lock, users need not know."""


def _shown(found: quotas.Limits) -> Document:
    return found | {twin: found[name] for name, twin in _TWINS.items()}


def _finish(defaults: quotas.Limits, document: Document, _hanging: Hangers) -> None:
    own = {name: document[name] for name in quotas.LIMITED if document[name] is not None}
    document.update(_shown(defaults | own))


class QuotaCollection(Reader):
    """``/quotas``: the projects that have limits of their own."""

    view = QUOTAS

    def __init__(self, api: Api) -> None:
        super().__init__(api)
        self.view = dataclasses.replace(QUOTAS, finish=functools.partial(_finish, limits.defaults(api.conf)))

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List."""
        self.list(req, resp, _OWN)


class QuotaItem:
    """``/quotas/{project_id}``."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def on_get(self, req: falcon.Request, resp: falcon.Response, project_id: str) -> None:
        """Show what a project may have; of a project that nobody set limits for, the defaults."""
        context, preset = context_of(req), limits.defaults(self.api.conf)
        if project_id == _DEFAULTS:
            authorize(context, rule(QUOTAS, "get_defaults"), context.project_id)
        else:
            authorize(context, rule(QUOTAS, "get_one"), project_id)
        with self.api.store.read() as session:
            found = quotas.limits(session, project_id, preset) if PROJECT.fullmatch(project_id) else preset
        answer(resp, {"quota": _shown(found)})

    def on_put(self, req: falcon.Request, resp: falcon.Response, project_id: str) -> None:
        """Set limits; null sets one back to the default."""
        authorize(context_of(req), rule(QUOTAS, "put"), project_id)
        if project_id == _DEFAULTS or not PROJECT.fullmatch(project_id):
            raise errors.invalid_field("project_id", project_id, "the id of a project")
        values = _values(self.api.parse(req, "quotas", "quota", QuotaPut))

        def work(session: Session) -> quotas.Limits:
            quotas.hold(session, project_id)
            row = session.get_one(Quota, project_id, populate_existing=True)
            for name, value in values.items():
                setattr(row, name, value)
            session.flush()
            return quotas.limits(session, project_id, limits.defaults(self.api.conf))

        answer(resp, {"quota": _shown(self.api.write(work))}, falcon.HTTP_202)

    def on_delete(self, req: falcon.Request, resp: falcon.Response, project_id: str) -> None:
        """Set all limits of a project back to the defaults."""
        authorize(context_of(req), rule(QUOTAS, "delete"), project_id)

        def work(session: Session) -> None:
            row = session.get(Quota, project_id) if PROJECT.fullmatch(project_id) else None
            if row is None or all(getattr(row, name) is None for name in quotas.LIMITED):
                raise errors.not_found(QUOTAS.title, project_id)
            for name in quotas.LIMITED:
                setattr(row, name, None)

        self.api.write(work)
        resp.status = falcon.HTTP_202


def _values(wanted: QuotaPut) -> dict[str, int | None]:
    """The limits that a request sets, by their right names. Raises 400 if the two spellings of one differ."""
    values = given(wanted)
    for name, twin in _TWINS.items():
        if twin in values:
            value = values.pop(twin)
            if values.setdefault(name, value) != value:
                raise errors.validation(f"{name} and {twin} are one limit: give one of them, or the same for both.")
    return values


class QuotaDefaults:
    """``/quotas/{project_id}/default``."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def on_get(self, req: falcon.Request, resp: falcon.Response, project_id: str) -> None:
        """Show what projects may have that nobody set limits for."""
        authorize(context_of(req), rule(QUOTAS, "get_defaults"), project_id)
        answer(resp, {"quota": _shown(limits.defaults(self.api.conf))})
