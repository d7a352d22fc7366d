"""What people ask of jobs: make, read, list, cancel, retry, another take."""

import asyncio
import hashlib
import logging
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import and_, bindparam, or_, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from api.models import LOCAL_USER, AttemptRow, GenerationJob, OutboxRow
from api.records.base import Change, JobNotFound, MoveRefused, Records, SceneNotFound, restart, retry
from api.records.bodies import Body
from api.records.ledger import title_of
from api.schemas import JobList
from api.states import JobStatus, Move, SceneStatus
from api.views import summary
from tasks import metrics
from tasks.clock import now
from tasks.ledger import AttemptState
from tasks.options import VideoOptions

log = logging.getLogger("storyreel.ledger")

_LISTED: Final = (
    "id", "title", "status", "progress", "step", "film", "flow_run_id", "error", "created_at", "ended_at",
)  # fmt: skip
_ATTEMPTS: Final = AttemptRow.metadata.tables["attempts"]
_RING: Final = (  # of the bare table: nothing in a session is to be kept in step with it
    update(_ATTEMPTS)
    .where(_ATTEMPTS.c.token == bindparam("theirs"))
    .values(rang_at=bindparam("moment"))
    .returning(_ATTEMPTS.c.job_id, _ATTEMPTS.c.scene_number, _ATTEMPTS.c.id)
)
_NOT_OURS: Final = "That cursor is not one of ours: use the “next” of the page before."


class KeyReused(Exception):
    """An idempotency key came again with another body."""


class BadCursor(ValueError):
    """A cursor that no list of ours gave out."""


@dataclass(frozen=True, slots=True)
class NewJob:
    """What a new job is made of."""

    script: str
    options: VideoOptions
    title: str | None = None
    given: list[dict[str, Any]] | None = None
    integrity: dict[str, Any] | None = None
    max_cost_micros: int | None = None
    owner_id: str = LOCAL_USER
    idempotency_key: str | None = None

    def digest(self) -> str:
        """SHA-256 of what was asked, to tell a repeated request from another under the same key."""
        options, confirmed = self.options.model_dump(mode="json"), self.integrity is not None
        asked = [self.script, options, self.title, self.given, self.max_cost_micros, confirmed]
        return hashlib.sha256(orjson.dumps(asked)).hexdigest()


def _job(new: NewJob) -> GenerationJob:
    return GenerationJob(
        title=new.title or title_of(new.script),
        script=new.script,
        options=new.options.model_dump(mode="json", by_alias=True),
        given=new.given,
        integrity=new.integrity,
        max_cost_micros=new.max_cost_micros,
        owner_id=new.owner_id,
        idempotency_key=new.idempotency_key,
        request_sha256=new.digest() if new.idempotency_key else None,
    )


