"""What happened to a load balancer: ``/loadbalancers/{id}/events``. Lictor's own: Octavia writes it to a log."""

import falcon
from sqlalchemy import select
from sqlalchemy.orm import Session

from lictor.api import listing
from lictor.api.auth.context import authorize, context_of
from lictor.api.links import base_uri
from lictor.api.resource import Reader, answer, rule
from lictor.api.views import LOAD_BALANCERS, View, no_more
from lictor.model import Event, LoadBalancer

EVENTS = View(
    model=Event,
    single="event",
    plural="events",
    title="Event",
    rule="loadbalancer",
    columns={
        "id": Event.id,
        "loadbalancer_id": Event.load_balancer_id,
        "project_id": Event.project_id,
        "amphora_id": Event.amphora_id,
        "created_at": Event.created_at,
        "generation": Event.generation,
        "kind": Event.kind,
        "message": Event.message,
        "attempts": Event.attempts,
        "next_try_at": Event.next_try_at,
    },
    finish=no_more,
    newest_first=True,
)


class LoadBalancerEvents(Reader):
    """``/loadbalancers/{load_balancer_id}/events``."""

    view = EVENTS

    def on_get(self, req: falcon.Request, resp: falcon.Response, load_balancer_id: str) -> None:
        """List, the newest first; also those of a load balancer that is gone, for as long as they are kept."""
        load_balancer_id = LOAD_BALANCERS.identify(load_balancer_id)
        page = listing.parse(req, EVENTS, self.api.conf.api_settings)
        page.visible.append(Event.load_balancer_id == load_balancer_id)
        with self.api.store.read() as session:
            authorize(context_of(req), rule(EVENTS, "get_events"), _project(session, load_balancer_id))
            answer(resp, listing.fetch(req, session, EVENTS, page, base_uri(req, self.api.conf)))


def _project(session: Session, load_balancer_id: str) -> str | None:
    """The project whose events these are, None if nobody noted it. Raises 404 if nothing is known of this id."""
    present = select(LoadBalancer.project_id).where(LoadBalancer.id == load_balancer_id)
    past = select(Event.project_id).where(Event.load_balancer_id == load_balancer_id).order_by(Event.id.desc())
    for query in (present, past.limit(1)):
        for project_id in session.scalars(query):
            return project_id
    raise LOAD_BALANCERS.not_found(load_balancer_id)
