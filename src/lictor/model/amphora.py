"""Amphorae: the instances that carry the traffic, what they reported, and what they counted."""

import datetime
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Boolean, ForeignKey, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lictor.model.base import Base, Identified, Timestamp, Timestamped, Uuid
from lictor.model.statuses import AmphoraStatus, Role

if TYPE_CHECKING:
    from lictor.model.loadbalancer import LoadBalancer


class Amphora(Base, Identified, Timestamped):
    """Reference, 1.14. ``condemned`` marks one that must be replaced: by whom (``model.replacement``), and why.

    ``cert_expiration`` is null and ``cert_busy`` true while it is not known for certain which certificate the agent
    shows; ``papers`` says who signed it, and whose clients the agent obeys (``amphora.ring``).

    ``booted_ms`` (the database's clock) is when its instance was made, ``replacing_ms`` is set while it has a share of
    the budget of replacements; ``roll_id`` names the roll that is to replace it.
    """

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
    papers: Mapped[str | None] = mapped_column(String(128))
    cached_zone: Mapped[str | None] = mapped_column(String(255))
    image_id: Mapped[str | None] = mapped_column(String(36))
    compute_flavor: Mapped[str | None] = mapped_column(String(255))
    condemned: Mapped[bool] = mapped_column(Boolean, default=False)
    condemned_by: Mapped[str | None] = mapped_column(String(16))
    condemned_why: Mapped[str | None] = mapped_column(Text)
    booted_ms: Mapped[int | None] = mapped_column(BigInteger)
    replacing_ms: Mapped[int | None] = mapped_column(BigInteger, index=True)
    roll_id: Mapped[str | None] = mapped_column(Uuid, index=True)

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

    ``told`` and ``counted`` are digests of the statuses and of the counters that were written last, and of what else
    they follow from: while they stay the same, a heartbeat costs its ``sequence`` and nothing more.

    ``silent_since_ms`` is 0 for an amphora that is heard. Otherwise a health manager that was sure not to be blind has
    missed it since then (the database's clock); the next heartbeat that counts makes it 0 again.
    """

    __tablename__ = "amphora_health"

    amphora_id: Mapped[str] = mapped_column(Uuid, ForeignKey("amphora.id", ondelete="CASCADE"), primary_key=True)
    boot_id: Mapped[str] = mapped_column(String(36), default="")
    sequence: Mapped[int] = mapped_column(BigInteger, default=0)
    last_update_ms: Mapped[int] = mapped_column(BigInteger, default=0)
    digest: Mapped[str] = mapped_column(String(64), default="")
    told: Mapped[str] = mapped_column(String(32), default="", server_default="")
    counted: Mapped[str] = mapped_column(String(32), default="", server_default="")
    silent_since_ms: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")


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
