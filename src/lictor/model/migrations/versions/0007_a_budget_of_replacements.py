"""Replacements of amphorae have a reason and a budget; a roll remembers what it is to replace."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Whatever is condemned already was so by an administrator, or is found dead again."""
    with op.batch_alter_table("amphora", schema=None) as batch_op:
        batch_op.add_column(sa.Column("condemned_by", sa.String(length=16), nullable=True))
        batch_op.add_column(sa.Column("condemned_why", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("replacing_ms", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("roll_id", sa.String(length=36), nullable=True))
    op.create_index("ix_amphora_replacing_ms", "amphora", ["replacing_ms"])
    op.create_index("ix_amphora_roll_id", "amphora", ["roll_id"])
    op.create_table(
        "replacement",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("load_balancer_id", sa.String(length=36), nullable=False),
        sa.Column("amphora_id", sa.String(length=36), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replacement")),
    )
    op.create_index("ix_replacement_load_balancer_id", "replacement", ["load_balancer_id"])
    op.create_index("ix_replacement_started_ms", "replacement", ["started_ms"])
    op.create_table(
        "replacement_budget",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("holds", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_replacement_budget")),
    )
    op.create_table(
        "roll",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=False),
        sa.Column("wanted", sa.Text(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roll")),
    )
    op.create_index("ix_roll_started_ms", "roll", ["started_ms"])
