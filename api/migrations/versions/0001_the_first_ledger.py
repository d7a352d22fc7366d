"""The first ledger"""

import sqlalchemy as sa
from alembic import op

from api.models import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "generation_jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "queued",
                "processing",
                "cancelling",
                "completed",
                "failed",
                "cancelled",
                name="jobstatus",
                native_enum=False,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("progress", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("crashes", sa.Integer(), nullable=False),
        sa.Column("flow_run_id", sa.Uuid(), nullable=True),
        sa.Column("owner_id", sa.String(), nullable=False),
        sa.Column("idempotency_key", sa.String(), nullable=True),
        sa.Column("request_sha256", sa.String(), nullable=True),
        sa.Column("max_cost_micros", sa.Integer(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("options", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("film", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("storyboard", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("given", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("integrity", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("script", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("owner_id", "idempotency_key"),
    )
    with op.batch_alter_table("generation_jobs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_generation_jobs_flow_run_id"), ["flow_run_id"], unique=False)
        batch_op.create_index(
            "ix_jobs_live",
            ["status", "created_at"],
            unique=False,
            postgresql_where=sa.text("status IN ('cancelling', 'processing', 'queued')"),
            sqlite_where=sa.text("status IN ('cancelling', 'processing', 'queued')"),
        )
        batch_op.create_index("ix_jobs_owner_newest", ["owner_id", "created_at", "id"], unique=False)

    op.create_table(
        "attempts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("scene_number", sa.Integer(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("take", sa.Integer(), nullable=False),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "intended",
                "doubted",
                "submitted",
                "completed",
                "failed",
                "refused",
                "lost",
                "unknown",
                "abandoned",
                name="attemptstate",
                native_enum=False,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("request", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("callback_url", sa.String(), nullable=True),
        sa.Column("generation_id", sa.String(), nullable=True),
        sa.Column("cost_micros", sa.Integer(), nullable=False),
        sa.Column("refunded", sa.Boolean(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("clip", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("intended_at", UtcDateTime(), nullable=False),
        sa.Column("submitted_at", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("rang_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["generation_jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("generation_id"),
        sa.UniqueConstraint("token"),
    )
    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_attempts_rang_at"), ["rang_at"], unique=False)
        batch_op.create_index("ix_attempts_scene", ["job_id", "scene_number"], unique=False)
        batch_op.create_index(
            "ux_attempts_open",
            ["job_id", "scene_number"],
            unique=True,
            postgresql_where=sa.text("state IN ('doubted', 'intended', 'submitted')"),
            sqlite_where=sa.text("state IN ('doubted', 'intended', 'submitted')"),
        )

    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["generation_jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_outbox_job_id"), ["job_id"], unique=False)

    op.create_table(
        "scenes",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=True),
        sa.Column("end", sa.Integer(), nullable=True),
        sa.Column("duration_seconds", sa.Float(), nullable=False),
        sa.Column("cost_micros", sa.Integer(), nullable=False),
        sa.Column(
            "status",
            sa.Enum("pending", "generating", "completed", "failed", name="scenestatus", native_enum=False, length=16),
            nullable=False,
        ),
        sa.Column("take", sa.Integer(), nullable=False),
        sa.Column("chosen_attempt_id", sa.Uuid(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["generation_jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "number"),
    )
    op.create_table(
        "videos",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.String(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("script", sa.Text(), nullable=False),
        sa.Column("video_url", sa.Text(), nullable=True),
        sa.Column("generation_id", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("storyboard", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("video_data", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["generation_jobs.id"], ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("owner_id", "job_id"),
    )
    with op.batch_alter_table("videos", schema=None) as batch_op:
        batch_op.create_index("ix_videos_owner_newest", ["owner_id", "created_at", "id"], unique=False)


def downgrade() -> None:
    """Back."""
    with op.batch_alter_table("videos", schema=None) as batch_op:
        batch_op.drop_index("ix_videos_owner_newest")

    op.drop_table("videos")
    op.drop_table("scenes")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_outbox_job_id"))

    op.drop_table("outbox")
    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.drop_index(
            "ux_attempts_open",
            postgresql_where=sa.text("state IN ('doubted', 'intended', 'submitted')"),
            sqlite_where=sa.text("state IN ('doubted', 'intended', 'submitted')"),
        )
        batch_op.drop_index("ix_attempts_scene")
        batch_op.drop_index(batch_op.f("ix_attempts_rang_at"))

    op.drop_table("attempts")
    with op.batch_alter_table("generation_jobs", schema=None) as batch_op:
        batch_op.drop_index("ix_jobs_owner_newest")
        batch_op.drop_index(
            "ix_jobs_live",
            postgresql_where=sa.text("status IN ('cancelling', 'processing', 'queued')"),
            sqlite_where=sa.text("status IN ('cancelling', 'processing', 'queued')"),
        )
        batch_op.drop_index(batch_op.f("ix_generation_jobs_flow_run_id"))

    op.drop_table("generation_jobs")
