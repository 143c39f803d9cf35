"""A project's quota row can be held: a column that changes with every holder."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nobody holds a row that is there already."""
    with op.batch_alter_table("quota", schema=None) as batch_op:
        batch_op.add_column(sa.Column("holds", sa.BigInteger(), nullable=False, server_default="0"))
