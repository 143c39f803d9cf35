"""Load balancers: ``/loadbalancers`` (reference, 1.6)."""

import functools
from collections.abc import Mapping
from typing import Any

import falcon
from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from lictor.api import certificates, errors, expressions, graph, limits, members, status, supported, vips
from lictor.api.auth.context import Context, authorize, context_of, may_use, owner
from lictor.api.choices import Choice, choose
from lictor.api.fields import boolean, changes, given
from lictor.api.requests.loadbalancers import LoadBalancerPost, LoadBalancerPut
from lictor.api.resource import Api, Change, Reader, answer, begin_itself, rule
from lictor.api.views import LOAD_BALANCERS, Document
from lictor.model import (
    CHILDREN,
    Amphora,
    Child,
    GivenPort,
    Listener,
    ListenerStatistics,
    LoadBalancer,
    Pool,
    new_id,
    trail,
)
from lictor.model.amphora import new_amphora
from lictor.model.changes import EXPENDABLE
from lictor.model.offers import amphora_columns
from lictor.model.queries import replace_tags, statistics
from lictor.model.statuses import ROLES, Provisioning

_COLUMNS = ("name", "description", "admin_state_up")


class LoadBalancerCollection(Reader):
    """``/loadbalancers``."""

    view = LOAD_BALANCERS

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List."""
        self.list(req, resp)

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Create, with all that the request puts below; the answer is the full form."""
        context = context_of(req)
        wanted = self.api.parse(req, "load_balancer", "loadbalancer", LoadBalancerPost)
        project_id = owner(context, wanted.project_id)
        authorize(context, rule(LOAD_BALANCERS, "post"), project_id)
        if wanted.vip_sg_ids:
            authorize(context, rule(LOAD_BALANCERS, "post:vip_sg_ids"), project_id)
        supported.check(self.api.conf, "loadbalancer", given(wanted))
        choice = choose(self.api, wanted)
        members.check_outside(self.api, context_of(req), graph.all_members(wanted))
        expressions.check_rules(expressions.in_listeners(wanted.listeners))
        certificates.check_new(self.api, context, project_id, wanted)
        self.respond(resp, _create(self.api, context, wanted, project_id, choice), falcon.HTTP_201)


def _create(api: Api, context: Context, wanted: LoadBalancerPost, project_id: str, choice: Choice) -> Document:
    """The ports first, then the rows: a port without rows is found by its name and collected."""
    load_balancer_id = new_id()
    amphora_ids = tuple(new_id() for _ in ROLES[choice.topology])
    seen, sees = api.networking.as_seen_with(context.token), functools.partial(may_use, context)
    vip = vips.claim(
        api, wanted, vips.Owner(load_balancer_id, project_id, amphora_ids, seen, sees, choice.valid_vip_networks)
    )

    def work(session: Session) -> Document:
        given_ports = [GivenPort(port_id=port_id, load_balancer_id=load_balancer_id) for port_id in vip.given()]
        _check_free(session, given_ports)
        load_balancer = LoadBalancer(
            id=load_balancer_id,
            project_id=project_id,
            generation=1,
            vip_sg_ids=wanted.vip_sg_ids,
            additional_vips=vip.rows(),
            **choice.columns(),
            **vip.columns(),
            **{name: getattr(wanted, name) for name in _COLUMNS},
        )
        session.add(load_balancer)
        session.flush()
        trail.meet(load_balancer_id)
        limits.grow(session, project_id, LoadBalancer)
        session.add_all([*given_ports, *_amphorae(session, load_balancer, vip)])
        if wanted.tags:
            replace_tags(session, load_balancer_id, load_balancer_id, wanted.tags)
        graph.create(Change(api, session, load_balancer, load_balancer_is_new=True), wanted)
        session.flush()
        return graph.show(session, load_balancer_id)

    try:
        return api.write(work)
    except Exception:
        if _is_absent(api, load_balancer_id):
            vips.release(api.networking, vip)
        raise


def _amphorae(session: Session, load_balancer: LoadBalancer, vip: vips.Vip) -> list[Amphora]:
    """The rows that the loop will start instances for; each has its address already."""
    promised: dict[str, Any] = {**amphora_columns(session, load_balancer)}
    return [
        new_amphora(load_balancer, role, id=port.device_id, vrrp_port_id=port.id, vrrp_ip=port.ip_address, **promised)
        for role, port in zip(ROLES[load_balancer.topology], vip.amphora_ports, strict=True)
    ]


def _check_free(session: Session, ports: list[GivenPort]) -> None:
    # Who comes at the same moment as another is refused by the primary key.
    for port in ports:
        taken = session.get(GivenPort, port.port_id)
        if taken is not None:
            raise errors.conflict(f"Port {port.port_id} is the VIP of load balancer {taken.load_balancer_id} already.")


def _is_absent(api: Api, load_balancer_id: str) -> bool:
    # A database that was lost at COMMIT may have committed: without knowing better, the port stays.
    try:
        with api.store.read() as session:
            return session.get(LoadBalancer, load_balancer_id) is None
    except SQLAlchemyError:
        return False


