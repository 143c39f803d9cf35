"""The database's schema: brought up to date by Alembic, and checked before anything is written to it."""

import contextlib
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from lictor.model.base import Base
from lictor.model.engine import WRITE
from lictor.model.store import Store

if TYPE_CHECKING:
    from alembic.config import Config

_MIGRATIONS = pathlib.Path(__file__).parent / "migrations"


UPGRADE_PATIENCE = 60
"""Seconds to wait for another process that is bringing the same database up to date."""


class WrongSchema(Exception):
    """The database is not one that this release can bring up to date. The text says why, and what would help."""


class NewerSchema(WrongSchema):
    """The database was written by a newer release, which this one cannot read."""


class HalfMade(WrongSchema):
    """There are tables of our names in the database, but no revision: they are not ours to touch."""


def _config(connection: Connection) -> "Config":
    # Loaded where it is needed: it would be a tenth of the memory of every process of the API.
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def _known() -> list[str]:
    """The revisions of this release, oldest first: the numbers that the files of the migrations begin with."""
    return sorted(file.name.partition("_")[0] for file in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


def head() -> str:
    """The revision that this release works with."""
    return _known()[-1]


def current(store: Store) -> str | None:
    """The revision the database is at, None if empty. Raises ``NewerSchema`` if this release does not know it."""
    with store.engine.connect() as connection:
        return _revision(connection)


def upgrade(store: Store) -> None:
    """Bring the schema to this release's revision, all in one transaction where the database can. Idempotent.

    One process at a time does so, others wait. MySQL and MariaDB commit at every CREATE and ALTER: an upgrade that was
    cut short there is taken up by hand or from a dump. Raises ``WrongSchema`` and changes nothing if the database is of
    a newer release, or has tables of our names without a revision.
    """
    if current(store) == head():
        return
    from alembic import command

    with store.engine.connect().execution_options(**{WRITE: True}) as connection, _alone(connection):
        if _revision(connection) is None:
            _check_empty(connection)
        command.upgrade(_config(connection), "head")
        connection.commit()


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if revision is not None and revision not in _known():
        raise NewerSchema(
            f"the database is at schema revision '{revision}', which this release (revision '{head()}') does not know: "
            "it was written by a newer release of Lictor; start that one, or name another state directory"
        )
    return revision


def _check_empty(connection: Connection) -> None:
    found = sorted(set(inspect(connection).get_table_names()) & set(Base.metadata.tables))
    if found:
        raise HalfMade(
            f"the database has tables such as '{found[0]}' but no schema revision: an upgrade was cut short, or they "
            "belong to something else; give Lictor an empty database"
        )


@contextlib.contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """Keeps other processes from upgrading. On SQLite, being the writer does that already."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = '{UPGRADE_PATIENCE}s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('lictor schema'))"))
        yield
    elif connection.dialect.name == "sqlite":
        yield
    else:
        # A lock of the server, not of one of its databases: hence the name. It outlives MySQL's implicit commits.
        if not connection.scalar(text(f"SELECT GET_LOCK(CONCAT(DATABASE(), ' lictor'), {UPGRADE_PATIENCE})")):
            raise WrongSchema("another process has been upgrading the database for too long; try again")
        try:
            yield
        finally:
            connection.execute(text("SELECT RELEASE_LOCK(CONCAT(DATABASE(), ' lictor'))"))
