"""A thousand load balancers like one that is ACTIVE, made in the database: a thousand requests would take minutes."""

import uuid
from typing import Any

from sqlalchemy import Connection, MetaData, Table, create_engine, select

BATCH = 100


def copy(url: str, tables: dict[str, str], load_balancer_id: str, project: str, count: int) -> None:
    """Copy one load balancer's rows ``count`` times into a project.

    ``tables`` are its tables, parents first, and the column of each that names the load balancer. Whatever identifies
    an object, in whichever column, is made anew in each copy.
    """
    engine = create_engine(url)
    metadata = MetaData()
    metadata.reflect(engine, only=list(tables))
    with engine.begin() as connection:
        rows = [
            (metadata.tables[name], _rows(connection, metadata.tables[name], column, load_balancer_id))
            for name, column in tables.items()
        ]
        ids = {
            row[name] for _, each in rows for row in each for name in ("id", "vip_port_id", "port_id") if row.get(name)
        }
        for start in range(0, count, BATCH):
            new = [{old: str(uuid.uuid4()) for old in ids} for _ in range(min(BATCH, count - start))]
            for table, each in rows:
                copies = [_copy(row, known, project) for known in new for row in each]
                if copies:
                    connection.execute(table.insert(), copies)
    engine.dispose()


def _rows(connection: Connection, table: Table, column: str, load_balancer_id: str) -> list[dict[str, Any]]:
    query = select(*(each for each in table.columns if each.computed is None))
    if column == "pool_id":
        pool = table.metadata.tables["pool"]
        query = query.where(table.c.pool_id.in_(select(pool.c.id).where(pool.c.load_balancer_id == load_balancer_id)))
    else:
        query = query.where(table.c[column] == load_balancer_id)
    return [dict(row._mapping) for row in connection.execute(query)]


def _copy(row: dict[str, Any], known: dict[str, str], project: str) -> dict[str, Any]:
    new = {name: known.get(value, value) if isinstance(value, str) else value for name, value in row.items()}
    return new | {"project_id": project} if "project_id" in new else new
