"""Who was, or is about to be, told that a load balancer uses a secret: what outlives the load balancer."""

from sqlalchemy import String, false
from sqlalchemy.orm import Mapped, mapped_column

from lictor.model.base import Base, Identified, Timestamped, Uuid


class SecretConsumer(Base, Identified, Timestamped):
    """A load balancer that may be among a secret's consumers outside; it was, at ``updated_at``, if ``registered``.

    If not, ``updated_at`` is since when it is being taken back, or null.

    The row is there before anything is told outside, and goes after it was taken back. Two rows may say the same.
    """

    __tablename__ = "secret_consumer"

    load_balancer_id: Mapped[str] = mapped_column(Uuid, index=True)
    reference: Mapped[str] = mapped_column(String(255))
    registered: Mapped[bool] = mapped_column(default=False, server_default=false())
