"""One row below a load balancer: the frame in which every kind of it is changed and deleted."""

from collections.abc import Callable
from typing import Any

import falcon
from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from lictor.api.auth.context import context_of
from lictor.api.resource import Change, Reader, begin_at, rule
from lictor.api.views import Document, View

Work = Callable[[Change, Any], None]
"""What is done to the row in the transaction, which may be run again: its only effects are on rows."""


class Item(Reader):
    """Answers for single rows of its view."""

    def alter(self, req: falcon.Request, resp: falcon.Response, resource_id: str, work: Work) -> None:
        """Change the row, and answer with it. Raises 403, 404 and 409."""
        context = context_of(req)

        def whole(session: Session) -> Document:
            work(*begin_at(self.api, session, context, rule(self.view, "put"), self.view, self.view.model, resource_id))
            session.flush()
            return self.view.show(session, resource_id)

        self.respond(resp, self.api.write(whole))

    def remove(self, req: falcon.Request, resp: falcon.Response, resource_id: str, work: Work) -> None:
        """Have the row deleted, which ``work`` marks. Raises 403, 404 and 409."""
        context, action, model = context_of(req), rule(self.view, "delete"), self.view.model
        self.api.write(
            lambda session: work(*begin_at(self.api, session, context, action, self.view, model, resource_id))
        )
        resp.status = falcon.HTTP_204

    def identify_below(self, column: InstrumentedAttribute[str], parents: View, parent_id: str, row_id: str) -> str:
        """The id of a row in a path that names its parent, which ``column`` refers to. Raises 404."""
        parent_id, row_id = parents.identify(parent_id), self.view.identify(row_id)
        with self.api.store.look() as connection:
            found = connection.scalar(select(column).where(self.view.model.id == row_id))
        if found != parent_id:
            raise self.view.not_found(row_id)
        return row_id
