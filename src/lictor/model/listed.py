"""What hangs on a row, told with the row: a list that the database makes, so that a page costs one statement.

The drivers of databases are written in Python, in part or as a whole: a row that is not sent saves far more time than
the database spends on putting two into one. The order is left to us: to sort within an aggregate, MariaDB makes a
temporary table for each row.
"""

import dataclasses
from typing import Any

import msgspec
from sqlalchemy import ScalarSelect, String, Text, cast, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.functions import FunctionElement


class json_rows(FunctionElement[str]):  # noqa: N801 - reads as an SQL function where it is used
    """SQL expression: of all rows, a JSON list of the argument, or of JSON lists of several; null for no rows."""

    type = Text()
    name = "json_rows"
    inherit_cache = True


def _each(element: Any, compiler: Any, kw: dict[str, Any], row: str) -> str:
    clauses = [compiler.process(clause, **kw) for clause in element.clauses]
    return str(clauses[0]) if len(clauses) == 1 else f"{row}({', '.join(clauses)})"


@compiles(json_rows, "sqlite")
def _sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    return f"json_group_array({_each(element, compiler, kw, 'json_array')})"


@compiles(json_rows, "postgresql")
def _postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    return f"CAST(json_agg({_each(element, compiler, kw, 'json_build_array')}) AS TEXT)"


@compiles(json_rows, "mysql", "mariadb")
def _mysql(element: Any, compiler: Any, **kw: Any) -> str:
    # As long as the session's group_concat_max_len allows, which is set when the connection is made.
    return f"JSON_ARRAYAGG({_each(element, compiler, kw, 'JSON_ARRAY')})"


@dataclasses.dataclass(frozen=True)
class Hanging:
    """Rows that hang on others: ``child`` is what is to be known of each, ``parent`` is the id of what it hangs on.

    They are sorted by ``order``, a moment or a number, and where that is equal by themselves. Both are told as one
    short text: of what could be long, as JSON is to MariaDB, it would make a table on the disk for each row.
    """

    parent: InstrumentedAttribute[Any]
    child: Any
    order: InstrumentedAttribute[Any] | None = None

    def on(self, model: Any) -> ScalarSelect[Any]:
        """A column for a statement that selects rows of ``model``."""
        told = self.child if self.order is None else cast(self.order, String) + _MARK + self.child
        return select(json_rows(told)).where(self.parent == model.id).correlate(model).scalar_subquery()

    def items(self, text: str | None) -> list[str]:
        """What such a column says: each child, in order."""
        found = _texts(text) if text else []
        return sorted(found) if self.order is None else [child for _, child in sorted(map(_ranked, found))]


_MARK = "|"
_texts = msgspec.json.Decoder(list[str]).decode


def _ranked(told: str) -> tuple[Any, str]:
    rank, _, child = told.partition(_MARK)
    return int(rank) if rank.isdigit() else rank, child


def rows(text: str | None) -> list[list[Any]]:
    """The rows of ``json_rows`` with several arguments, sorted by their first ones, which are to be unlike."""
    found = _rows(text) if text else []
    found.sort()
    return found


_rows = msgspec.json.Decoder(list[list[Any]]).decode
