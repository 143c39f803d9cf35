"""Workers ask many times a second which load balancers need work: an index answers, whatever their number."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A column that the database keeps by itself."""
    # PostgreSQL 15 has stored columns only; SQLite can add virtual ones only.
    stored = True if op.get_bind().dialect.name == "postgresql" else None
    always = sa.Computed("generation <> observed_generation", persisted=stored)
    op.add_column("load_balancer", sa.Column("unsettled", sa.Boolean(), always, nullable=True))
    op.drop_index("ix_load_balancer_work", "load_balancer")
    op.create_index("ix_load_balancer_work", "load_balancer", ["unsettled", "retry_at_ms"])
