"""What the flow and its tasks tell the ledger: implements the protocols of `tasks.ledger`."""

import logging
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from api.models import AttemptRow, GenerationJob, SceneRow, Video
from api.records.base import Change, JobNotFound, MoveRefused, fail, retry
from api.records.patience import patient
from api.records.together import Shared
from api.states import ATTEMPT_MOVES, TERMINAL, JobStatus, Move, SceneStatus
from tasks import metrics
from tasks.clock import now
from tasks.ledger import (
    OPEN_ATTEMPTS,
    Attempt,
    AttemptState,
    Clip,
    Film,
    GenerationClaimed,
    JobCancelled,
    JobState,
    SceneState,
    StoredFile,
    Superseded,
)
from tasks.media import media_url
from tasks.options import VideoOptions
from tasks.storyboard import Storyboard

log = logging.getLogger("storyreel.ledger")

_RUNG: Final = select(AttemptRow.token, AttemptRow.rang_at).where(col(AttemptRow.rang_at) > bindparam("since"))
_TITLE: Final = 60  # characters of a title made from the script
_NO_TITLE: Final = re.compile(r"(?i)^\s*(?:title:|#{1,6}(?=\s))")  # Fountain's title page, a heading of Markdown


class Ledger(Shared):
    """Moves of jobs, scenes and attempts; each method is one transaction, told again when its answer is lost."""

    @patient
    async def begin(
        self,
        job_id: UUID,
        flow_run_id: UUID,
        script: str,
        title: str | None,
        options: VideoOptions,
        *,
        asked_again: bool = False,
    ) -> JobState:
        """See `JobLedger.begin`."""
        try:
            return await self._begin(job_id, flow_run_id, asked_again=asked_again)
        except JobNotFound:
            with suppress(IntegrityError):  # the same run begun twice at the same moment: one of them made the job
                await self._adopt_run(job_id, script, title, options)
            return await self._begin(job_id, flow_run_id)

    async def _begin(self, job_id: UUID, flow_run_id: UUID, *, asked_again: bool = False) -> JobState:
        async with self.changing(job_id) as change:
            job = change.job
            if asked_again and job.status in TERMINAL and job.flow_run_id == flow_run_id:
                with suppress(MoveRefused):  # its film has all its scenes
                    retry(change)
            if job.status in (JobStatus.CANCELLING, JobStatus.CANCELLED):
                raise JobCancelled
            if job.flow_run_id not in (None, flow_run_id):
                raise Superseded
            if job.status not in TERMINAL:
                change.move(Move.BEGIN)
                job.flow_run_id = flow_run_id
                job.started_at = job.started_at or now()
            return _job_state(change)

    async def _adopt_run(self, job_id: UUID, script: str, title: str | None, options: VideoOptions) -> None:
        """A run that was started without the API: its job is made now."""
        job = GenerationJob(
            id=job_id,
            title=title or title_of(script),
            script=script,
            options=options.model_dump(mode="json", by_alias=True),
        )
        self.publish(job)
        async with self.database.writing() as session:
            session.add(job)
        metrics.JOBS_ACCEPTED.inc()
        log.info("job is made for a run that was started without one", extra={"job": job_id})

    @patient
    async def planned(self, job_id: UUID, storyboard: Storyboard, scene_cost_micros: int) -> JobState:
        """See `JobLedger.planned`."""
        async with self.changing(job_id) as change:
            _wanted(change)
            if not change.scenes:
                change.job.storyboard = storyboard.model_dump(mode="json", by_alias=True, exclude={"scenes"})
                for scene in storyboard.scenes:
                    change.add(SceneRow(job_id=job_id, cost_micros=scene_cost_micros, **scene.model_dump()))
            return _job_state(change)

    @patient
    async def job(self, job_id: UUID) -> JobState:
        """The job now, as the flow sees it. Raises `JobNotFound`."""
        return _job_state(await self.latest(job_id))

    @patient
    async def scene(self, job_id: UUID, number: int) -> SceneState:
        """See `SceneLedger.scene`."""
        change = await self.latest(job_id)
        _wanted(change)
        return _scene_state(change, change.scene(number))

    @patient
    async def intend(self, job_id: UUID, number: int, request: dict[str, object], callback_base: str | None) -> Attempt:
        """See `SceneLedger.intend`."""
        token = secrets.token_urlsafe(24)
        async with self.together(job_id) as change:
            _wanted(change)
            if change.open_attempt(number):
                raise Superseded
            scene = change.scene(number)
            attempt = AttemptRow(
                job_id=job_id,
                scene_number=number,
                run=change.job.run,
                take=scene.take,
                token=token,
                callback_url=f"{callback_base}/{token}" if callback_base else None,
                request=request,
                cost_micros=scene.cost_micros,
            )
            change.add(attempt)
            scene.status, scene.error, scene.error_code = SceneStatus.GENERATING, None, None
            return attempt_of(attempt)

    @patient
    async def doubted(self, attempt: Attempt, why: str) -> None:
        """See `SceneLedger.doubted`; one that another process has looked for in vain meanwhile was sent after that."""
        async with self.together(attempt.job_id) as change:
            late = change.attempt(attempt.id).state is AttemptState.LOST
            _moved(change, attempt, AttemptState.UNKNOWN if late else AttemptState.DOUBTED, error=why)
        if late:
            raise Superseded

    @patient
    async def submitted(self, attempt: Attempt, generation_id: str) -> None:
        """See `SceneLedger.submitted`."""
        try:
            in_time = await self._gave_id(attempt, generation_id)
        except IntegrityError as error:
            raise GenerationClaimed from error
        if not in_time:
            raise Superseded

    async def _gave_id(self, attempt: Attempt, generation_id: str) -> bool:
        """Keep the id, which is money, also when the attempt was given up meanwhile; whether it was not."""
        async with self.together(attempt.job_id) as change:
            row = change.attempt(attempt.id)
            if row.generation_id is not None:
                return row.generation_id == generation_id and row.state is not AttemptState.ABANDONED
            in_time = row.state in ATTEMPT_MOVES[AttemptState.SUBMITTED]
            row.state = AttemptState.SUBMITTED if in_time else AttemptState.ABANDONED
            row.generation_id, row.submitted_at, row.error = generation_id, now(), None
            return in_time

    @patient
    async def failed(self, attempt: Attempt, why: str, *, refunded: bool) -> None:
        """See `SceneLedger.failed`."""
        await self._attempt_moves(attempt, AttemptState.FAILED, error=why, refunded=refunded)

    @patient
    async def refused(self, attempt: Attempt, why: str) -> None:
        """See `SceneLedger.refused`."""
        await self._nothing_begun(attempt, AttemptState.REFUSED, error=why)

    @patient
    async def lost(self, attempt: Attempt) -> None:
        """See `SceneLedger.lost`."""
        await self._nothing_begun(attempt, AttemptState.LOST)

    @patient
    async def unknown(self, attempt: Attempt, why: str) -> None:
        """See `SceneLedger.unknown`."""
        await self._attempt_moves(attempt, AttemptState.UNKNOWN, error=why)

    @patient
    async def completed(self, attempt: Attempt, clip: Clip) -> None:
        """See `SceneLedger.completed`."""
        async with self.together(attempt.job_id) as change:
            row = _moved(change, attempt, AttemptState.COMPLETED, error=None, refunded=False)
            if row.clip != asdict(clip):  # new, or fetched again after its file was gone
                row.clip = asdict(clip)
            scene = change.scene(row.scene_number)
            if row.take == scene.take and scene.status is not SceneStatus.COMPLETED:
                scene.status, scene.error, scene.error_code = SceneStatus.COMPLETED, None, None
                scene.chosen_attempt_id = row.id

    @patient
    async def scene_failed(self, job_id: UUID, number: int, why: str, code: str) -> None:
        """See `SceneLedger.scene_failed`."""
        async with self.together(job_id) as change:
            scene = change.scene(number)
            if scene.status is not SceneStatus.COMPLETED and change.job.status not in TERMINAL:
                scene.status, scene.error, scene.error_code = SceneStatus.FAILED, why, code

    async def rung(self, since: datetime) -> dict[str, datetime]:
        """See `SceneLedger.rung`."""
        return {token: rang_at for token, rang_at in await self.database.found(_RUNG, since=since) if rang_at}

    @patient
    async def known_generations(self, generation_ids: Iterable[str]) -> set[str]:
        """See `SceneLedger.known_generations`."""
        query = select(AttemptRow.generation_id).where(col(AttemptRow.generation_id).in_(list(generation_ids)))
        return {known for (known,) in await self.database.rows(query) if known}

    @patient
    async def filmed(self, job_id: UUID, film: Film) -> None:
        """See `JobLedger.filmed`."""
        async with self.changing(job_id) as change:
            if change.job.status is JobStatus.COMPLETED:
                return
            _wanted(change)
            change.move(Move.COMPLETE)
            change.job.film, change.job.error, change.job.error_code = asdict(film), None, None
            await _shelve(change)

    @patient
    async def job_failed(self, job_id: UUID, why: str, code: str) -> None:
        """See `JobLedger.job_failed`."""
        async with self.changing(job_id) as change:
            if change.job.status not in TERMINAL:
                fail(change, why, code)

    @patient
    async def job_cancelled(self, job_id: UUID, flow_run_id: UUID) -> None:
        """See `JobLedger.job_cancelled`."""
        with suppress(JobNotFound):  # cancelled before its first word
            await self._cancelled(job_id, flow_run_id)

    async def _cancelled(self, job_id: UUID, flow_run_id: UUID) -> None:
        async with self.changing(job_id) as change:
            if change.job.status not in TERMINAL and change.job.flow_run_id == flow_run_id:
                change.move(Move.CANCELLED)

    async def _attempt_moves(self, attempt: Attempt, state: AttemptState, **facts: Any) -> None:
        """Facts about money are written whatever the job's status is by now."""
        async with self.together(attempt.job_id) as change:
            _moved(change, attempt, state, **facts)

    async def _nothing_begun(self, attempt: Attempt, state: AttemptState, **facts: Any) -> None:
        """Its scene waits again."""
        async with self.together(attempt.job_id) as change:
            _moved(change, attempt, state, **facts)
            scene = change.scene(attempt.scene_number)
            if scene.status is SceneStatus.GENERATING and not change.open_attempt(scene.number):
                scene.status = SceneStatus.PENDING


