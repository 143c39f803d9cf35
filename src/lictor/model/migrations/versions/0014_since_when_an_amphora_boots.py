"""Since when an amphora's instance has been booting, by the database's clock: a slow boot is told from a failed one."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of those that boot just now that is not known: they get no more time than an amphora that runs."""
    op.add_column("amphora", sa.Column("booted_ms", sa.BigInteger(), nullable=True))
