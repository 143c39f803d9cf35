"""Load balancers know since when they need work, and the ids of the requests that wait to be applied."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What needs work now is taken to need it from the moment that somebody looks: 0."""
    op.add_column("load_balancer", sa.Column("work_since_ms", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("load_balancer", sa.Column("requests", sa.String(length=500), nullable=False, server_default=""))
