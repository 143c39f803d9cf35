"""What administrators set: flavors, availability zones and quotas (reference, 1.12 and 1.13)."""

from sqlalchemy import BigInteger, Boolean, ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from lictor.model.base import Base, Identified, Uuid


class FlavorProfile(Base, Identified):
    """``flavor_data`` is a JSON object in text form, checked by the provider."""

    __tablename__ = "flavor_profile"

    name: Mapped[str] = mapped_column(String(255))
    provider_name: Mapped[str] = mapped_column(String(255))
    flavor_data: Mapped[str] = mapped_column(String(4096))


class Flavor(Base, Identified):
    """What users may choose at create."""

    __tablename__ = "flavor"

    name: Mapped[str] = mapped_column(String(255), unique=True)
    description: Mapped[str] = mapped_column(String(255), default="")
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    flavor_profile_id: Mapped[str] = mapped_column(Uuid, ForeignKey("flavor_profile.id"))


class AvailabilityZoneProfile(Base, Identified):
    """``availability_zone_data`` is a JSON object in text form, checked by the provider."""

    __tablename__ = "availability_zone_profile"

    name: Mapped[str] = mapped_column(String(255))
    provider_name: Mapped[str] = mapped_column(String(255))
    availability_zone_data: Mapped[str] = mapped_column(String(4096))


class AvailabilityZone(Base):
    """Known by its name."""

    __tablename__ = "availability_zone"

    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    description: Mapped[str] = mapped_column(String(255), default="")
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    availability_zone_profile_id: Mapped[str] = mapped_column(Uuid, ForeignKey("availability_zone_profile.id"))


class Quota(Base):
    """A project's limits: null means the configured default, -1 no limit.

    ``holds`` rises whenever a transaction holds the row: see ``model.quotas``.
    """

    __tablename__ = "quota"

    project_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    loadbalancer: Mapped[int | None] = mapped_column(Integer)
    listener: Mapped[int | None] = mapped_column(Integer)
    pool: Mapped[int | None] = mapped_column(Integer)
    member: Mapped[int | None] = mapped_column(Integer)
    healthmonitor: Mapped[int | None] = mapped_column(Integer)
    l7policy: Mapped[int | None] = mapped_column(Integer)
    l7rule: Mapped[int | None] = mapped_column(Integer)
    holds: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
