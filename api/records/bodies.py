"""Many polls, one read: those that arrive while a read is under way share the next one."""

import asyncio
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam
from sqlmodel import col, select

from api.database import Database
from api.models import GenerationJob
from api.states import JobStatus


@dataclass(frozen=True, slots=True)
class Body:
    """A job as a poll answers it."""

    body: bytes
    revision: int
    status: JobStatus


@dataclass(frozen=True, slots=True)
class Owned:
    """A body and whose it is."""

    owner_id: str
    body: Body


_COLUMNS: Final = (GenerationJob.owner_id, GenerationJob.body, GenerationJob.revision, GenerationJob.status)
_ALL: Final = select(GenerationJob.id, *_COLUMNS)  # type: ignore[call-overload]
_ONE: Final = _ALL.where(GenerationJob.id == bindparam("job_id"))
_SOME: Final = _ALL.where(col(GenerationJob.id).in_(bindparam("job_ids", expanding=True)))
"""Its text is made anew for each number of jobs."""


class Bodies:
    """Reads the finished JSON of jobs by key; belongs to one event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._wanted: dict[UUID, asyncio.Future[Owned | None]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def get(self, job_id: UUID) -> Owned | None:
        """The job as it is at some moment after this call; None: there is no such job."""
        if job_id not in self._wanted:
            self._wanted[job_id] = asyncio.get_running_loop().create_future()
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_all())
        return await asyncio.shield(self._wanted[job_id])

    async def _read_all(self) -> None:
        try:
            while self._wanted:
                wanted, self._wanted = self._wanted, {}
                await self._answer(wanted)
        finally:
            self._reading = None

    async def _answer(self, wanted: dict[UUID, asyncio.Future[Owned | None]]) -> None:
        try:
            found = await self._read(list(wanted))
        except Exception as error:  # noqa: BLE001 - it belongs to those who asked
            for future in wanted.values():
                future.set_exception(error)
                future.exception()  # nobody may be waiting any more
        else:
            for job_id, future in wanted.items():
                future.set_result(found.get(job_id))

    async def _read(self, job_ids: list[UUID]) -> dict[UUID, Owned]:
        one = len(job_ids) == 1
        rows = self._database.found(_ONE, job_id=job_ids[0]) if one else self._database.found(_SOME, job_ids=job_ids)
        return {job: Owned(owner, Body(body, revision, status)) for job, owner, body, revision, status in await rows}
