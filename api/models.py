"""The ledger's tables. Only `api.records` reads or writes them."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar, Final
from uuid import UUID, uuid4

from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Dialect,
    Enum,
    Index,
    Integer,
    LargeBinary,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from api.states import LIVE, JobStatus, SceneStatus
from tasks.clock import now
from tasks.ledger import OPEN_ATTEMPTS, AttemptState

LOCAL_USER = "local"


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime on every database; SQLite keeps no zone of its own."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC; a naive datetime is a mistake and raises."""
        if value is not None and value.tzinfo is None:
            raise ValueError("a datetime of the ledger needs a zone")
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Aware again."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


_JSON = JSON(none_as_null=True)


def _enum(kind: type[StrEnum]) -> Any:
    """Text in the database, a member of the enumeration in Python."""
    return Enum(
        kind, native_enum=False, length=16, values_callable=lambda members: [member.value for member in members]
    )


def _in(column: str, states: frozenset[Any]) -> Any:
    return text(f"{column} IN ({', '.join(repr(str(state)) for state in sorted(states))})")


# In the very words of the partial indexes: SQLite takes them for nothing else, bound values least of all.
LIVE_ROWS: Final = _in("generation_jobs.status", LIVE)
OPEN_ROWS: Final = _in("attempts.state", OPEN_ATTEMPTS)
COMPLETED_ROWS: Final = text(f"attempts.state = '{AttemptState.COMPLETED}'")

# SQLAlchemy raises this counter with every UPDATE and guards it: `WHERE id = … AND revision = …`.
_REVISION: Column[int] = Column("revision", Integer, nullable=False)


class GenerationJob(SQLModel, table=True):
    """What a frontend, an operator or a terminal asked for: one script, one film."""

    __tablename__ = "generation_jobs"
    __table_args__ = (
        Index("ix_jobs_owner_newest", "owner_id", "created_at", "id"),
        Index(
            "ix_jobs_live",
            "status",
            "created_at",
            postgresql_where=_in("status", LIVE),
            sqlite_where=_in("status", LIVE),
        ),
        UniqueConstraint("owner_id", "idempotency_key"),
    )
    __mapper_args__: ClassVar[dict[str, Any]] = {"version_id_col": _REVISION}

    # Small columns first: SQLite walks over the long ones to reach what stands behind them.
    id: UUID = Field(default_factory=uuid4, primary_key=True)
    revision: int = Field(default=None, sa_column=_REVISION)
    """Rises with every change: the ETag and the event id."""
    status: JobStatus = Field(default=JobStatus.QUEUED, sa_type=_enum(JobStatus))
    progress: int = 0
    """Percent; never falls within a run."""
    step: str = ""
    """What the job is doing, in words."""
    run: int = 1
    """Which of the job's runs this is; a requested retry starts the next."""
    crashes: int = 0
    """How often a run of this job was given up by Prefect and begun anew, since somebody last asked for it."""
    flow_run_id: UUID | None = Field(default=None, index=True)
    owner_id: str = LOCAL_USER
    idempotency_key: str | None = None
    request_sha256: str | None = None
    max_cost_micros: int | None = None
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    updated_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    title: str
    error_code: str | None = None
    error: str | None = Field(default=None, sa_type=Text)
    body: bytes = Field(default=b"", sa_type=LargeBinary)
    """The JSON that a poll is answered with, written with what it shows."""
    options: dict[str, Any] = Field(sa_type=_JSON)
    film: dict[str, Any] | None = Field(default=None, sa_type=_JSON)
    storyboard: dict[str, Any] | None = Field(default=None, sa_type=_JSON)
    """Strategy, passed-over strategies, style and setting; the scenes have their own table."""
    given: list[dict[str, Any]] | None = Field(default=None, sa_type=_JSON)
    """The storyboard the caller sent, if any."""
    integrity: dict[str, Any] | None = Field(default=None, sa_type=_JSON)
    """What the writer confirmed: script hash, moment, wording."""
    script: str = Field(sa_type=Text)


