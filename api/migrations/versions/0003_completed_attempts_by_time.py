"""Completed attempts by time: what generations took lately"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.create_index(
        "ix_attempts_completed",
        "attempts",
        ["ended_at"],
        unique=False,
        postgresql_where=sa.text("state = 'completed'"),
        sqlite_where=sa.text("state = 'completed'"),
    )


def downgrade() -> None:
    """Back."""
    op.drop_index("ix_attempts_completed", table_name="attempts")
