"""On MySQL and MariaDB too, what needs work is stored in the row.

InnoDB computes a virtual column anew for readers of an index on it that meet an entry of which versions differ. With
MariaDB 10.11.19 on a busy machine such readers were seen to miss, for a moment, a load balancer that needed work.
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One statement, so that it happens wholly or not at all. PostgreSQL stores it already; SQLite has no such removal."""
    if op.get_bind().dialect.name in ("mysql", "mariadb"):
        op.execute(
            "ALTER TABLE load_balancer DROP INDEX ix_load_balancer_work, DROP COLUMN unsettled, "
            "ADD COLUMN unsettled BOOL GENERATED ALWAYS AS (generation <> observed_generation) STORED, "
            "ADD INDEX ix_load_balancer_work (unsettled, retry_at_ms)"
        )
