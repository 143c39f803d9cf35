"""The address book of the ``local`` network driver: which address of this host's own networks is whose."""

from sqlalchemy import String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lictor.model.base import Base, Identified, Timestamped, Uuid


class LocalPort(Base, Identified, Timestamped):
    """A port: an address and a MAC on one subnet. ``name`` is deterministic, by which a port is found again."""

    __tablename__ = "local_port"

    name: Mapped[str] = mapped_column(String(255))
    project_id: Mapped[str] = mapped_column(String(36), default="")
    device_owner: Mapped[str] = mapped_column(String(255), default="")
    device_id: Mapped[str] = mapped_column(String(255), default="")
    network_id: Mapped[str] = mapped_column(Uuid)
    subnet_id: Mapped[str] = mapped_column(Uuid)
    ip_address: Mapped[str] = mapped_column(String(64))
    mac_address: Mapped[str] = mapped_column(String(17))

    __table_args__ = (
        UniqueConstraint("subnet_id", "ip_address", name="uq_local_port_address"),
        UniqueConstraint("subnet_id", "name", name="uq_local_port_name"),
    )
