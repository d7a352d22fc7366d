"""Accounts that Luma refuses: implements `tasks.luma.account.HoldLedger`."""

from contextlib import suppress
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from api.models import LIVE_ROWS, AccountHold, GenerationJob
from api.records.base import Records
from api.records.patience import patient
from api.states import JobStatus
from tasks.luma import Hold


class Holds(Records):
    """One row per account; every process reads it."""

    @patient
    async def hold(self, hold_id: UUID, account: str, *, code: str, reason: str, needed_micros: int | None) -> Hold:
        """See `HoldLedger.hold`."""
        while True:
            with suppress(IntegrityError):  # found out by somebody else at the same moment
                return await self._hold(hold_id, account, code, reason, needed_micros)

    async def _hold(self, hold_id: UUID, account: str, code: str, reason: str, needed_micros: int | None) -> Hold:
        async with self.database.writing() as session:
            row = await session.get(AccountHold, account)
            if row is None:
                row = AccountHold(account=account, id=hold_id, code=code, reason=reason, needed_micros=needed_micros)
                session.add(row)
            return _hold(row)

    async def held(self, account: str) -> Hold | None:
        """See `HoldLedger.held`."""
        async with self.database.reading() as session:
            row = await session.get(AccountHold, account)
            return _hold(row) if row else None

    @patient
    async def let_go(self, hold: Hold) -> None:
        """See `HoldLedger.let_go`."""
        this_one = (col(AccountHold.account) == hold.account) & (col(AccountHold.id) == hold.id)
        async with self.database.writing() as session:
            await session.exec(delete(AccountHold).where(this_one))

    async def anybody_waits(self) -> bool:
        """See `HoldLedger.anybody_waits`."""
        waits = col(GenerationJob.status).in_((JobStatus.QUEUED, JobStatus.PROCESSING))
        return bool(await self.database.rows(select(GenerationJob.id).where(LIVE_ROWS, waits).limit(1)))


def _hold(row: AccountHold) -> Hold:
    return Hold(row.id, row.account, row.code, row.reason, row.since, row.needed_micros)
