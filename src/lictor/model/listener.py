"""The listener: one protocol on one port of the VIP."""

from typing import TYPE_CHECKING

from sqlalchemy import JSON, Boolean, ForeignKey, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lictor.model.base import Base, Uuid
from lictor.model.resource import Child

if TYPE_CHECKING:
    from lictor.model.l7 import L7Policy
    from lictor.model.loadbalancer import LoadBalancer
    from lictor.model.pool import Pool


class Listener(Base, Child):
    """Reference, 1.7. Timeouts are in milliseconds; ``connection_limit`` -1 means the data plane's own."""

    __tablename__ = "listener"

    description: Mapped[str] = mapped_column(String(255), default="")
    protocol: Mapped[str] = mapped_column(String(16))
    protocol_port: Mapped[int] = mapped_column(Integer)
    connection_limit: Mapped[int] = mapped_column(Integer, default=-1)
    default_pool_id: Mapped[str | None] = mapped_column(Uuid, ForeignKey("pool.id", ondelete="SET NULL"), index=True)
    default_tls_container_ref: Mapped[str | None] = mapped_column(String(255))
    sni_container_refs: Mapped[list[str]] = mapped_column(JSON, default=list)
    client_ca_tls_container_ref: Mapped[str | None] = mapped_column(String(255))
    client_authentication: Mapped[str] = mapped_column(String(16), default="NONE")
    client_crl_container_ref: Mapped[str | None] = mapped_column(String(255))
    insert_headers: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    timeout_client_data: Mapped[int] = mapped_column(Integer, default=50000)
    timeout_member_connect: Mapped[int] = mapped_column(Integer, default=5000)
    timeout_member_data: Mapped[int] = mapped_column(Integer, default=50000)
    timeout_tcp_inspect: Mapped[int] = mapped_column(Integer, default=0)
    allowed_cidrs: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    tls_ciphers: Mapped[str | None] = mapped_column(String(2048))
    tls_versions: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    alpn_protocols: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    hsts_max_age: Mapped[int | None] = mapped_column(Integer)
    hsts_include_subdomains: Mapped[bool] = mapped_column(Boolean, default=False)
    hsts_preload: Mapped[bool] = mapped_column(Boolean, default=False)

    load_balancer: Mapped["LoadBalancer"] = relationship(back_populates="listeners")
    default_pool: Mapped["Pool | None"] = relationship(back_populates="listeners")
    l7policies: Mapped[list["L7Policy"]] = relationship(back_populates="listener", order_by="L7Policy.position")

    # TCP, UDP and SCTP may share a port (reference, 1.7), and one row of each protocol is what the API checks further.
    __table_args__ = (
        UniqueConstraint("load_balancer_id", "protocol", "protocol_port", name="uq_listener_protocol_port"),
    )
