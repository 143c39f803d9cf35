"""Many rows for one statement, handed over as one parameter: a JSON document that the database reads as a table.

A parameter for each value costs several times what the database does with it: drivers quote one by one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Dialect, String, Subquery, bindparam, column, text
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from lictor.model.engine import collation

CHUNK: Final = 2000
"""Rows of one statement: no server's limit for the length of one is near."""

Columns = Mapping[str, TypeEngine[Any]]


def given(session: Session, columns: Columns, rows: Sequence[Sequence[Any]]) -> Iterator[Subquery]:
    """Tables named ``given`` that together hold ``rows``, whose values come in the order of ``columns``.

    Values are text and integers. A text that is too long for its column is like no value that is in one.
    """
    dialect = session.connection().dialect
    made = text(_STATEMENTS[dialect.name](columns, dialect))
    for start in range(0, len(rows), CHUNK):
        document = msgspec.json.encode(rows[start : start + CHUNK]).decode()
        bound = made.bindparams(bindparam("rows", document, String))
        yield bound.columns(*(column(name, kind) for name, kind in columns.items())).subquery("given")


def _sqlite(columns: Columns, _dialect: Dialect) -> str:
    values = (f"json_extract(value, '$[{number}]') AS {name}" for number, name in enumerate(columns))
    return f"SELECT {', '.join(values)} FROM json_each(:rows)"


def _postgresql(columns: Columns, _dialect: Dialect) -> str:
    # As TEXT: a cast to VARCHAR would cut what is too long.
    kinds = ("TEXT" if isinstance(kind, String) else "BIGINT" for kind in columns.values())
    values = (
        f"CAST(value->>{number} AS {kind}) AS {name}"
        for number, (name, kind) in enumerate(zip(columns, kinds, strict=True))
    )
    return f"SELECT {', '.join(values)} FROM json_array_elements(CAST(:rows AS JSON))"


def _mysql(columns: Columns, dialect: Any) -> str:
    # Compared with a column it has to be of that column's collation.
    words = {
        name: f"{kind.compile(dialect)} {collation(dialect)}" if isinstance(kind, String) else kind.compile(dialect)
        for name, kind in columns.items()
    }
    values = (f"{name} {word} PATH '$[{number}]'" for number, (name, word) in enumerate(words.items()))
    return f"SELECT * FROM JSON_TABLE(:rows, '$[*]' COLUMNS ({', '.join(values)})) AS document"


_STATEMENTS: Final[dict[str, Callable[[Columns, Any], str]]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "mysql": _mysql,
    "mariadb": _mysql,
}