class SceneRow(SQLModel, table=True):
    """One planned scene of a job and where its present take stands."""

    __tablename__ = "scenes"

    job_id: UUID = Field(primary_key=True, foreign_key="generation_jobs.id", ondelete="CASCADE")
    number: int = Field(primary_key=True)
    description: str = Field(sa_type=Text)
    prompt: str = Field(sa_type=Text)
    start: int | None = None
    end: int | None = None
    duration_seconds: float
    cost_micros: int
    """What one attempt is expected to cost."""
    status: SceneStatus = Field(default=SceneStatus.PENDING, sa_type=_enum(SceneStatus))
    take: int = 1
    chosen_attempt_id: UUID | None = None
    """The attempt whose clip the film shows; a new take leaves it until it has a clip of its own."""
    error: str | None = Field(default=None, sa_type=Text)
    error_code: str | None = None


class AttemptRow(SQLModel, table=True):
    """One try to get one scene from Luma: at most one paid generation."""

    __tablename__ = "attempts"
    __table_args__ = (
        Index("ix_attempts_scene", "job_id", "scene_number"),
        Index("ix_attempts_intended", "intended_at"),
        Index(
            "ix_attempts_completed",
            "ended_at",
            postgresql_where=text(f"state = '{AttemptState.COMPLETED}'"),
            sqlite_where=text(f"state = '{AttemptState.COMPLETED}'"),
        ),
        Index(
            "ux_attempts_open",
            "job_id",
            "scene_number",
            unique=True,
            postgresql_where=_in("state", OPEN_ATTEMPTS),
            sqlite_where=_in("state", OPEN_ATTEMPTS),
        ),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    job_id: UUID = Field(foreign_key="generation_jobs.id", ondelete="CASCADE")
    scene_number: int
    run: int
    take: int
    token: str = Field(unique=True)
    state: AttemptState = Field(default=AttemptState.INTENDED, sa_type=_enum(AttemptState))
    request: dict[str, Any] = Field(sa_type=_JSON)
    callback_url: str | None = None
    generation_id: str | None = Field(default=None, unique=True)
    cost_micros: int = 0
    refunded: bool = False
    error: str | None = Field(default=None, sa_type=Text)
    clip: dict[str, Any] | None = Field(default=None, sa_type=_JSON)
    intended_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    submitted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    rang_at: datetime | None = Field(default=None, sa_type=UtcDateTime, index=True)
    """When Luma's callback last rang for it: a hint to ask, never believed."""


class OutboxRow(SQLModel, table=True):
    """Something Prefect has yet to be told; deleted once it has been."""

    __tablename__ = "outbox"

    id: int | None = Field(default=None, primary_key=True)
    job_id: UUID = Field(foreign_key="generation_jobs.id", ondelete="CASCADE", index=True)
    run: int
    kind: str
    """`start` or `cancel`."""
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)


class AccountHold(SQLModel, table=True):
    """Luma refuses an account: why all its jobs wait. One row per account, as long as that lasts."""

    __tablename__ = "account_holds"

    account: str = Field(primary_key=True)
    id: UUID
    """Of this hold, so that an old process can't end a newer one."""
    code: str
    reason: str = Field(sa_type=Text)
    since: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    needed_micros: int | None = None
    """What the create would have cost that Luma refused; none when it refused a question."""


class GateRow(SQLModel, table=True):
    """What a process with scenes to make has of the account's limits, as it told last."""

    __tablename__ = "gates"

    id: UUID = Field(primary_key=True)
    owner: str
    waiting: int
    jobs: int
    held: dict[str, int] = Field(sa_type=_JSON)
    leases: list[list[Any]] = Field(sa_type=_JSON)
    told_at: datetime = Field(sa_type=UtcDateTime)


class Video(SQLModel, table=True):
    """A film in a person's library."""

    __tablename__ = "videos"
    __table_args__ = (
        Index("ix_videos_owner_newest", "owner_id", "created_at", "id"),
        UniqueConstraint("owner_id", "job_id"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    owner_id: str = LOCAL_USER
    job_id: UUID | None = Field(default=None, foreign_key="generation_jobs.id", ondelete="SET NULL")
    title: str
    script: str = Field(sa_type=Text)
    video_url: str | None = Field(default=None, sa_type=Text)
    generation_id: str | None = None
    status: str
    storyboard: Any = Field(default=None, sa_type=_JSON, nullable=True)
    video_data: Any = Field(default=None, sa_type=_JSON, nullable=True)
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
