"""Load balancers know when they were written to themselves, and up to which generation that was told of."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of those that are there nothing is told afterwards, but for those that are just being made."""
    op.add_column("load_balancer", sa.Column("own_generation", sa.BigInteger(), nullable=False, server_default="1"))
    op.add_column("load_balancer", sa.Column("told_generation", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute("UPDATE load_balancer SET told_generation = generation WHERE provisioning_status <> 'PENDING_CREATE'")
