"""What all resources have in common: the pieces they work with, reading, and the frame of every write.

A write is one transaction: ``begin`` raises the load balancer's generation and holds its row, then come the checks,
then the rows. The transaction may be run again when it lost a race, so nothing in it acts on the world.
"""

import dataclasses
import datetime
from collections.abc import Callable, Collection
from typing import Any, TypeVar

import falcon
import msgspec
from oslo_config import cfg
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from lictor.api import body, errors, limits, listing
from lictor.api.auth.context import Context, authorize, context_of
from lictor.api.fields import Wire
from lictor.api.links import base_uri
from lictor.api.views import LOAD_BALANCERS, Document, View
from lictor.drivers.inventory import Inventory
from lictor.drivers.network.base import Networking
from lictor.drivers.secrets.base import Secrets
from lictor.model import Child, LoadBalancer, Pool, changes, new_id, now
from lictor.model.queries import replace_tags, users
from lictor.model.statuses import Provisioning
from lictor.model.store import Store

T = TypeVar("T")
W = TypeVar("W", bound=Wire)
C = TypeVar("C", bound=Child)


@dataclasses.dataclass(frozen=True)
class Api:
    """What every resource works with."""

    conf: cfg.ConfigOpts
    store: Store
    networking: Networking
    secrets: Secrets
    wake: Callable[[], None]
    inventory: Inventory

    @property
    def body_limit(self) -> int:
        """The longest body that is read, in bytes."""
        return int(self.conf.api_settings.max_request_body_size)

    def parse(self, req: falcon.Request, argument: str, root: str, wanted: type[W]) -> W:
        """The object in the body of a request. Raises 400 and 413."""
        return body.parse(req, self.body_limit, argument, root, wanted)

    def write(self, work: Callable[[Session], T]) -> T:
        """Run a transaction within the quotas of its projects, and tell the loop once it is committed."""

        def whole(session: Session) -> T:
            result = work(session)
            limits.enforce(self.conf, session)
            return result

        result = self.store.write(whole)
        self.wake()
        return result


@dataclasses.dataclass(frozen=True)
class Change:
    """A write below one load balancer, whose row it holds; ``load_balancer_is_new`` if it made that itself.

    ``made`` are the rows that it added.
    """

    api: Api
    session: Session
    load_balancer: LoadBalancer
    load_balancer_is_new: bool = False
    made: list[Child] = dataclasses.field(default_factory=list)

    def find(self, view: View, model: type[C], resource_id: str) -> C:
        """A row of this load balancer that is to be changed. Raises 404, and 409 if it is being deleted."""
        row = self.session.get(model, resource_id, populate_existing=True)
        if row is None or row.load_balancer_id != self.load_balancer.id:
            raise view.not_found(resource_id)
        if row.provisioning_status == Provisioning.PENDING_DELETE:
            raise view.immutable(resource_id)
        return row

    def add(self, row: Child, tags: list[str]) -> None:
        """Create a row: it belongs to the load balancer, and to its project. It has its id at once."""
        row.id, row.project_id = new_id(), self.load_balancer.project_id
        changes.mark_created(self.load_balancer, row)
        self.session.add(row)
        limits.grow(self.session, row.project_id, type(row))
        self.made.append(row)
        if tags:
            self.tag(row.id, tags)

    def add_all(self, model: type[Child], rows: list[dict[str, Any]], tags: list[list[str]]) -> None:
        """Create many rows that nobody needs as objects, with one statement; ``tags`` are those of each."""
        if not rows:
            return
        self.session.flush()  # What they hang on is written first.
        common = {"project_id": self.load_balancer.project_id, **changes.created(self.load_balancer)}
        created_at = now()
        for number, row in enumerate(rows):
            # Lists are in the order of creation, which is that of the request.
            row.update(common, id=new_id(), created_at=created_at + datetime.timedelta(microseconds=number))
        # Each value costs time in the driver, so those that nobody gave are left to the database.
        given = {name for row in rows for name, value in row.items() if value is not None}
        self.session.execute(insert(model), [{name: row.get(name) for name in given} for row in rows])
        limits.grow(self.session, self.load_balancer.project_id, model, len(rows))
        for row, words in zip(rows, tags, strict=True):
            if words:
                self.tag(row["id"], words)

    def update(self, row: Child, values: dict[str, Any]) -> None:
        """Change columns of a row, and its tags if they are among ``values``."""
        tags = values.pop("tags", None)
        for name, value in values.items():
            setattr(row, name, value)
        changes.mark_updated(self.load_balancer, row)
        if tags is not None:
            self.tag(row.id, tags)

    def tag(self, resource_id: str, tags: list[str]) -> None:
        """Make these the tags of an object."""
        replace_tags(self.session, self.load_balancer.id, resource_id, tags)

    def touch_users(self, pool: Pool) -> None:
        """A pool changed, or something below it: that is a change to its listeners too (reference, 3.2)."""
        changes.mark_updated(self.load_balancer, pool, *users(self.session, pool))

    def check_project(self, project_id: str | None) -> None:
        """Children belong to the project of their load balancer. Raises 400 if a request says otherwise."""
        if project_id not in (None, self.load_balancer.project_id):
            raise errors.validation(
                f"project_id '{project_id}' is not that of the load balancer, which is "
                f"'{self.load_balancer.project_id}': leave it out."
            )


