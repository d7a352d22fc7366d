"""What the forecast is made of: live jobs, and what past generations took."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from api.forecast import LiveLine
from api.models import COMPLETED_ROWS, LIVE_ROWS, OPEN_ROWS, AttemptRow, GenerationJob, SceneRow
from api.records.base import Records
from api.states import SceneStatus
from tasks.clock import now
from tasks.luma.durations import Kind, Took

PAST: Final = 200
"""Generations to learn from, the newest."""


class Queue(Records):
    """Read-only, and by index alone: as quick with a million jobs in the ledger as with ten."""

    async def live_lines(self, limit: int = 10_000) -> tuple[list[LiveLine], list[float]]:
        """Live jobs, oldest first, and the age in seconds of each open attempt."""
        async with self.database.reading() as session:
            jobs = select(GenerationJob.id, GenerationJob.status, GenerationJob.options).where(LIVE_ROWS)
            rows = list(await session.exec(jobs.order_by(col(GenerationJob.created_at)).limit(limit)))
            scenes, begun = await _scenes(session), await _open(session)
        lines = [_line(job_id, status, options, scenes[job_id], begun[job_id]) for job_id, status, options in rows]
        return lines, [age for ages in begun.values() for age in ages]

    async def past(self) -> list[Took]:
        """The newest generations that were completed."""
        query = (
            select(AttemptRow.request, AttemptRow.submitted_at, AttemptRow.ended_at)
            .where(COMPLETED_ROWS)
            .order_by(col(AttemptRow.ended_at).desc())
            .limit(PAST)
        )
        moment = now()
        return [_took(moment, *row) for row in await self.database.rows(query) if row[1]]


async def _scenes(session: AsyncSession) -> dict[UUID, Counter[SceneStatus]]:
    query = (
        select(SceneRow.job_id, SceneRow.status, func.count())
        .join(GenerationJob, col(GenerationJob.id) == col(SceneRow.job_id))
        .where(LIVE_ROWS)
        .group_by(col(SceneRow.job_id), col(SceneRow.status))
    )
    found: dict[UUID, Counter[SceneStatus]] = defaultdict(Counter)
    for job_id, status, number in await session.exec(query):
        found[job_id][SceneStatus(status)] = number
    return found


async def _open(session: AsyncSession) -> dict[UUID, list[float]]:
    """Per job, how long ago each of its attempts under way was sent."""
    query = select(AttemptRow.job_id, AttemptRow.submitted_at, AttemptRow.intended_at).where(OPEN_ROWS)
    moment, found = now(), defaultdict[UUID, list[float]](list)
    for job_id, submitted_at, intended_at in await session.exec(query):
        found[job_id].append(max(0.0, (moment - (submitted_at or intended_at)).total_seconds()))
    return found


def _line(
    job_id: UUID, status: Any, options: Mapping[str, Any], scenes: Counter[SceneStatus], ages: list[float]
) -> LiveLine:
    return LiveLine(
        job_id=job_id,
        status=status,
        kind=Kind.of(options),
        pending=scenes[SceneStatus.PENDING] if scenes else options.get("maxScenes", 1),
        ages=ages,
        planned=bool(scenes),
        begun=any(scenes[status] for status in SceneStatus if status is not SceneStatus.PENDING),
    )


def _took(moment: datetime, request: Mapping[str, Any], submitted_at: datetime, ended_at: datetime) -> Took:
    return Took(Kind.of(request), (ended_at - submitted_at).total_seconds(), (moment - submitted_at).total_seconds())
