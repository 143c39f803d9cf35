"""Events: what happened to a load balancer, when, why, and when it is tried again."""

import datetime

from sqlalchemy import BigInteger, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from lictor.model.base import Base, Timestamp, Uuid, now


class Event(Base):
    """One thing that happened. It outlives the load balancer it speaks of, hence no foreign key, and a project."""

    __tablename__ = "event"

    # SQLite numbers rows by itself only for a column of type INTEGER.
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    load_balancer_id: Mapped[str] = mapped_column(Uuid, index=True)
    project_id: Mapped[str | None] = mapped_column(String(36))
    amphora_id: Mapped[str | None] = mapped_column(Uuid)
    created_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now, index=True)
    generation: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(32))
    message: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int | None] = mapped_column(Integer)
    next_try_at: Mapped[datetime.datetime | None] = mapped_column(Timestamp)
