"""Tags: words that users put on the objects of a tree, and list them by."""

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from lictor.model.base import Base, Uuid


class Tag(Base):
    """One tag of one object. Ids are unique over all tables, so the object's kind need not be said."""

    __tablename__ = "tag"

    resource_id: Mapped[str] = mapped_column(Uuid, primary_key=True)
    tag: Mapped[str] = mapped_column(String(255), primary_key=True)
    load_balancer_id: Mapped[str] = mapped_column(Uuid, index=True)

    __table_args__ = (Index("ix_tag_tag", "tag"),)
