"""The database server's clock, the only one that all processes share: leases and retry times are compared with it.

Milliseconds since 1970 as an integer, because the four databases agree on nothing else with a fraction.
"""

import datetime
from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class clock_ms(FunctionElement[int]):  # noqa: N801 - reads as an SQL function where it is used
    """SQL expression: the server's time at the statement, in milliseconds since 1970."""

    type = BigInteger()
    name = "clock_ms"
    inherit_cache = True


def moment(milliseconds: int) -> datetime.datetime:
    """A time of this clock as the API prints times: in UTC without a zone."""
    return datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC).replace(tzinfo=None)


@compiles(clock_ms, "sqlite")
def _sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    return "CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER)"


@compiles(clock_ms, "postgresql")
def _postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"


@compiles(clock_ms, "mysql", "mariadb")
def _mysql(element: Any, compiler: Any, **kw: Any) -> str:
    return "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)"