class LoadBalancerItem(Reader):
    """``/loadbalancers/{load_balancer_id}``."""

    view = LOAD_BALANCERS

    def on_get(self, req: falcon.Request, resp: falcon.Response, load_balancer_id: str) -> None:
        """Show."""
        self.show(req, resp, load_balancer_id)

    def on_put(self, req: falcon.Request, resp: falcon.Response, load_balancer_id: str) -> None:
        """Change."""
        load_balancer_id, context = LOAD_BALANCERS.identify(load_balancer_id), context_of(req)
        wanted = self.api.parse(req, "load_balancer", "loadbalancer", LoadBalancerPut)
        values = changes(wanted, LoadBalancerPost, {})
        self._check_extras(context, load_balancer_id, values)

        def work(session: Session) -> Document:
            change = begin_itself(self.api, session, context, rule(LOAD_BALANCERS, "put"), load_balancer_id)
            if "vip_sg_ids" in values:
                _check_no_cidrs(session, change.load_balancer, values["vip_sg_ids"])
            change.load_balancer.own_generation = change.load_balancer.generation
            for name, value in values.items():
                if name != "tags":
                    setattr(change.load_balancer, name, value)
            if "tags" in values:
                change.tag(load_balancer_id, values["tags"])
            session.flush()
            return LOAD_BALANCERS.show(session, load_balancer_id)

        self.respond(resp, self.api.write(work))

    def _check_extras(self, context: Context, load_balancer_id: str, values: Mapping[str, Any]) -> None:
        """Look up policies and groups for those who may write. Before the transaction, as the network may be slow."""
        if {"vip_qos_policy_id", "vip_sg_ids"}.isdisjoint(values):
            return
        with self.api.store.look() as connection:
            owners = select(LoadBalancer.project_id).where(LoadBalancer.id == load_balancer_id)
            project_id = connection.scalar(owners)
        if project_id is None:
            raise LOAD_BALANCERS.not_found(load_balancer_id)
        for action in ("put", "put:vip_sg_ids") if "vip_sg_ids" in values else ("put",):
            authorize(context, rule(LOAD_BALANCERS, action), project_id)
        seen, sees = self.api.networking.as_seen_with(context.token), functools.partial(may_use, context)
        vips.check_extras(seen, values.get("vip_qos_policy_id"), values.get("vip_sg_ids"), sees)

    def on_delete(self, req: falcon.Request, resp: falcon.Response, load_balancer_id: str) -> None:
        """Delete; with ``cascade`` all that is below as well."""
        load_balancer_id, context = LOAD_BALANCERS.identify(load_balancer_id), context_of(req)
        cascade = boolean(str(req.params.get("cascade", ""))) or False
        self.api.write(lambda session: _delete(self.api, session, context, load_balancer_id, cascade))
        resp.status = falcon.HTTP_204


def _check_no_cidrs(session: Session, load_balancer: LoadBalancer, security_group_ids: list[str]) -> None:
    """With security groups of one's own, it is these that say who may come (reference, 1.6 and 1.7). Raises 400."""
    if not security_group_ids:
        return
    if load_balancer.vip_vnic_type != "normal":
        raise errors.validation("vip_sg_ids: no security group filters an SR-IOV VIP.")
    mine = select(Listener.id, Listener.allowed_cidrs).where(Listener.load_balancer_id == load_balancer.id)
    for listener_id, cidrs in session.execute(mine.where(Listener.provisioning_status != Provisioning.PENDING_DELETE)):
        if cidrs:
            raise errors.validation(f"vip_sg_ids: listener {listener_id} has allowed_cidrs, which exclude each other.")


def _delete(api: Api, session: Session, context: Context, load_balancer_id: str, cascade: bool) -> None:
    change = begin_itself(api, session, context, rule(LOAD_BALANCERS, "delete"), load_balancer_id, EXPENDABLE)
    load_balancer = change.load_balancer
    if not cascade and _has_children(session, load_balancer_id):
        raise errors.validation(f"Cannot delete Load Balancer {load_balancer_id} - it has children")
    load_balancer.provisioning_status = Provisioning.PENDING_DELETE
    values = {"provisioning_status": Provisioning.PENDING_DELETE, "generation": load_balancer.generation}
    for table in CHILDREN:
        session.execute(update(table).where(table.load_balancer_id == load_balancer_id).values(**values))


def _has_children(session: Session, load_balancer_id: str) -> bool:
    def left(table: type[Child]) -> bool:
        mine = select(table.id).where(table.load_balancer_id == load_balancer_id)
        return session.scalar(mine.where(table.provisioning_status != Provisioning.PENDING_DELETE).limit(1)) is not None

    return left(Listener) or left(Pool)


class LoadBalancerStats(Reader):
    """``/loadbalancers/{load_balancer_id}/stats``."""

    view = LOAD_BALANCERS

    def on_get(self, req: falcon.Request, resp: falcon.Response, load_balancer_id: str) -> None:
        """What all listeners carried so far."""
        load_balancer_id = LOAD_BALANCERS.identify(load_balancer_id)
        with self.api.store.read() as session:
            project_id = LOAD_BALANCERS.project(session, load_balancer_id)
            authorize(context_of(req), rule(LOAD_BALANCERS, "get_stats"), project_id)
            answer(resp, {"stats": statistics(session, ListenerStatistics.load_balancer_id, load_balancer_id)})


class LoadBalancerStatus(Reader):
    """``/loadbalancers/{load_balancer_id}/status`` and ``/statuses``."""

    view = LOAD_BALANCERS

    def on_get(self, req: falcon.Request, resp: falcon.Response, load_balancer_id: str) -> None:
        """The statuses of the whole tree."""
        load_balancer_id = LOAD_BALANCERS.identify(load_balancer_id)
        with self.api.store.look() as connection:
            project_id, tree = status.read(connection, load_balancer_id)
        authorize(context_of(req), rule(LOAD_BALANCERS, "get_status"), project_id)
        answer(resp, {"statuses": {"loadbalancer": tree}})
