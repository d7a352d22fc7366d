"""News of jobs for pages: other processes write them, so one look into the ledger serves all who watch."""

import asyncio
import contextlib
import logging
import math
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator
from typing import Final
from uuid import UUID

from api.forecast import MINUTE, Forecast, Limits, Typical, forecast, told
from api.outlook import NOTHING, Outlook, waits_for_account
from api.outlook import shown as with_outlook
from api.records import JobRecords
from api.records.bodies import Body
from api.states import TERMINAL
from tasks import logs
from tasks.luma import Account
from tasks.luma.durations import Took

log = logging.getLogger("storyreel.events")

LOOK_EVERY: Final = 0.25  # seconds
PLACES_EVERY: Final = 1.0
QUIET: Final = 2.0
"""Without any poll, until the next one waits for a new forecast; polls that go on are served the last one meanwhile."""
LEARN_EVERY: Final = 30.0


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
    """How live jobs stand among each other: worked out for all at once, seldom, and beside the polls that show it."""

    def __init__(self, records: JobRecords, account: Account, limits: Limits) -> None:
        self._records, self._account, self._limits = records, account, limits
        self._forecasts: dict[UUID, Forecast] = {}
        self._past: list[Took] = []
        self._typical, self._learnt_at = Typical(), -math.inf
        self._begun_at, self._cost = -math.inf, 0.0
        self._refreshing: asyncio.Task[None] | None = None

    async def of(self, job_id: UUID, body: Body) -> Outlook:
        """How a job stands among the others; nothing for one that has ended."""
        if body.status in TERMINAL:
            return NOTHING
        known = self._forecasts.get(job_id)
        quiet = _clock() - self._begun_at > QUIET
        refreshing = self._refresh(PLACES_EVERY if known else 0.0)
        if refreshing and (known is None or quiet):  # the job is new, or nobody has asked for a while
            await asyncio.wait({refreshing})
            known = self._forecasts.get(job_id)
        hold = self._account.hold
        if hold and waits_for_account(body, hold):
            return Outlook(known.place if known else None, None, hold.reason)
        return Outlook(known.place, told(known.seconds)) if known else NOTHING

    def _refresh(self, every: float) -> asyncio.Task[None] | None:
        """Begin to work it out anew, unless that was done just now; never more than a twentieth of the time."""
        if self._refreshing is None or self._refreshing.done():
            if _clock() < self._begun_at + max(every, 20 * self._cost):
                return None
            self._begun_at = _clock()
            self._refreshing = asyncio.create_task(self._work_out())
        return self._refreshing

    async def _work_out(self) -> None:
        logs.forget()  # it is for all
        try:
            if self._begun_at >= self._learnt_at + LEARN_EVERY:
                self._past, self._learnt_at = await self._records.past(), self._begun_at
                self._typical = Typical.of(self._past)
            lines, created = await self._records.live_lines()
            since = self._begun_at - self._learnt_at
            created += [took.age + since for took in self._past if took.age + since < MINUTE]
            self._forecasts = await asyncio.to_thread(forecast, lines, self._limits, self._typical, created)
        except Exception:  # the last word stands
            log.warning("the queue can't be looked at", exc_info=True)
        self._cost = _clock() - self._begun_at

    async def close(self) -> None:
        """Stop working it out."""
        if self._refreshing:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)


def _clock() -> float:
    return asyncio.get_running_loop().time()


async def shown(job_id: UUID, body: Body, places: QueuePlaces) -> tuple[bytes, str]:
    """The body as it is answered now, and its ETag."""
    return with_outlook(body, await places.of(job_id, body))
