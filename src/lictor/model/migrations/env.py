"""Alembic's entry: it runs in the transaction of the connection that ``lictor.model.schema`` hands over."""

from alembic import context

from lictor.model import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    # SQLite cannot alter a table; Alembic then copies it.
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
