"""Each pass asks which secrets its load balancer was said to use."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No key says which load balancer it is, as such rows outlive it."""
    op.create_index("ix_secret_consumer_load_balancer_id", "secret_consumer", ["load_balancer_id"])
