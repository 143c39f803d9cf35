"""Opening the database, with every way that can fail as one sentence."""

import pathlib

from oslo_config import cfg
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from lictor import config
from lictor.cli.refusal import Refusal
from lictor.model import schema
from lictor.model.store import Store


def store(conf: cfg.ConfigOpts) -> Store:
    """The database as configured, not yet looked at. Raises ``Refusal`` for an impossible URL."""
    try:
        return Store(config.database_url(conf))
    except (ArgumentError, ImportError) as error:
        raise Refusal(f"[database] connection names no database that can be used: {error}", status=2) from None


def upgraded(conf: cfg.ConfigOpts) -> Store:
    """The database with this release's schema. Raises ``Refusal``."""
    found = store(conf)
    try:
        schema.upgrade(found)
    except schema.WrongSchema as error:
        raise Refusal(str(error)) from None
    except SQLAlchemyError as error:
        raise Refusal(unusable(conf, error)) from None
    return found


def as_it_is(conf: cfg.ConfigOpts) -> Store:
    """The database, which must have this release's schema already. Raises ``Refusal``."""
    found, wanted = revision(conf), schema.head()
    if found != wanted:
        raise Refusal(
            f"the database is at schema revision {found or 'none'}, and this release works with {wanted}: "
            "run `lictor db upgrade` first"
        )
    return store(conf)


def revision(conf: cfg.ConfigOpts) -> str | None:
    """The revision the database is at; None if there is none yet. Creates no file. Raises ``Refusal``."""
    path = make_url(config.database_url(conf)).database or ""
    if config.database_url(conf).startswith("sqlite") and not pathlib.Path(path).exists():
        return None
    try:
        return schema.current(store(conf))
    except schema.WrongSchema as error:
        raise Refusal(str(error)) from None
    except SQLAlchemyError as error:
        raise Refusal(unusable(conf, error)) from None


def unusable(conf: cfg.ConfigOpts, error: SQLAlchemyError) -> str:
    """The sentence for a database that does not do what it is asked, without the password in its URL."""
    words = " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split())
    return f"the database {make_url(config.database_url(conf)).render_as_string()} cannot be used: {words}"
