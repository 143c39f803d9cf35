"""The load balancer: root of the tree, and the row on which the loop keeps its accounts."""

from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, BigInteger, Boolean, Computed, ForeignKey, Index, Integer, String, Text, case, func
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lictor.model import trail
from lictor.model.base import Base, Uuid
from lictor.model.clock import clock_ms
from lictor.model.resource import Resource
from lictor.model.statuses import Topology

if TYPE_CHECKING:
    from lictor.model.amphora import Amphora
    from lictor.model.listener import Listener
    from lictor.model.pool import Pool


class LoadBalancer(Base, Resource):
    """One virtual IP and all that hangs on it (reference, 1.6).

    The loop needs to act when ``generation`` (raised with every accepted write below) and ``observed_generation`` (the
    last one applied; 0 when that is in doubt) differ. The ``lease_*`` columns say which worker acts; ``retry_at_ms``
    (the database's clock) keeps a failing load balancer from being tried before its time; ``fault`` is what went wrong,
    for users to read. Since ``work_since_ms`` it has not been as it should be (0: it is), and ``requests`` are the ids
    of the writes that are not applied yet (``trail``). ``own_generation`` is that of the last write to the load
    balancer itself, and not below it; ``told_generation`` the last one applied when others were told of it (0: never).
    """

    __tablename__ = "load_balancer"

    description: Mapped[str] = mapped_column(String(255), default="")
    provider: Mapped[str] = mapped_column(String(64))
    topology: Mapped[str] = mapped_column(String(16), default=Topology.SINGLE)
    flavor_id: Mapped[str | None] = mapped_column(Uuid, ForeignKey("flavor.id"))
    availability_zone: Mapped[str | None] = mapped_column(String(255), ForeignKey("availability_zone.name"))

    vip_address: Mapped[str | None] = mapped_column(String(64))
    vip_subnet_id: Mapped[str | None] = mapped_column(Uuid)
    vip_network_id: Mapped[str | None] = mapped_column(Uuid)
    vip_port_id: Mapped[str | None] = mapped_column(Uuid)
    vip_port_owned: Mapped[bool] = mapped_column(default=True)
    vip_qos_policy_id: Mapped[str | None] = mapped_column(Uuid)
    vip_sg_ids: Mapped[list[str]] = mapped_column(JSON, default=list)
    vip_vnic_type: Mapped[str] = mapped_column(String(64), default="normal")

    generation: Mapped[int] = mapped_column(BigInteger, default=1)
    observed_generation: Mapped[int] = mapped_column(BigInteger, default=0)
    own_generation: Mapped[int] = mapped_column(BigInteger, default=1)
    told_generation: Mapped[int] = mapped_column(BigInteger, default=0)
    lease_owner: Mapped[str | None] = mapped_column(String(255))
    lease_epoch: Mapped[int] = mapped_column(BigInteger, default=0)
    lease_expires_ms: Mapped[int] = mapped_column(BigInteger, default=0)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    retry_at_ms: Mapped[int] = mapped_column(BigInteger, default=0)
    fault: Mapped[str | None] = mapped_column(Text)
    work_since_ms: Mapped[int] = mapped_column(BigInteger, default=clock_ms(), deferred=True)
    requests: Mapped[str] = mapped_column(String(trail.SHARED), default=trail.current)
    # Kept by the database, so that no writer can forget it. Never read but in a WHERE, by the index on it.
    unsettled: Mapped[bool | None] = mapped_column(
        Boolean, Computed("generation <> observed_generation"), deferred=True, nullable=True
    )

    additional_vips: Mapped[list["AdditionalVip"]] = relationship(
        cascade="all, delete-orphan", order_by="AdditionalVip.position"
    )
    listeners: Mapped[list["Listener"]] = relationship(back_populates="load_balancer", order_by="Listener.created_at")
    pools: Mapped[list["Pool"]] = relationship(back_populates="load_balancer", order_by="Pool.created_at")
    amphorae: Mapped[list["Amphora"]] = relationship(back_populates="load_balancer", order_by="Amphora.created_at")

    __table_args__ = (
        Index("ix_load_balancer_work", "unsettled", "retry_at_ms"),
        Index("uq_load_balancer_vip_port_id", "vip_port_id", unique=True),
    )


def needs_work() -> dict[str, Any]:
    """Columns of an UPDATE by which load balancers need work: since when, and for whose request if there is one.

    They follow from themselves alone: MySQL counts with values that the same UPDATE has changed already.
    """
    since, told = LoadBalancer.work_since_ms, LoadBalancer.requests
    columns: dict[str, Any] = {"work_since_ms": case((since == 0, clock_ms()), else_=since)}
    if request_id := trail.current():
        room = func.length(told) < trail.SHARED - 1 - len(request_id)
        columns["requests"] = case((told == "", request_id), (room, told + (" " + request_id)), else_=request_id)
    return columns


class AdditionalVip(Base):
    """A further address of a load balancer, on another subnet of the VIP's network (reference, 1.6)."""

    __tablename__ = "additional_vip"

    load_balancer_id: Mapped[str] = mapped_column(Uuid, ForeignKey("load_balancer.id"), primary_key=True)
    subnet_id: Mapped[str] = mapped_column(Uuid, primary_key=True)
    position: Mapped[int] = mapped_column(Integer, default=0)
    ip_address: Mapped[str] = mapped_column(String(64))
    port_id: Mapped[str] = mapped_column(Uuid)
    network_id: Mapped[str] = mapped_column(Uuid)
    port_owned: Mapped[bool] = mapped_column(default=True)


class GivenPort(Base):
    """A port that a user brought, for the VIP or an additional one: two load balancers cannot have the same.

    Ports of our making need no row: whoever names one is told that it has a device.
    """

    __tablename__ = "given_port"

    port_id: Mapped[str] = mapped_column(Uuid, primary_key=True)
    load_balancer_id: Mapped[str] = mapped_column(Uuid, ForeignKey("load_balancer.id"), index=True)
