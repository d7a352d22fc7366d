"""How the ledger stands at one moment, for those who watch over it: live jobs, their scenes, the outbox."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import func
from sqlmodel import col, select

from api.models import LIVE_ROWS, AccountHold, GenerationJob, OutboxRow, SceneRow
from api.records.base import Records
from api.states import LIVE, JobStatus, SceneStatus
from tasks.clock import now

S = TypeVar("S", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Standing:
    """Numbers of one snapshot; every status is a key."""

    jobs: Mapping[JobStatus, int]
    """Of those that have not ended."""
    scenes: Mapping[SceneStatus, int]
    """Of these jobs."""
    outbox_age: float
    """Seconds that the oldest row waits; 0 when none does."""
    held: int
    """Accounts that Luma refuses."""


class Standings(Records):
    """Read-only, and by index alone: as quick with a million jobs in the ledger as with ten."""

    async def standing(self) -> Standing:
        """How it stands now."""
        jobs = select(GenerationJob.status, func.count()).where(LIVE_ROWS).group_by(col(GenerationJob.status))
        scenes = (
            select(SceneRow.status, func.count())
            .join(GenerationJob, col(GenerationJob.id) == col(SceneRow.job_id))
            .where(LIVE_ROWS)
            .group_by(col(SceneRow.status))
        )
        first = select(func.min(OutboxRow.id)).scalar_subquery()
        oldest = select(OutboxRow.created_at).where(col(OutboxRow.id) == first)
        async with self.database.reading() as session:
            waits_since = (await session.exec(oldest)).first()
            return Standing(
                jobs=_all(await session.exec(jobs), sorted(LIVE)),
                scenes=_all(await session.exec(scenes), list(SceneStatus)),
                outbox_age=max(0.0, (now() - waits_since).total_seconds()) if waits_since else 0.0,
                held=(await session.exec(select(func.count()).select_from(AccountHold))).one(),
            )


def _all(rows: Any, statuses: list[S]) -> dict[S, int]:
    found = dict.fromkeys(statuses, 0)
    return found | {status: number for status, number in rows if status in found}
