"""What processes tell each other of their gates: implements `tasks.luma.share.GateLedger`."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete
from sqlmodel import col, select

from api.models import AttemptRow, GateRow
from api.records.base import Records
from tasks.clock import now
from tasks.ledger import AttemptState
from tasks.luma.share import GateReport

FORGOTTEN: Final = timedelta(minutes=10)
"""After so long without a word, nothing that a gate told is of use."""


class Gates(Records):
    """One row for each process with scenes to make; nothing here is worth waiting for."""

    async def tell_gate(self, mine: GateReport) -> list[GateReport]:
        """See `GateLedger.tell_gate`."""
        async with self.database.writing() as session:
            await session.exec(delete(GateRow).where(col(GateRow.told_at) < now() - FORGOTTEN))
            await session.merge(_row(mine))
            rows = await session.exec(select(GateRow).where(col(GateRow.id) != mine.id))
            return [_report(row) for row in rows]

    async def close_gate(self, gate_id: UUID) -> None:
        """See `GateLedger.close_gate`."""
        async with self.database.writing() as session:
            await session.exec(delete(GateRow).where(col(GateRow.id) == gate_id))

    async def created_since(self, moment: datetime) -> list[datetime]:
        """See `GateLedger.created_since`."""
        intended, sent = col(AttemptRow.intended_at), col(AttemptRow.state) != AttemptState.REFUSED
        rows = await self.database.rows(select(intended).where(intended >= moment, sent).order_by(intended))
        return [at for (at,) in rows]


def _row(told: GateReport) -> GateRow:
    leases = [[str(key), limit, slots] for key, limit, slots in told.leases]
    return GateRow(
        id=told.id,
        owner=told.owner,
        waiting=told.waiting,
        jobs=told.jobs,
        held=told.held,
        leases=leases,
        told_at=told.told_at,
    )


def _report(row: GateRow) -> GateReport:
    leases = tuple((UUID(key), limit, slots) for key, limit, slots in row.leases)
    return GateReport(row.id, row.owner, row.waiting, row.jobs, row.held, leases, row.told_at)
