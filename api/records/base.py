"""One transaction over one job: lock it, change it, write the JSON that shows it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from api import states
from api.database import Database
from api.models import AttemptRow, GenerationJob, SceneRow
from api.records.bodies import Bodies
from api.records.recent import Recent
from api.records.telling import Before, tell
from api.states import MOVES, TERMINAL, JobStatus, Move, SceneStatus
from api.views import job_view
from tasks.clock import now
from tasks.ledger import OPEN_ATTEMPTS


class JobNotFound(Exception):
    """No such job, or not this person's."""


class SceneNotFound(JobNotFound):
    """The job is there, but not this scene or take of it; the message is one sentence."""


class MoveRefused(Exception):
    """The job's status does not allow that now."""

    def __init__(self, status: JobStatus, move: Move, why: str | None = None) -> None:
        super().__init__(why or f"A job that is {status} can't {_VERBS[move]}.")
        self.status, self.move = status, move


_VERBS = {
    Move.BEGIN: "begin",
    Move.CANCEL: "be cancelled",
    Move.COMPLETE: "complete",
    Move.FAIL: "fail",
    Move.CANCELLED: "end as cancelled",
    Move.REQUEUE: "be queued again",
    Move.RESTART: "be started again before it has ended",
}


@dataclass
class Change:
    """A job, locked, with its scenes and attempts; what is changed here is committed together."""

    session: AsyncSession
    job: GenerationJob
    scenes: list[SceneRow] = field(default_factory=list)
    attempts: list[AttemptRow] = field(default_factory=list)

    def move(self, move: Move) -> None:
        """Make a move, or raise `MoveRefused`."""
        if not states.allowed(move, self.job.status):
            raise MoveRefused(self.job.status, move)
        self.job.status = MOVES[move][1]
        if self.job.status in TERMINAL:
            unfinish(self.scenes)
        self.job.ended_at = now() if self.job.status in TERMINAL else None

    def scene(self, number: int) -> SceneRow:
        """The scene of this number."""
        return next(scene for scene in self.scenes if scene.number == number)

    def attempt(self, attempt_id: UUID) -> AttemptRow:
        """The attempt of this id."""
        return next(attempt for attempt in self.attempts if attempt.id == attempt_id)

    def open_attempt(self, number: int) -> AttemptRow | None:
        """The attempt that a scene still has under way."""
        return next((a for a in self.attempts if a.scene_number == number and a.state in OPEN_ATTEMPTS), None)

    def add(self, row: SceneRow | AttemptRow) -> None:
        """A new row of this job."""
        self.session.add(row)
        (self.scenes if isinstance(row, SceneRow) else self.attempts).append(row)  # type: ignore[arg-type]


class Records:
    """The database, and what every writer of a job shares."""

    def __init__(self, database: Database, *, prefect_ui: str | None = None) -> None:
        self.database = database
        self.bodies = Bodies(database)
        self._recent = Recent()
        self._prefect_ui = prefect_ui

    @asynccontextmanager
    async def changing(
        self, job_id: UUID, then: Callable[[Change], Awaitable[None]] | None = None
    ) -> AsyncIterator[Change]:
        """Lock a job for one transaction. What it shows is written with what was changed. Raises `JobNotFound`.

        `then`: what is done with the job after the block, before it is written.
        """
        async with self.database.writing() as session:
            change = await self._taken(session, job_id) or await _loaded(session, _LOCKED, job_id)
            before = Before.of(change)
            yield change
            if then:
                await then(change)
            if session.new or session.dirty or session.deleted:
                self.publish(change.job, change.scenes, change.attempts)
            await session.commit()
            session.expunge_all()
            tell(before, change)
            self._recent.keep(change)  # not after the block: who waits has connection and rows before that

    async def _taken(self, session: AsyncSession, job_id: UUID) -> Change | None:
        """The job locked, without reading what this process has written itself; who waits has not got it yet."""
        found = await session.exec(_LOCKED_REVISION, params={"job_id": job_id})
        recent = self._recent.take(job_id, found.one_or_none())
        if recent:
            session.add_all([recent.job, *recent.scenes, *recent.attempts])
            recent.session = session
        return recent

    async def snapshot(self, job_id: UUID) -> Change:
        """A job as it is, for reading only. Raises `JobNotFound`."""
        async with self.database.reading() as session:
            return await _loaded(session, _JOB, job_id)

    async def latest(self, job_id: UUID) -> Change:
        """As `snapshot`, to be read before anything is awaited; a callback's last ringing may be missing."""
        if job_id in self._recent:
            rows = await self.database.found(_REVISION, job_id=job_id)
            recent = self._recent.look(job_id, rows[0].revision if rows else None)
            if recent:
                return recent
        return await self.snapshot(job_id)

    def publish(self, job: GenerationJob, scenes: Sequence[SceneRow] = (), attempts: Sequence[AttemptRow] = ()) -> None:
        """Write progress, step and body of a changed job."""
        statuses = [scene.status for scene in scenes]
        job.progress = max(job.progress, states.progress(job.status, statuses))
        job.step = states.step(job.status, statuses)
        job.updated_at = now()
        revision = (job.revision or 0) + 1  # what the guarded UPDATE will make it
        view = job_view(job, scenes, attempts, revision=revision, prefect_ui=self._prefect_ui)
        job.body = view.model_dump_json(by_alias=True).encode()


