"""What hangs on a row, told with the row: a list that the database makes, so that a page costs one statement.

The drivers of databases are written in Python, in part or as a whole: a row that is not sent saves far more time than
the database spends on putting two into one.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ScalarSelect, Text, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.functions import FunctionElement


class _json_list(FunctionElement[str]):  # noqa: N801 - reads as an SQL function where it is used
    """SQL expression: the first argument of all rows as a JSON list, in the order of the others; null for no rows."""

    type = Text()
    name = "json_list"
    inherit_cache = True


def _arguments(element: Any, compiler: Any, kw: dict[str, Any]) -> tuple[str, str]:
    child, *order = (compiler.process(clause, **kw) for clause in element.clauses)
    return child, ", ".join(order)


@compiles(_json_list, "sqlite")
def _sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    # Before SQLite 3.44 only a window has an order. Each row then has the whole list: one of them is enough.
    child, order = _arguments(element, compiler, kw)
    whole = "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"
    return f"json_group_array({child}) OVER (ORDER BY {order} {whole})"


@compiles(_json_list, "postgresql")
def _postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    child, order = _arguments(element, compiler, kw)
    return f"CAST(json_agg({child} ORDER BY {order}) AS TEXT)"


@compiles(_json_list, "mysql", "mariadb")
def _mysql(element: Any, compiler: Any, **kw: Any) -> str:
    # MySQL's JSON_ARRAYAGG has no order. The session's group_concat_max_len is set when the connection is made.
    child, order = _arguments(element, compiler, kw)
    return f"CONCAT('[', GROUP_CONCAT(JSON_QUOTE({child}) ORDER BY {order} SEPARATOR ','), ']')"


@dataclasses.dataclass(frozen=True)
class Hanging:
    """Rows that hang on others: ``child`` is what is to be known of each, ``parent`` is the id of what it hangs on."""

    parent: InstrumentedAttribute[Any]
    child: Any
    order: Sequence[InstrumentedAttribute[Any]]

    def on(self, model: Any) -> ScalarSelect[Any]:
        """A column for a statement that selects rows of ``model``."""
        mine = select(_json_list(self.child, *self.order)).where(self.parent == model.id)
        return mine.limit(1).correlate(model).scalar_subquery()


def items(text: str | None) -> list[str]:
    """What such a column says."""
    return msgspec.json.decode(text, type=list[str]) if text else []