def _moved(change: Change, attempt: Attempt, state: AttemptState, **facts: Any) -> AttemptRow:
    """Give an attempt its next state, once. Raises `Superseded` when another process has moved it elsewhere."""
    row = change.attempt(attempt.id)
    if row.state is state:
        return row
    if row.state not in ATTEMPT_MOVES[state]:
        raise Superseded
    row.state = state
    row.ended_at = None if state in OPEN_ATTEMPTS else now()
    for name, value in facts.items():
        setattr(row, name, value)
    return row


def _wanted(change: Change) -> None:
    if change.job.status is not JobStatus.PROCESSING:
        raise JobCancelled


def title_of(script: str) -> str:
    """A title for a script that came without one: the one in it, or its first words."""
    bare = (_NO_TITLE.sub("", line).strip(" \t*_") for line in script.splitlines())
    line = next((line for line in bare if line), "Untitled")
    return line if len(line) <= _TITLE else line[:_TITLE].rsplit(" ", 1)[0].rstrip(" ,.;:") + "…"


async def _shelve(change: Change) -> None:
    """Put a completed film into its owner's library, once."""
    job = change.job
    owned = select(Video).where(Video.owner_id == job.owner_id, Video.job_id == job.id)
    video = (await change.session.exec(owned)).first() or Video(
        owner_id=job.owner_id, job_id=job.id, title=job.title, script=job.script, status=JobStatus.COMPLETED
    )
    video.video_url = media_url(job.film["video"]["key"]) if job.film else None
    video.status = JobStatus.COMPLETED
    change.session.add(video)