# Made once: SQLAlchemy works out anew for each statement object which of its compiled ones it is.
_JOB: Final = select(GenerationJob).where(GenerationJob.id == bindparam("job_id"))
_LOCKED: Final = _JOB.with_for_update()
_REVISION: Final = select(GenerationJob.revision).where(GenerationJob.id == bindparam("job_id"))
_LOCKED_REVISION: Final = _REVISION.with_for_update()
_SCENES: Final = select(SceneRow).where(SceneRow.job_id == bindparam("job_id")).order_by(col(SceneRow.number))
_ATTEMPTS: Final = (
    select(AttemptRow).where(AttemptRow.job_id == bindparam("job_id")).order_by(col(AttemptRow.intended_at))
)


async def _loaded(session: AsyncSession, which: SelectOfScalar[GenerationJob], job_id: UUID) -> Change:
    of_job = {"job_id": job_id}
    job = (await session.exec(which, params=of_job)).one_or_none()
    if job is None:
        raise JobNotFound
    scenes = await session.exec(_SCENES, params=of_job)
    attempts = await session.exec(_ATTEMPTS, params=of_job)
    return Change(session, job, list(scenes), list(attempts))


def fail(change: Change, why: str, code: str) -> None:
    """End a live job without a film; one that is being cancelled ends as that."""
    if change.job.status is JobStatus.CANCELLING:
        change.move(Move.CANCELLED)
    else:
        change.move(Move.FAIL)
        change.job.error, change.job.error_code = why, code


def retry(change: Change, prompts: Mapping[int, str] | None = None) -> None:
    """Ask again for what is missing and nothing else; `prompts` are new ones of such scenes. Raises `MoveRefused`."""
    job = change.job
    if job.status is JobStatus.COMPLETED and all(scene.status is SceneStatus.COMPLETED for scene in change.scenes):
        raise MoveRefused(job.status, Move.RESTART, "This film has all its scenes: nothing to retry.")
    restart(change)
    for scene in change.scenes:
        if scene.status is not SceneStatus.COMPLETED:
            scene.status, scene.error, scene.error_code = SceneStatus.PENDING, None, None
            scene.prompt = (prompts or {}).get(scene.number, scene.prompt)


def restart(change: Change) -> None:
    """The job's next run begins from what is there. Raises `MoveRefused` while the present one lives."""
    change.move(Move.RESTART)
    job = change.job
    job.run += 1
    job.progress, job.crashes, job.error, job.error_code, job.started_at = 0, 0, None, None, None


def unfinish(scenes: list[SceneRow]) -> None:
    """Scenes of an ended job that have no clip wait again."""
    for scene in scenes:
        if scene.status is SceneStatus.GENERATING:
            scene.status = SceneStatus.PENDING
