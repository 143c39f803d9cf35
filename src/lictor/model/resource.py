"""What the objects of a load balancer's tree have in common."""

from sqlalchemy import BigInteger, Boolean, ForeignKey, String
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from lictor.model.base import Identified, Timestamped, Uuid
from lictor.model.statuses import Operating, Provisioning


class Resource(Identified, Timestamped):
    """An object that users name, switch on and off, and watch."""

    project_id: Mapped[str] = mapped_column(String(36), index=True)
    name: Mapped[str] = mapped_column(String(255), default="")
    admin_state_up: Mapped[bool] = mapped_column(Boolean, default=True)
    provisioning_status: Mapped[str] = mapped_column(String(16), default=Provisioning.PENDING_CREATE)
    operating_status: Mapped[str] = mapped_column(String(16), default=Operating.OFFLINE)


class Child(Resource):
    """An object below a load balancer.

    ``load_balancer_id`` stands on every one of them, though most could find it through a parent: one equality per
    table then reads or settles a whole tree. ``generation`` is the load balancer's at the last accepted write to this
    row: once the loop has applied that generation, the row is settled.
    """

    generation: Mapped[int] = mapped_column(BigInteger, default=1)

    @declared_attr
    def load_balancer_id(cls) -> Mapped[str]:  # noqa: N805 - SQLAlchemy calls it with the class
        """The load balancer at the root of the tree."""
        return mapped_column(Uuid, ForeignKey("load_balancer.id"), index=True)