def begin(api: Api, session: Session, context: Context, rule: str, load_balancer_id: str) -> Change:
    """Open a write below a load balancer. Raises 403, 404, and ``Immutable`` (409) if its status does not allow it."""
    return _open(api, session, context, rule, load_balancer_id, changes.MUTABLE)


def begin_itself(
    api: Api,
    session: Session,
    context: Context,
    rule: str,
    load_balancer_id: str,
    strictly: Collection[str] = changes.MUTABLE,
) -> Change:
    """Open a write to a load balancer itself. Raises 403, 404 and 409 (reference, 1.4).

    ``strictly`` are the statuses that allow this write where ``strict_immutability`` is set.
    """
    try:
        return _open(api, session, context, rule, load_balancer_id, strictly)
    except changes.Immutable as refused:
        raise errors.invalid_state(refused.status, load_balancer_id) from None


def _open(
    api: Api, session: Session, context: Context, rule: str, load_balancer_id: str, strictly: Collection[str]
) -> Change:
    allowed = strictly if api.conf.api_settings.strict_immutability else changes.WRITABLE
    try:
        load_balancer = changes.begin(session, load_balancer_id, allowed)
    except changes.Immutable as refused:
        # Whoever may not write is not told the status either.
        authorize(context, rule, refused.project_id)
        raise
    if load_balancer is None:
        raise LOAD_BALANCERS.not_found(load_balancer_id)
    authorize(context, rule, load_balancer.project_id)
    return Change(api, session, load_balancer)


def begin_at(
    api: Api, session: Session, context: Context, rule: str, view: View, model: type[C], resource_id: str
) -> tuple[Change, C]:
    """Open a write at a row below a load balancer. Raises 403, 404, and 409 if either is being deleted."""
    load_balancer_id = session.scalar(select(model.load_balancer_id).where(model.id == resource_id))
    if load_balancer_id is None:
        raise view.not_found(resource_id)
    change = begin(api, session, context, rule, load_balancer_id)
    return change, change.find(view, model, resource_id)


def owner_below(api: Api, context: Context, rule: str, load_balancer_id: str | None) -> str | None:
    """Whose project a write below a load balancer is in, for those who may write: 403 comes before all that others say.

    None if there is no such load balancer, which the write finds out later.
    """
    with api.store.read() as session:
        project_id = session.scalar(select(LoadBalancer.project_id).where(LoadBalancer.id == load_balancer_id))
    if project_id is not None:
        authorize(context, rule, project_id)
    return project_id


def rule(view: View, action: str) -> str:
    """The name of a policy rule (reference, 2.3)."""
    return f"os_load-balancer_api:{view.rule}:{action}"


def answer(resp: falcon.Response, document: Any, status: str = falcon.HTTP_200) -> None:
    """Send a document."""
    resp.status = status
    resp.content_type = falcon.MEDIA_JSON
    resp.data = msgspec.json.encode(document)


class Reader:
    """Lists and shows the objects of one view."""

    view: View

    def __init__(self, api: Api) -> None:
        self.api = api

    def list(self, req: falcon.Request, resp: falcon.Response, *conditions: Any, project_id: str | None = None) -> None:
        """Answer with a page of the rows under ``conditions``. Raises 403.

        ``project_id`` is that of the parent, for what hangs below one; everything else is listed across parents.
        """
        page = listing.parse(req, self.view, self.api.conf.api_settings)
        page.visible.extend([*_allowed(req, self.view, project_id), *conditions])
        with self.api.store.look() as connection:
            answer(resp, listing.fetch(req, connection, self.view, page, base_uri(req, self.api.conf)))

    def show(self, req: falcon.Request, resp: falcon.Response, resource_id: str) -> None:
        """Answer with one row. Raises 404 and 403."""
        context = context_of(req)
        with self.api.store.look() as connection:
            document = self.view.show(connection, self.view.identify(resource_id))
        authorize(context, rule(self.view, "get_one"), document.get("project_id", context.project_id))
        fields = listing.fields_of(req, self.api.conf.api_settings)
        answer(resp, {self.view.single: listing.select_fields(document, fields)})

    def respond(self, resp: falcon.Response, document: Document, status: str = falcon.HTTP_200) -> None:
        """Answer with a document that a write returned."""
        answer(resp, {self.view.single: document}, status)


def _allowed(req: falcon.Request, view: View, project_id: str | None) -> list[Any]:
    """The conditions under which the caller may see rows. Raises 403."""
    context = context_of(req)
    if view.owned and project_id is None:
        return listing.scope(context, rule(view, "get_all-global"), req, view)
    authorize(context, rule(view, "get_all"), project_id or context.project_id)
    return []
