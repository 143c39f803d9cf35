"""Amphorae: the instances that carry the traffic, what they reported, and what they counted."""

import datetime
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Boolean, ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lictor.model.base import Base, Identified, Timestamp, Timestamped, Uuid
from lictor.model.statuses import AmphoraStatus, Role

if TYPE_CHECKING:
    from lictor.model.loadbalancer import LoadBalancer


class Amphora(Base, Identified, Timestamped):
    """Reference, 1.14. ``condemned`` marks one that must be replaced."""

    __tablename__ = "amphora"

    load_balancer_id: Mapped[str | None] = mapped_column(Uuid, ForeignKey("load_balancer.id"), index=True)
    status: Mapped[str] = mapped_column(String(16), default=AmphoraStatus.BOOTING)
    role: Mapped[str | None] = mapped_column(String(16), default=Role.STANDALONE)
    compute_id: Mapped[str | None] = mapped_column(String(255))
    lb_network_ip: Mapped[str | None] = mapped_column(String(64))
    vrrp_ip: Mapped[str | None] = mapped_column(String(64))
    vrrp_port_id: Mapped[str | None] = mapped_column(Uuid)
    vrrp_interface: Mapped[str | None] = mapped_column(String(16))
    vrrp_id: Mapped[int | None] = mapped_column(Integer)
    vrrp_priority: Mapped[int | None] = mapped_column(Integer)
    ha_ip: Mapped[str | None] = mapped_column(String(64))
    ha_port_id: Mapped[str | None] = mapped_column(Uuid)
    cert_expiration: Mapped[datetime.datetime | None] = mapped_column(Timestamp)
    cert_busy: Mapped[bool] = mapped_column(Boolean, default=False)
    cached_zone: Mapped[str | None] = mapped_column(String(255))
    image_id: Mapped[str | None] = mapped_column(String(36))
    compute_flavor: Mapped[str | None] = mapped_column(String(255))
    condemned: Mapped[bool] = mapped_column(Boolean, default=False)

    load_balancer: Mapped["LoadBalancer | None"] = relationship(back_populates="amphorae")


_PRIORITIES = {Role.MASTER: 100, Role.BACKUP: 90}
"""Of VRRP (reference, 4.6); one that stands alone has none."""


def new_amphora(load_balancer: "LoadBalancer", role: str, **values: object) -> Amphora:
    """The row of an amphora that is to be made for this load balancer, with its VIP."""
    return Amphora(
        load_balancer_id=load_balancer.id,
        role=role,
        ha_ip=load_balancer.vip_address,
        ha_port_id=load_balancer.vip_port_id,
        vrrp_interface="eth1",
        vrrp_id=1,
        vrrp_priority=_PRIORITIES.get(role),
        **values,
    )


class AmphoraHealth(Base):
    """The last heartbeat of an amphora, and the boot whose heartbeats count.

    ``boot_id`` is only ever learnt over mutual TLS, from a report; a heartbeat counts when it is of that boot and its
    ``sequence`` is above the last one: so no recorded datagram can be played again.
    """

    __tablename__ = "amphora_health"

    amphora_id: Mapped[str] = mapped_column(Uuid, ForeignKey("amphora.id", ondelete="CASCADE"), primary_key=True)
    boot_id: Mapped[str] = mapped_column(String(36), default="")
    sequence: Mapped[int] = mapped_column(BigInteger, default=0)
    last_update_ms: Mapped[int] = mapped_column(BigInteger, default=0)
    digest: Mapped[str] = mapped_column(String(64), default="")


class AmphoraMemberPort(Base):
    """A NIC of an amphora on a member's subnet."""

    __tablename__ = "amphora_member_port"

    port_id: Mapped[str] = mapped_column(Uuid, primary_key=True)
    amphora_id: Mapped[str] = mapped_column(Uuid, ForeignKey("amphora.id", ondelete="CASCADE"), index=True)
    network_id: Mapped[str] = mapped_column(Uuid)


class ListenerStatistics(Base):
    """What one amphora counted for one listener (reference, 1.6 "Stats" and 3.4).

    The totals are kept when the amphora is replaced, so there is no foreign key to it. ``last_*`` hold the agent's own
    counters of boot ``boot_id``, from which the next heartbeat's growth is taken.
    """

    __tablename__ = "listener_statistics"

    listener_id: Mapped[str] = mapped_column(Uuid, primary_key=True)
    amphora_id: Mapped[str] = mapped_column(Uuid, primary_key=True)
    load_balancer_id: Mapped[str] = mapped_column(Uuid, index=True)
    bytes_in: Mapped[int] = mapped_column(BigInteger, default=0)
    bytes_out: Mapped[int] = mapped_column(BigInteger, default=0)
    active_connections: Mapped[int] = mapped_column(BigInteger, default=0)
    total_connections: Mapped[int] = mapped_column(BigInteger, default=0)
    request_errors: Mapped[int] = mapped_column(BigInteger, default=0)
    boot_id: Mapped[str] = mapped_column(String(36), default="")
    last_bytes_in: Mapped[int] = mapped_column(BigInteger, default=0)
    last_bytes_out: Mapped[int] = mapped_column(BigInteger, default=0)
    last_total_connections: Mapped[int] = mapped_column(BigInteger, default=0)
    last_request_errors: Mapped[int] = mapped_column(BigInteger, default=0)
