"""Gates: what each process has of the account's limits; attempts by intent, for the creates of this minute"""

import sqlalchemy as sa
from alembic import op

from api.models import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "gates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("waiting", sa.Integer(), nullable=False),
        sa.Column("jobs", sa.Integer(), nullable=False),
        sa.Column("held", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("leases", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("told_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_attempts_intended", "attempts", ["intended_at"], unique=False)


def downgrade() -> None:
    """Back."""
    op.drop_index("ix_attempts_intended", table_name="attempts")
    op.drop_table("gates")
