"""Walks ledger and Luma's list side by side, and gives what was lost to the attempts whose it is."""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from api.bootstrap import Studio, studio
from api.records import Paid
from deployments.differences import Difference, KnownTo, only_at_luma, only_in_ledger
from tasks.clock import now
from tasks.ledger import Attempt, GenerationClaimed, Superseded
from tasks.luma import Generation, GenerationNotFound
from tasks.luma.lookup import PATIENCE
from tasks.settings import Settings

PAGE: Final = 500  # attempts read at a time
BATCH: Final = 100  # generations compared at a time
APART: Final = timedelta(seconds=PATIENCE.posted_within + PATIENCE.clock_skew)
"""Between an attempt's intent and its generation's creation, at most."""


class Comparison:
    """Walks both, newest first, in step: never more than a few pages of either are in memory."""

    def __init__(self, house: Studio, *, page: int = PAGE, batch: int = BATCH) -> None:
        self._house, self._page, self._batch = house, page, batch
        self._awaited: dict[str, Paid] = {}
        """Of the ledger's generations those that Luma's list has yet to show, the newest first."""
        self._last: Attempt | None = None
        self._more = True
        self._given: set[UUID] = set()
        self.compared = 0

    async def differences(self) -> AsyncIterator[Difference]:
        """Every difference. Raises what reading Luma's list raises."""
        async for rows in _batches(self._house.luma.generations(), self._batch):
            self.compared += len(rows)
            times = [row.created_at for row in rows if row.created_at] or [now()]
            await self._read_until(min(times) - APART)
            strangers = [row for row in rows if self._awaited.pop(row.id, None) is None]
            for found in await self._strange(strangers, min(times), max(times)):
                yield found
            async for missing in self._overdue(max(times) + APART):
                yield missing
        while self._more or self._awaited:
            await self._read()
            async for missing in self._overdue(None):
                yield missing

    async def _read_until(self, moment: datetime) -> None:
        while self._more and (self._last is None or self._last.intended_at >= moment):
            await self._read()

    async def _read(self) -> None:
        page = await self._house.records.paid_attempts(self._page, self._last) if self._more else []
        self._more = len(page) == self._page
        self._last = page[-1].attempt if page else self._last
        self._awaited |= {paid.attempt.generation_id or "": paid for paid in page}

    async def _strange(self, rows: list[Generation], first: datetime, last: datetime) -> list[Difference]:
        if not rows:
            return []
        records, tokens = self._house.records, [_token(row.callback_url) for row in rows if row.callback_url]
        known = await records.known_generations([row.id for row in rows])
        unsettled = await records.unsettled_attempts(tokens, first - APART, last + APART)
        free = [attempt for attempt in unsettled if attempt.id not in self._given]
        found = only_at_luma(rows, known, free, self._house.prices, now())
        self._given |= {difference.attempt.id for difference in found if difference.attempt}
        return found

    async def _overdue(self, moment: datetime | None) -> AsyncIterator[Difference]:
        """What Luma's list should have shown by now, when Luma itself says that it isn't there."""
        for paid in list(self._awaited.values()):
            if moment is not None and paid.attempt.intended_at <= moment:
                return
            generation_id = paid.attempt.generation_id or ""
            del self._awaited[generation_id]
            self.compared += 1
            try:
                await self._house.luma.get(generation_id)
            except GenerationNotFound:
                yield only_in_ledger(paid)


async def _batches(rows: AsyncIterator[Generation], size: int) -> AsyncIterator[list[Generation]]:
    batch: list[Generation] = []
    async for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _token(url: str) -> str:
    return url.rpartition("/")[2]


async def adopt(house: Studio, difference: Difference) -> Difference:
    """Give the generation to the attempt whose it must be; one without such an attempt stays as it is."""
    if difference.known_to is KnownTo.LUMA and difference.attempt:
        with suppress(GenerationClaimed, Superseded):
            state = await house.records.adopt(difference.attempt, difference.generation_id)
            return replace(difference, adopted=state)
    return difference


async def reconcile(
    house: Studio, *, adopting: bool, page: int = PAGE, batch: int = BATCH
) -> tuple[int, list[Difference]]:
    """How many generations were compared, and every difference. Raises LumaError when the list can't be read."""
    comparison = Comparison(house, page=page, batch=batch)
    found = [
        await adopt(house, difference) if adopting else difference async for difference in comparison.differences()
    ]
    return comparison.compared, found


async def run(settings: Settings, *, adopting: bool) -> tuple[int, list[Difference]]:
    """`reconcile` with the ledger and the account of these settings."""
    async with studio(settings) as house:
        return await reconcile(house, adopting=adopting)
