"""What the last heartbeat told is known by its digest, and an amphora that fell silent is marked for the loop."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing was told and nobody is silent yet: the next heartbeat of each amphora is compared with the rows."""
    for name in ("told", "counted"):
        op.add_column("amphora_health", sa.Column(name, sa.String(length=32), nullable=False, server_default=""))
    op.add_column("amphora_health", sa.Column("silent_since_ms", sa.BigInteger(), nullable=False, server_default="0"))
