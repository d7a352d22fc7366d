"""What Prefect has yet to be told, and which jobs are alive: the dispatcher's side of the ledger."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete
from sqlmodel import col, select

from api.models import LIVE_ROWS, GenerationJob, OutboxRow
from api.records.base import Change, Records, fail
from api.records.jobs import send
from api.states import LIVE, JobStatus, Move

MAX_CRASHES = 5


@dataclass(frozen=True, slots=True)
class Waiting:
    """One thing to tell Prefect."""

    outbox_id: int
    kind: str
    run: int
    job_id: UUID
    title: str
    script: str
    options: dict[str, object]
    flow_run_id: UUID | None
    status: JobStatus
    current_run: int


@dataclass(frozen=True, slots=True)
class LiveJob:
    """A job that has not ended."""

    job_id: UUID
    run: int
    status: JobStatus
    flow_run_id: UUID | None
    updated_at: datetime


class Outbox(Records):
    """Outbox rows are deleted in the transaction that writes what came of them."""

    async def outbox(self, limit: int = 50) -> list[Waiting]:
        """The oldest rows."""
        query = (
            select(OutboxRow, GenerationJob)
            .join(GenerationJob, col(GenerationJob.id) == col(OutboxRow.job_id))
            .order_by(col(OutboxRow.id))
            .limit(limit)
        )
        async with self.database.reading() as session:
            return [_waiting(row, job) for row, job in await session.exec(query)]

    async def told(self, waiting: Waiting) -> None:
        """Prefect knows."""
        async with self.database.writing() as session:
            await session.exec(delete(OutboxRow).where(col(OutboxRow.id) == waiting.outbox_id))

    async def dispatched(self, waiting: Waiting, flow_run_id: UUID) -> bool:
        """Prefect made the run → whether it may go on; if not, it is to be cancelled."""
        async with self.changing(waiting.job_id) as change:
            job = change.job
            if job.run == waiting.run and job.flow_run_id is None and job.status is JobStatus.QUEUED:
                job.flow_run_id = flow_run_id
            await change.session.exec(delete(OutboxRow).where(col(OutboxRow.id) == waiting.outbox_id))
            return job.flow_run_id == flow_run_id and job.status is not JobStatus.CANCELLING

    async def not_dispatched(self, waiting: Waiting, why: str) -> None:
        """Prefect refuses to make the run, and would again: the job fails."""
        async with self.changing(waiting.job_id) as change:
            if change.job.run == waiting.run and change.job.status is JobStatus.QUEUED:
                fail(change, why, "run_refused")
            await change.session.exec(delete(OutboxRow).where(col(OutboxRow.id) == waiting.outbox_id))

    async def run_crashed(self, live: LiveJob, why: str) -> None:
        """Prefect gave the run up: the job begins anew and keeps its clips, a few times; then it fails."""
        async with self._of_run(live) as change:
            if change is None:
                return
            if change.job.status is JobStatus.CANCELLING:
                change.move(Move.CANCELLED)
            elif change.job.crashes < MAX_CRASHES:
                change.move(Move.REQUEUE)
                change.job.crashes += 1
                change.job.run += 1
                send(change)
            else:
                fail(change, why, "run_crashed")

    async def run_failed(self, live: LiveJob, why: str) -> None:
        """The run ended and left its job behind."""
        async with self._of_run(live) as change:
            if change:
                fail(change, why, "run_failed")

    async def run_cancelled(self, live: LiveJob) -> None:
        """Somebody cancelled the run, and it has ended."""
        async with self._of_run(live) as change:
            if change:
                change.move(Move.CANCELLED)

    async def run_cancelling(self, live: LiveJob) -> None:
        """Somebody cancelled the run in Prefect, and it has not ended yet."""
        async with self._of_run(live) as change:
            if change:
                change.move(Move.CANCEL)

    @asynccontextmanager
    async def _of_run(self, live: LiveJob) -> AsyncIterator[Change | None]:
        """The job, if it is still alive in the run that was asked about."""
        async with self.changing(live.job_id) as change:
            job = change.job
            same = (job.run, job.flow_run_id) == (live.run, live.flow_run_id)
            yield change if same and job.status in LIVE else None

    async def live_jobs(self, limit: int = 10_000) -> list[LiveJob]:
        """Jobs that have not ended, oldest first."""
        query = (
            select(  # type: ignore[call-overload]
                GenerationJob.id,
                GenerationJob.run,
                GenerationJob.status,
                GenerationJob.flow_run_id,
                GenerationJob.updated_at,
            )
            .where(LIVE_ROWS)
            .order_by(col(GenerationJob.created_at))
            .limit(limit)
        )
        return [LiveJob(*row) for row in await self.database.rows(query)]


def _waiting(row: OutboxRow, job: GenerationJob) -> Waiting:
    return Waiting(
        outbox_id=row.id or 0,
        kind=row.kind,
        run=row.run,
        job_id=job.id,
        title=job.title,
        script=job.script,
        options=job.options,
        flow_run_id=job.flow_run_id,
        status=job.status,
        current_run=job.run,
    )
