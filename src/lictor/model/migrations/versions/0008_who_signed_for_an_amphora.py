"""Who signed an amphora's certificate, and whose clients it obeys: so that authorities can be changed."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Where nothing is said, it is the only authority that there was."""
    with op.batch_alter_table("amphora", schema=None) as batch_op:
        batch_op.add_column(sa.Column("papers", sa.String(length=128), nullable=True))
