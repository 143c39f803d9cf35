"""The database's schema: brought up to date by Alembic, and checked before anything is written to it."""

import pathlib

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from lictor.model.store import Store

_MIGRATIONS = pathlib.Path(__file__).parent / "migrations"


class NewerSchema(Exception):
    """The database was written by a newer release, which this one cannot read."""


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def head() -> str:
    """The revision that this release works with."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None
    return revision


def current(store: Store) -> str | None:
    """The revision the database is at, None if empty. Raises ``NewerSchema`` if this release does not know it."""
    with store.engine.connect() as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if revision is not None and revision not in known:
        raise NewerSchema(
            f"the database is at schema revision '{revision}', which this release (revision '{head()}') does not know: "
            "it was written by a newer release of Lictor; start that one, or name another state directory"
        )
    return revision


def upgrade(store: Store) -> None:
    """Bring the schema to this release's revision, all in one transaction where the database can. Idempotent.

    Raises ``NewerSchema`` and changes nothing if the database is of a newer release.
    """
    if current(store) == head():
        return
    with store.engine.connect().execution_options(lictor_write=True) as connection:
        command.upgrade(_config(connection), "head")
        connection.commit()
