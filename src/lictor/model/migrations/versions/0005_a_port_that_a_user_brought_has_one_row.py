"""A port that a user brought is of one load balancer, whichever of its VIPs it is; pools find who uses them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Ports that were brought before get their rows; of two that were accepted for one port, one has it."""
    op.create_table(
        "given_port",
        sa.Column("port_id", sa.String(length=36), nullable=False),
        sa.Column("load_balancer_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["load_balancer_id"], ["load_balancer.id"], name=op.f("fk_given_port_load_balancer_id")
        ),
        sa.PrimaryKeyConstraint("port_id", name=op.f("pk_given_port")),
    )
    op.create_index("ix_given_port_load_balancer_id", "given_port", ["load_balancer_id"])
    op.execute(
        "INSERT INTO given_port (port_id, load_balancer_id) SELECT port_id, MIN(load_balancer_id) FROM ("
        "SELECT vip_port_id AS port_id, id AS load_balancer_id FROM load_balancer "
        "WHERE NOT vip_port_owned AND vip_port_id IS NOT NULL "
        "UNION ALL SELECT port_id, load_balancer_id FROM additional_vip WHERE NOT port_owned"
        ") AS brought GROUP BY port_id"
    )
    op.create_index("ix_l7policy_redirect_pool_id", "l7policy", ["redirect_pool_id"])
    op.create_index("ix_listener_default_pool_id", "listener", ["default_pool_id"])
