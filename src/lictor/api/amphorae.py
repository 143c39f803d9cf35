"""Amphorae, for administrators: ``/octavia/amphorae`` (reference, 1.14)."""

from typing import Any

import falcon
from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session

from lictor.api import errors
from lictor.api.auth.context import Context, authorize, context_of
from lictor.api.failover import condemn
from lictor.api.resource import Api, Change, Reader, answer, begin_itself, rule
from lictor.api.views import View, no_more
from lictor.model import Amphora, ListenerStatistics, LoadBalancer
from lictor.model.changes import EXPENDABLE, ask_again
from lictor.model.statuses import AmphoraStatus


def _of_project(value: str) -> ColumnElement[bool]:
    return exists().where(LoadBalancer.id == Amphora.load_balancer_id, LoadBalancer.project_id == value)


_COLUMNS = (
    "id", "compute_id", "lb_network_ip", "vrrp_ip", "ha_ip", "vrrp_port_id", "ha_port_id", "cert_expiration",
    "cert_busy", "role", "status", "vrrp_interface", "vrrp_id", "vrrp_priority", "cached_zone", "created_at",
    "updated_at", "image_id", "compute_flavor",
)  # fmt: skip

AMPHORAE = View(
    model=Amphora,
    single="amphora",
    plural="amphorae",
    title="Amphora",
    rule="amphora",
    columns={name: getattr(Amphora, name) for name in _COLUMNS} | {"loadbalancer_id": Amphora.load_balancer_id},
    finish=no_more,
    filters={"load_balancer_id": lambda value: Amphora.load_balancer_id == value, "project_id": _of_project},
)


class AmphoraCollection(Reader):
    """``/octavia/amphorae``."""

    view = AMPHORAE

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List."""
        self.list(req, resp)


class AmphoraItem(Reader):
    """``/octavia/amphorae/{amphora_id}``."""

    view = AMPHORAE

    def on_get(self, req: falcon.Request, resp: falcon.Response, amphora_id: str) -> None:
        """Show."""
        self.show(req, resp, amphora_id)

    def on_delete(self, req: falcon.Request, resp: falcon.Response, amphora_id: str) -> None:
        """Remove one that is in ERROR. Its load balancer gets another one in its place."""
        amphora_id, context = AMPHORAE.identify(amphora_id), context_of(req)

        def work(session: Session) -> None:
            change, amphora = _begin(self.api, session, context, "delete", amphora_id)
            if amphora.status != AmphoraStatus.ERROR:
                raise errors.conflict(f"Amphora {amphora_id} is {amphora.status}: only one in ERROR can be deleted.")
            condemn(change, amphora_id)
            amphora.status = AmphoraStatus.PENDING_DELETE

        self.api.write(work)
        resp.status = falcon.HTTP_204


class AmphoraFailover(Reader):
    """``/octavia/amphorae/{amphora_id}/failover``."""

    view = AMPHORAE

    def on_put(self, req: falcon.Request, resp: falcon.Response, amphora_id: str) -> None:
        """Replace one amphora; its load balancer is PENDING_UPDATE until that is done."""
        amphora_id, context = AMPHORAE.identify(amphora_id), context_of(req)
        self.api.write(
            lambda session: condemn(_begin(self.api, session, context, "put_failover", amphora_id)[0], amphora_id)
        )
        resp.status = falcon.HTTP_202


class AmphoraConfig(Reader):
    """``/octavia/amphorae/{amphora_id}/config``."""

    view = AMPHORAE

    def on_put(self, req: falcon.Request, resp: falcon.Response, amphora_id: str) -> None:
        """Deliver the agent's settings again, as the configuration has them now; no status changes."""
        amphora_id, context = AMPHORAE.identify(amphora_id), context_of(req)

        def work(session: Session) -> None:
            authorize(context, rule(AMPHORAE, "put_config"), None)
            ask_again(session, str(_find(session, amphora_id).load_balancer_id))

        self.api.write(work)
        resp.status = falcon.HTTP_202


class AmphoraStats(Reader):
    """``/octavia/amphorae/{amphora_id}/stats``."""

    view = AMPHORAE

    def on_get(self, req: falcon.Request, resp: falcon.Response, amphora_id: str) -> None:
        """What the amphora counted, for each listener."""
        amphora_id, context = AMPHORAE.identify(amphora_id), context_of(req)
        authorize(context, rule(AMPHORAE, "get_stats"), None)
        with self.api.store.read() as session:
            _find(session, amphora_id)
            answer(resp, {"amphora_stats": _stats(session, amphora_id)})


def _stats(session: Session, amphora_id: str) -> list[dict[str, Any]]:
    rows = ListenerStatistics
    columns = (
        rows.amphora_id.label("id"), rows.listener_id, rows.load_balancer_id.label("loadbalancer_id"), rows.bytes_in,
        rows.bytes_out, rows.active_connections, rows.total_connections, rows.request_errors,
    )  # fmt: skip
    query = select(*columns).where(rows.amphora_id == amphora_id).order_by(rows.listener_id)
    return [dict(row._mapping) for row in session.execute(query)]


def _find(session: Session, amphora_id: str) -> Amphora:
    amphora = session.get(Amphora, amphora_id, populate_existing=True)
    if amphora is None or amphora.load_balancer_id is None:
        raise AMPHORAE.not_found(amphora_id)
    return amphora


def _begin(api: Api, session: Session, context: Context, action: str, amphora_id: str) -> tuple[Change, Amphora]:
    """Open a write to the load balancer of an amphora. Raises 403, 404 and 409."""
    authorize(context, rule(AMPHORAE, action), None)
    load_balancer_id = str(_find(session, amphora_id).load_balancer_id)
    change = begin_itself(api, session, context, rule(AMPHORAE, action), load_balancer_id, EXPENDABLE)
    # The loop may have replaced it while we waited for the load balancer's row.
    return change, _find(session, amphora_id)
