"""Events that say whose they are and when the next try is; a VIP's port that no two load balancers can have."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

TIMESTAMP = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """New columns are null in old events; those of load balancers that still exist get their project."""
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.add_column(sa.Column("project_id", sa.String(length=36), nullable=True))
        batch_op.add_column(sa.Column("attempts", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("next_try_at", TIMESTAMP, nullable=True))
    op.execute(
        "UPDATE event SET project_id = (SELECT load_balancer.project_id FROM load_balancer "
        "WHERE load_balancer.id = event.load_balancer_id)"
    )
    op.create_index("uq_load_balancer_vip_port_id", "load_balancer", ["vip_port_id"], unique=True)
