"""News of jobs for pages: other processes write them, so one look into the ledger serves all who watch."""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator
from typing import Final
from uuid import UUID

from api.outlook import NOTHING, Outlook, waits_for_account
from api.outlook import shown as with_outlook
from api.records import JobRecords
from api.records.bodies import Body
from api.states import TERMINAL, JobStatus
from tasks.luma import Account

LOOK_EVERY: Final = 0.25  # seconds
PLACES_EVERY: Final = 1.0


class JobWatch:
    """Followers of jobs; nobody following costs nothing."""

    def __init__(self, records: JobRecords, every: float = LOOK_EVERY) -> None:
        self._records, self._every = records, every
        self._followers: dict[UUID, set[asyncio.Queue[Body]]] = defaultdict(set)
        self._seen: dict[UUID, int] = {}
        self._looking: asyncio.Task[None] | None = None

    async def follow(self, job_id: UUID, owner_id: str, last_revision: int | None = None) -> AsyncGenerator[Body, None]:
        """Every state seen from now on, beginning with the present one unless it is `last_revision`.

        Ends with the job. Raises `JobNotFound`.
        """
        with self._following(job_id) as news:
            body = await self._records.body(job_id, owner_id)
            if body.revision != last_revision:
                yield body
            while body.status not in TERMINAL:
                newer = await news.get()
                if newer.revision > body.revision:
                    body = newer
                    yield body

    @contextlib.contextmanager
    def _following(self, job_id: UUID) -> Iterator[asyncio.Queue[Body]]:
        news: asyncio.Queue[Body] = asyncio.Queue()
        self._followers[job_id].add(news)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            yield news
        finally:
            self._followers[job_id].discard(news)
            if not self._followers[job_id]:
                del self._followers[job_id]
                self._seen.pop(job_id, None)

    async def _look(self) -> None:
        while self._followers:
            with contextlib.suppress(Exception):  # a database that is away for a moment: look again
                for job_id, body in (
                    await self._records.newer({job: self._seen.get(job, 0) for job in self._followers})
                ).items():
                    self._seen[job_id] = body.revision
                    for news in self._followers.get(job_id, ()):
                        news.put_nowait(body)
            await asyncio.sleep(self._every)

    async def close(self) -> None:
        """Stop looking."""
        if self._looking:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)


class QueuePlaces:
    """The places of waiting jobs, looked up at most once a second however many pages ask."""

    def __init__(self, records: JobRecords, account: Account) -> None:
        self._records, self._account = records, account
        self._places: dict[UUID, int] = {}
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def of(self, job_id: UUID, body: Body) -> Outlook:
        """How a job stands among the others; nothing for one that has ended."""
        if body.status in TERMINAL:
            return NOTHING
        place = await self._place(job_id) if body.status is JobStatus.QUEUED else None
        hold = self._account.hold
        return Outlook(place, hold.reason if hold and waits_for_account(body, hold) else None)

    async def _place(self, job_id: UUID) -> int | None:
        async with self._lock:
            if time.monotonic() >= self._until or job_id not in self._places:
                waiting = await self._records.waiting_jobs()
                self._places = {job: place for place, job in enumerate(waiting, 1)}
                self._until = time.monotonic() + PLACES_EVERY
        return self._places.get(job_id)


async def shown(job_id: UUID, body: Body, places: QueuePlaces) -> tuple[bytes, str]:
    """The body as it is answered now, and its ETag."""
    return with_outlook(body, await places.of(job_id, body))
