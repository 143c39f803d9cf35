"""What all tables have in common."""

import datetime
import uuid

from sqlalchemy import DateTime, MetaData, String
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# Named constraints, so that migrations can speak of them on every database.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}

Uuid = String(36)
# MySQL and MariaDB drop the microseconds unless told otherwise.
Timestamp = DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def now() -> datetime.datetime:
    """The time in UTC without a zone, as the API prints it (reference, 1.1)."""
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)


def new_id() -> str:
    """A fresh random UUID (RFC 9562, version 4) in text form."""
    return str(uuid.uuid4())


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(naming_convention=NAMING)


class Identified:
    """A row with a UUID."""

    id: Mapped[str] = mapped_column(Uuid, primary_key=True, default=new_id)


class Timestamped:
    """``updated_at`` stays null until the first change, as in Octavia."""

    created_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now, index=True)
    updated_at: Mapped[datetime.datetime | None] = mapped_column(Timestamp, onupdate=now)
