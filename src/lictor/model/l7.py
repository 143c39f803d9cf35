"""L7 policies and their rules: what a listener does with a request by its content."""

from typing import TYPE_CHECKING

from sqlalchemy import Boolean, ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lictor.model.base import Base, Uuid
from lictor.model.resource import Child

if TYPE_CHECKING:
    from lictor.model.listener import Listener
    from lictor.model.pool import Pool


class L7Policy(Base, Child):
    """Reference, 1.11. ``position`` is dense and counts from 1 within the listener."""

    __tablename__ = "l7policy"

    description: Mapped[str] = mapped_column(String(255), default="")
    listener_id: Mapped[str] = mapped_column(Uuid, ForeignKey("listener.id"), index=True)
    action: Mapped[str] = mapped_column(String(32))
    redirect_pool_id: Mapped[str | None] = mapped_column(Uuid, ForeignKey("pool.id"), index=True)
    redirect_url: Mapped[str | None] = mapped_column(String(255))
    redirect_prefix: Mapped[str | None] = mapped_column(String(255))
    redirect_http_code: Mapped[int | None] = mapped_column(Integer)
    position: Mapped[int] = mapped_column(Integer)

    listener: Mapped["Listener"] = relationship(back_populates="l7policies")
    redirect_pool: Mapped["Pool | None"] = relationship(back_populates="l7policies")
    rules: Mapped[list["L7Rule"]] = relationship(back_populates="l7policy", order_by="L7Rule.created_at")


class L7Rule(Base, Child):
    """Reference, 1.11. All enabled rules of a policy must match."""

    __tablename__ = "l7rule"

    l7policy_id: Mapped[str] = mapped_column(Uuid, ForeignKey("l7policy.id"), index=True)
    type: Mapped[str] = mapped_column(String(32))
    compare_type: Mapped[str] = mapped_column(String(16))
    key: Mapped[str | None] = mapped_column(String(255))
    value: Mapped[str] = mapped_column(String(255))
    invert: Mapped[bool] = mapped_column(Boolean, default=False)

    l7policy: Mapped["L7Policy"] = relationship(back_populates="rules")
