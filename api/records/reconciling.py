"""The ledger's side of comparing it with Luma's list: attempts page by page, and adopting what was found."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import and_, or_
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from api.models import AttemptRow
from api.records.base import Change, Records
from api.records.ledger import attempt_of
from api.states import SceneStatus
from tasks.clock import now
from tasks.ledger import Attempt, AttemptState, GenerationClaimed, Superseded

UNSETTLED: Final = frozenset(
    {AttemptState.INTENDED, AttemptState.DOUBTED, AttemptState.UNKNOWN, AttemptState.LOST},
)
"""Without an id, and not surely refused: a generation that nobody knows may be theirs."""


@dataclass(frozen=True, slots=True)
class Paid:
    """An attempt that has a generation."""

    attempt: Attempt
    refunded: bool


class Reconciling(Records):
    """Reads that never hold more than a page, and one write."""

    async def paid_attempts(self, limit: int, after: Attempt | None = None) -> list[Paid]:
        """Attempts with a generation, the latest intent first, from behind `after`."""
        moment, row_id = col(AttemptRow.intended_at), col(AttemptRow.id)
        query = select(AttemptRow).where(col(AttemptRow.generation_id).is_not(None))
        if after:
            same = and_(moment == after.intended_at, row_id < after.id)
            query = query.where(or_(moment < after.intended_at, same))
        async with self.database.reading() as session:
            rows = await session.exec(query.order_by(moment.desc(), row_id.desc()).limit(limit))
            return [Paid(attempt_of(row), row.refunded) for row in rows]

    async def unsettled_attempts(self, tokens: Iterable[str], since: datetime, until: datetime) -> list[Attempt]:
        """Attempts whose generation nobody knows: with one of these tokens, or without one and intended in between."""
        intended = col(AttemptRow.intended_at)
        by_words = and_(col(AttemptRow.callback_url).is_(None), intended >= since, intended <= until)
        theirs = or_(col(AttemptRow.token).in_(list(tokens)), by_words)
        unsettled = and_(col(AttemptRow.generation_id).is_(None), col(AttemptRow.state).in_(UNSETTLED))
        async with self.database.reading() as session:
            rows = await session.exec(select(AttemptRow).where(unsettled, theirs).order_by(intended))
            return [attempt_of(row) for row in rows]

    async def adopt(self, attempt: Attempt, generation_id: str) -> AttemptState:
        """Give an attempt the generation that was found to be its own → its state; a retry of its job goes on from it.

        Raises `GenerationClaimed`; `Superseded` when the attempt has been settled otherwise meanwhile.
        """
        try:
            async with self.changing(attempt.job_id) as change:
                row = change.attempt(attempt.id)
                if row.generation_id == generation_id:
                    return row.state
                if row.generation_id is not None or row.state not in UNSETTLED:
                    raise Superseded
                row.state = AttemptState.SUBMITTED if _wanted(change, row) else AttemptState.ABANDONED
                row.generation_id, row.submitted_at, row.error = generation_id, now(), None
                row.ended_at = None if row.state is AttemptState.SUBMITTED else now()
                return row.state
        except IntegrityError as error:
            raise GenerationClaimed from error


def _wanted(change: Change, row: AttemptRow) -> bool:
    """Whether its scene still waits for it, and not for another one: else it is spent, and told."""
    scene, others = change.scene(row.scene_number), change.open_attempt(row.scene_number)
    return row.take == scene.take and scene.status is not SceneStatus.COMPLETED and others in (None, row)
