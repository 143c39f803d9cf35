"""What administrators offer: flavors, availability zones and the profiles behind them, all handled alike.

Each kind of object says in a ``Kind`` what is particular about it; ``Collection`` and ``Item`` do the rest.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import falcon
from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from lictor.api import errors
from lictor.api.auth.context import authorize, context_of
from lictor.api.fields import Wire, changes, given
from lictor.api.resource import Api, Reader, rule
from lictor.api.views import Document, View

Check = Callable[[Api, Session, dict[str, Any], Any], None]
"""Raises 400, 409 and 501 for values that cannot be those of a new row (None) or of the row given."""

Ask = Callable[[Api, dict[str, Any], Any], None]
"""The same for what only other services know: outside the transaction, as they may be slow. Raises 400 and 503 too."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of object. ``used_by`` is the column whose rows stand in the way of its deletion."""

    view: View
    argument: str
    post: type[Wire]
    put: type[Wire]
    used_by: InstrumentedAttribute[Any]
    check: Check
    ask: Ask | None = None

    def is_used(self, session: Session, key: str) -> bool:
        """Whether anything hangs on this object."""
        return session.scalar(select(self.used_by).where(self.used_by == key).limit(1)) is not None

    def in_use(self, key: str) -> Exception:
        """The error for an object that others hang on."""
        return errors.conflict(f"{self.view.title} {key} is in use and cannot be modified.")


class _Catalogue(Reader):
    def __init__(self, api: Api, kind: Kind) -> None:
        super().__init__(api)
        self.kind, self.view = kind, kind.view

    def _authorize(self, req: falcon.Request, action: str) -> None:
        context = context_of(req)
        authorize(context, rule(self.view, action), context.project_id)


class Collection(_Catalogue):
    """All objects of one kind."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List."""
        self.list(req, resp)

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Create."""
        self._authorize(req, "post")
        values = given(self.api.parse(req, self.kind.argument, self.view.single, self.kind.post))
        if self.kind.ask:
            self.kind.ask(self.api, values, None)

        def work(session: Session) -> Document:
            self.kind.check(self.api, session, values, None)
            row = self.view.model(**values)
            session.add(row)
            session.flush()
            return self.view.show(session, getattr(row, self.view.key))

        self.respond(resp, self.api.write(work), falcon.HTTP_201)


class Item(_Catalogue):
    """One object."""

    def on_get(self, req: falcon.Request, resp: falcon.Response, key: str) -> None:
        """Show."""
        self.show(req, resp, key)

    def on_put(self, req: falcon.Request, resp: falcon.Response, key: str) -> None:
        """Change."""
        self._authorize(req, "put")
        key = self.view.identify(key)
        wanted = self.api.parse(req, self.kind.argument, self.view.single, self.kind.put)
        values = changes(wanted, self.kind.post, {})
        before = self._ask(key, values)

        def work(session: Session) -> Document:
            row = self._find(session, key)
            if before not in (None, _columns(row)):
                raise errors.other_change()
            self.kind.check(self.api, session, values, row)
            for name, value in values.items():
                setattr(row, name, value)
            session.flush()
            return self.view.show(session, key)

        self.respond(resp, self.api.write(work))

    def on_delete(self, req: falcon.Request, resp: falcon.Response, key: str) -> None:
        """Delete, unless something hangs on it."""
        self._authorize(req, "delete")
        key = self.view.identify(key)

        def work(session: Session) -> None:
            row = self._find(session, key)
            if self.kind.is_used(session, key):
                raise self.kind.in_use(key)
            session.delete(row)

        self.api.write(work)
        resp.status = falcon.HTTP_204

    def _ask(self, key: str, values: dict[str, Any]) -> dict[str, Any] | None:
        """Ask other services what they know of these values; what the row was then, if they were asked."""
        if not self.kind.ask:
            return None
        with self.api.store.read() as session:
            row = self._find(session, key)
            self.kind.check(self.api, session, values, row)
        self.kind.ask(self.api, values, row)
        return _columns(row)

    def _find(self, session: Session, key: str) -> Any:
        row = session.get(self.view.model, key)
        if row is None:
            raise self.view.not_found(key)
        return row


def _columns(row: Any) -> dict[str, Any]:
    return {each.key: getattr(row, each.key) for each in row.__table__.columns}


def check_offer(view: View, profiles: View) -> Check:
    """What is checked of flavors and availability zones: their names are unique, and their profiles there."""
    column = f"{profiles.model.__tablename__}_id"

    def check(_api: Api, session: Session, values: dict[str, Any], row: Any) -> None:
        if row is None or row.name != values.get("name", row.name):
            _check_name(session, view, values["name"])
        if column in values and session.get(profiles.model, values[column]) is None:
            raise errors.invalid_subresource(profiles.title, values[column])

    return check


def _check_name(session: Session, view: View, name: str) -> None:
    if session.scalar(select(view.model.name).where(view.model.name == name)) is not None:
        raise errors.conflict(f"A {view.model.__tablename__.replace('_', ' ')} of {name} already exists.")