class Jobs(Records):
    """Jobs as the API's callers see them; every method knows whose they are."""

    async def create(self, new: NewJob) -> tuple[UUID, JobStatus, bool]:
        """Job and outbox row in one transaction → id, status and whether it is new. Raises `KeyReused`."""
        try:
            job_id, status = await self._insert(new)
        except IntegrityError:  # the same key at the same moment, or before
            return await self._same(new)
        metrics.JOBS_ACCEPTED.inc()
        log.info("job is accepted", extra={"job": job_id})
        return job_id, status, True

    async def _insert(self, new: NewJob) -> tuple[UUID, JobStatus]:
        job = _job(new)
        self.publish(job)
        async with self.database.writing() as session:
            session.add(job)
            await session.flush()  # the outbox row refers to it
            session.add(OutboxRow(job_id=job.id, run=job.run, kind="start"))
            return job.id, job.status

    async def _same(self, new: NewJob) -> tuple[UUID, JobStatus, bool]:
        mine = select(GenerationJob).where(
            GenerationJob.owner_id == new.owner_id, GenerationJob.idempotency_key == new.idempotency_key
        )
        async with self.database.reading() as session:
            job = (await session.exec(mine)).one()
        if job.request_sha256 != new.digest():
            raise KeyReused
        return job.id, job.status, False

    async def body(self, job_id: UUID, owner_id: str = LOCAL_USER) -> Body:
        """One key read, shared with all who ask meanwhile. Raises `JobNotFound`."""
        found = await self.bodies.get(job_id)
        if found is None or found.owner_id != owner_id:
            raise JobNotFound
        return found.body

    async def newer(self, seen: dict[UUID, int]) -> dict[UUID, Body]:
        """Of the jobs in `seen` (id → revision) those whose revision is another by now."""
        revisions = select(GenerationJob.id, GenerationJob.revision).where(col(GenerationJob.id).in_(seen))
        changed = [job for job, revision in await self.database.rows(revisions) if revision != seen[job]]
        found = await asyncio.gather(*map(self.bodies.get, changed))  # one read
        return {job: owned.body for job, owned in zip(changed, found, strict=True) if owned}

    async def script(self, job_id: UUID, owner_id: str = LOCAL_USER) -> str:
        """The script of a job. Raises `JobNotFound`."""
        query = select(GenerationJob.script).where(GenerationJob.id == job_id, GenerationJob.owner_id == owner_id)
        rows = await self.database.rows(query)
        if not rows:
            raise JobNotFound
        return str(rows[0].script)

    async def jobs(self, limit: int, cursor: str | None = None, owner_id: str = LOCAL_USER) -> JobList:
        """A page, newest first. Raises `BadCursor`."""
        columns = [getattr(GenerationJob, name) for name in _LISTED]
        query = select(*columns).where(GenerationJob.owner_id == owner_id)
        query = newest_first(query, GenerationJob, cursor).limit(limit + 1)
        rows: Sequence[Any] = await self.database.rows(query)
        after = cursor_of(rows[limit - 1]) if len(rows) > limit else None
        return JobList(jobs=[summary(row) for row in rows[:limit]], next=after)

    async def cancel(self, job_id: UUID, owner_id: str = LOCAL_USER) -> JobStatus:
        """Ask for the end of a job. Raises `JobNotFound`, `MoveRefused`."""
        async with self.changing(job_id) as change:
            _own(change, owner_id)
            if change.job.status is JobStatus.QUEUED and change.job.flow_run_id is None:
                change.move(Move.CANCELLED)
            elif change.job.status is not JobStatus.CANCELLING:
                change.move(Move.CANCEL)
                change.session.add(OutboxRow(job_id=job_id, run=change.job.run, kind="cancel"))
            return change.job.status

    async def retry(
        self, job_id: UUID, prompts: Mapping[int, str] | None = None, owner_id: str = LOCAL_USER
    ) -> JobStatus:
        """Start the next run: it makes what is missing and nothing else. `prompts` are new ones of such scenes.

        Raises `JobNotFound`, `MoveRefused`.
        """
        async with self.changing(job_id) as change:
            _own(change, owner_id)
            retry(change, prompts)
            send(change)
            return change.job.status

    async def regenerate(self, job_id: UUID, number: int, prompt: str | None, owner_id: str = LOCAL_USER) -> JobStatus:
        """Another take of one scene, beside the earlier ones. Raises `JobNotFound`, `SceneNotFound`, `MoveRefused`."""
        async with self.changing(job_id) as change:
            _own(change, owner_id)
            scene = next((scene for scene in change.scenes if scene.number == number), None)
            if scene is None:
                raise SceneNotFound(f"This job has no scene {number}.")
            restart(change)
            send(change)
            running = change.open_attempt(number)
            if running:  # of a cancelled run: spent, but of a take that nobody waits for any more
                running.state = AttemptState.ABANDONED if running.generation_id else AttemptState.UNKNOWN
                running.ended_at = now()
            scene.take, scene.status, scene.error, scene.error_code = scene.take + 1, SceneStatus.PENDING, None, None
            scene.prompt = prompt or scene.prompt
            return change.job.status

    async def choose(self, job_id: UUID, number: int, attempt_id: UUID, owner_id: str = LOCAL_USER) -> JobStatus:
        """Show an earlier take and join the film again. Raises `JobNotFound`, `SceneNotFound`, `MoveRefused`."""
        async with self.changing(job_id) as change:
            _own(change, owner_id)
            attempt = next((a for a in change.attempts if a.id == attempt_id and a.scene_number == number), None)
            if attempt is None or attempt.clip is None:
                raise SceneNotFound(f"Scene {number} of this job has no such take with a clip.")
            if any(scene.status is SceneStatus.PENDING for scene in change.scenes):  # the next run would pay for them
                raise MoveRefused(change.job.status, Move.RESTART, "Some scenes were never made: retry the job first.")
            restart(change)
            send(change)
            scene = change.scene(number)
            scene.chosen_attempt_id, scene.status = attempt_id, SceneStatus.COMPLETED
            scene.error, scene.error_code = None, None
            return change.job.status

    async def ring(self, token: str) -> None:
        """Luma's callback rang: note the moment and nothing else; an unknown token changes nothing."""
        async with self.database.writing() as session:
            rung = (await session.exec(_RING, params={"theirs": token, "moment": now()})).first()
        if rung:
            log.info("callback rang", extra=dict(zip(("job", "scene", "attempt"), rung, strict=True)))


def send(change: Change) -> None:
    """Ask Prefect for the present run of a queued job."""
    job = change.job
    job.flow_run_id = None
    change.session.add(OutboxRow(job_id=job.id, run=job.run, kind="start"))


def _own(change: Change, owner_id: str) -> None:
    if change.job.owner_id != owner_id:
        raise JobNotFound


def newest_first(query: Any, table: Any, cursor: str | None) -> Any:
    """Order by creation, newest first, beginning after the cursor."""
    if cursor:
        moment, row_id = _place(cursor)
        older = and_(table.created_at == moment, table.id < row_id)
        query = query.where(or_(table.created_at < moment, older))
    return query.order_by(table.created_at.desc(), table.id.desc())


def cursor_of(row: Any) -> str:
    """The cursor that goes on after this row."""
    return urlsafe_b64encode(f"{row.created_at.isoformat()} {row.id}".encode()).decode().rstrip("=")


def _place(cursor: str) -> tuple[datetime, UUID]:
    try:
        moment, row_id = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().split(" ")
        place = datetime.fromisoformat(moment), UUID(row_id)
    except ValueError as error:
        raise BadCursor(_NOT_OURS) from error
    if place[0].utcoffset() != timedelta():
        raise BadCursor(_NOT_OURS)
    return place