def _job_state(change: Change) -> JobState:
    job = change.job
    return JobState(
        id=job.id,
        title=job.title,
        script=job.script,
        options=VideoOptions.model_validate(job.options),
        given=job.given,
        storyboard=job.storyboard,
        ended=job.status in TERMINAL,
        error=job.error,
        scenes=tuple(_scene_state(change, scene) for scene in change.scenes),
    )


def _scene_state(change: Change, scene: SceneRow) -> SceneState:
    mine = [a for a in change.attempts if a.scene_number == scene.number]
    chosen = next((a for a in mine if a.id == scene.chosen_attempt_id), None)
    running = change.open_attempt(scene.number)
    return SceneState(
        number=scene.number,
        description=scene.description,
        prompt=scene.prompt,
        duration_seconds=scene.duration_seconds,
        cost_micros=scene.cost_micros,
        clip=clip_of(chosen.clip) if chosen and chosen.clip else None,
        kept=attempt_of(chosen) if chosen else None,
        done=scene.status is SceneStatus.COMPLETED,
        given_up=scene.status is SceneStatus.FAILED,
        attempt=attempt_of(running) if running else None,
        attempts=sum(a.take == scene.take and a.run == change.job.run for a in mine),
        error=scene.error,
        error_code=scene.error_code,
    )


def clip_of(stored: dict[str, Any]) -> Clip:
    """The stored JSON → the clip."""
    still = stored.get("still")
    return Clip(**{**stored, "video": StoredFile(**stored["video"]), "still": StoredFile(**still) if still else None})


def attempt_of(row: AttemptRow) -> Attempt:
    """The row as the tasks see it."""
    return Attempt(
        id=row.id,
        job_id=row.job_id,
        scene_number=row.scene_number,
        token=row.token,
        state=row.state,
        request=row.request,
        intended_at=row.intended_at,
        callback_url=row.callback_url,
        generation_id=row.generation_id,
        submitted_at=row.submitted_at,
        cost_micros=row.cost_micros,
    )
