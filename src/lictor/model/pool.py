"""The pool, its members and its health monitor."""

import datetime
from typing import TYPE_CHECKING

from sqlalchemy import JSON, Boolean, Float, ForeignKey, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lictor.model.base import Base, Timestamp, Uuid, now
from lictor.model.resource import Child

if TYPE_CHECKING:
    from lictor.model.l7 import L7Policy
    from lictor.model.listener import Listener
    from lictor.model.loadbalancer import LoadBalancer


class Pool(Base, Child):
    """Reference, 1.8. ``session_persistence`` is the API's object: it is only ever read and written whole."""

    __tablename__ = "pool"

    description: Mapped[str] = mapped_column(String(255), default="")
    protocol: Mapped[str] = mapped_column(String(16))
    lb_algorithm: Mapped[str] = mapped_column(String(32))
    session_persistence: Mapped[dict[str, str | int | None] | None] = mapped_column(JSON(none_as_null=True))
    tls_enabled: Mapped[bool] = mapped_column(Boolean, default=False)
    tls_container_ref: Mapped[str | None] = mapped_column(String(255))
    ca_tls_container_ref: Mapped[str | None] = mapped_column(String(255))
    crl_container_ref: Mapped[str | None] = mapped_column(String(255))
    tls_ciphers: Mapped[str | None] = mapped_column(String(2048))
    tls_versions: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    alpn_protocols: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))

    load_balancer: Mapped["LoadBalancer"] = relationship(back_populates="pools")
    listeners: Mapped[list["Listener"]] = relationship(back_populates="default_pool", order_by="Listener.created_at")
    l7policies: Mapped[list["L7Policy"]] = relationship(back_populates="redirect_pool")
    members: Mapped[list["Member"]] = relationship(back_populates="pool", order_by="Member.created_at, Member.id")
    health_monitor: Mapped["HealthMonitor | None"] = relationship(back_populates="pool")


class Member(Base, Child):
    """Reference, 1.9. ``weight`` 0 drains; ``subnet_id`` null means that the VIP's subnet routes to it."""

    __tablename__ = "member"

    # Always found by their pool, which the unique constraint begins with: further indexes would only slow INSERT down.
    created_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now)
    pool_id: Mapped[str] = mapped_column(Uuid, ForeignKey("pool.id"))
    address: Mapped[str] = mapped_column(String(64))
    protocol_port: Mapped[int] = mapped_column(Integer)
    weight: Mapped[int] = mapped_column(Integer, default=1)
    backup: Mapped[bool] = mapped_column(Boolean, default=False)
    subnet_id: Mapped[str | None] = mapped_column(Uuid)
    monitor_address: Mapped[str | None] = mapped_column(String(64))
    monitor_port: Mapped[int | None] = mapped_column(Integer)
    vnic_type: Mapped[str] = mapped_column(String(64), default="normal")

    pool: Mapped["Pool"] = relationship(back_populates="members")

    __table_args__ = (UniqueConstraint("pool_id", "address", "protocol_port", name="uq_member_address_port"),)


class HealthMonitor(Base, Child):
    """Reference, 1.10. ``delay`` and ``timeout`` are in seconds."""

    __tablename__ = "health_monitor"

    pool_id: Mapped[str] = mapped_column(Uuid, ForeignKey("pool.id"), unique=True)
    type: Mapped[str] = mapped_column(String(16))
    delay: Mapped[int] = mapped_column(Integer)
    timeout: Mapped[int] = mapped_column(Integer)
    max_retries: Mapped[int] = mapped_column(Integer)
    max_retries_down: Mapped[int] = mapped_column(Integer, default=3)
    http_method: Mapped[str | None] = mapped_column(String(16))
    url_path: Mapped[str | None] = mapped_column(String(2048))
    expected_codes: Mapped[str | None] = mapped_column(String(64))
    http_version: Mapped[float | None] = mapped_column(Float)
    domain_name: Mapped[str | None] = mapped_column(String(255))

    pool: Mapped["Pool"] = relationship(back_populates="health_monitor")
