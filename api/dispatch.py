"""Outbox → Prefect, and Prefect's states → records. Several processes may do both: each step is idempotent."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Final
from uuid import UUID

from api.database import AWAY
from api.prefect_api import NewRun, PrefectApi, RunRefused, RunState
from api.prefect_http import PrefectAway
from api.records import JobRecords, LiveJob, Waiting
from api.states import JobStatus
from tasks import metrics
from tasks.luma.errors import brief

log = logging.getLogger("storyreel.dispatch")

OUTBOX_EVERY: Final = 1.0  # seconds between looks when nobody wakes us: another process may have written
RECONCILE_EVERY: Final = 3.0
TOGETHER: Final = 8
"""Runs made by one request: it takes two thirds of the work of eight, and keeps other writers waiting for as long."""
AWAY_AT_MOST: Final = 3.0  # seconds between tries while Prefect is away
_PASSING: Final[tuple[type[Exception], ...]] = (PrefectAway, *AWAY)


class Verdict(StrEnum):
    """What a job learns from the state of its flow run."""

    NOTHING = "nothing"
    CANCELLED = "cancelled"
    CANCELLING = "cancelling"
    TELL_CANCEL = "tell_cancel"
    FAILED = "failed"
    CRASHED = "crashed"


_VERDICTS: Final = {
    "CANCELLED": Verdict.CANCELLED,
    "CANCELLING": Verdict.CANCELLING,
    "FAILED": Verdict.FAILED,
    "CRASHED": Verdict.CRASHED,
    "COMPLETED": Verdict.FAILED,  # the flow ends its job before itself: this one was left behind
}


def verdict(job: LiveJob, run: RunState | None) -> Verdict:
    """What a live job is to learn: pure."""
    if run is None:  # deleted, or Prefect's database was lost: the job was accepted all the same
        return Verdict.CRASHED
    if job.status is JobStatus.CANCELLING and run.type == "CANCELLING":
        return Verdict.NOTHING
    if job.status is JobStatus.CANCELLING and run.type not in _VERDICTS:
        return Verdict.TELL_CANCEL
    return _VERDICTS.get(run.type, Verdict.NOTHING)


def _why(run: RunState | None) -> str:
    """The reason that Prefect gives, as a sentence for the writer."""
    if run is None:
        return "The job's run is gone from Prefect."
    said = brief(run.message or "").rstrip(".")
    return f"The job's run ended early: {said}." if said else "The job's run ended early."


def _run(row: Waiting) -> NewRun:
    parameters = {"script": row.script, "title": row.title, "options": row.options, "job_id": str(row.job_id)}
    return NewRun(f"{row.job_id}:{row.run}", row.title, parameters)


class Dispatcher:
    """Keeps ledger and Prefect of one mind. `wake()` after a commit saves the wait for the next look."""

    def __init__(self, records: JobRecords, prefect: PrefectApi) -> None:
        self._records, self._prefect = records, prefect
        self._woken = asyncio.Event()
        self._reconciled_at = time.monotonic()

    def wake(self) -> None:
        """There is something in the outbox."""
        self._woken.set()

    @property
    def lag(self) -> float:
        """Seconds since ledger and Prefect were last compared to the end, or since our start."""
        return time.monotonic() - self._reconciled_at

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work in the background until the block ends."""
        loops = [asyncio.create_task(self._for_ever(step, every)) for step, every in self._steps()]
        try:
            yield
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)

    def _steps(self) -> list[tuple[Callable[[], Awaitable[None]], float]]:
        return [(self.send, OUTBOX_EVERY), (self.reconcile, RECONCILE_EVERY)]

    async def _for_ever(self, step: Callable[[], Awaitable[None]], every: float) -> None:
        wait, trouble = every, ""
        while True:
            try:
                await step()
                wait, trouble = every, ""
            except _PASSING as error:
                why = str(error) if isinstance(error, PrefectAway) else "The ledger can't be reached."
                if why != trouble:  # once, and not every second until it is back
                    log.warning("jobs wait: %s", why)
                wait, trouble = min(wait * 2, AWAY_AT_MOST), why
            except Exception:
                log.exception("dispatching failed; trying again")
            if step == self.send and not trouble:  # while Prefect is away, a new job is no reason to ask again at once
                # not `wait_for`: until Python 3.12 it loses a cancellation that comes with the waking
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._woken.wait()
            else:
                await asyncio.sleep(wait)

    async def send(self) -> None:
        """Empty the outbox, the oldest rows first. Raises `PrefectAway`."""
        self._woken.clear()
        while rows := await self._records.outbox():
            starts = [row for row in rows if row.kind == "start"]
            for first in range(0, len(starts), TOGETHER):
                await self._start(starts[first : first + TOGETHER])
            for row in rows:
                if row.kind != "start":
                    await self._cancel(row)

    async def _start(self, rows: Sequence[Waiting]) -> None:
        wanted = [row for row in rows if row.run == row.current_run and row.status is JobStatus.QUEUED]
        for row in rows:
            if row not in wanted:
                await self._records.told(row)
        for row, run in zip(wanted, await self._prefect.create_runs([_run(row) for row in wanted]), strict=True):
            await self._started(row, run)

    async def _started(self, row: Waiting, run: UUID | RunRefused) -> None:
        if isinstance(run, RunRefused):  # one job's fault must not keep the others waiting
            return await self._records.not_dispatched(row, run.why)
        if not await self._records.dispatched(row, run):
            await self._prefect.cancel_run(run)
        log.info("job is handed to Prefect", extra={"job": row.job_id, "flow_run": run})
        return None

    async def _cancel(self, row: Waiting) -> None:
        if row.flow_run_id and row.run == row.current_run:
            await self._prefect.cancel_run(row.flow_run_id)
        await self._records.told(row)

    async def reconcile(self) -> None:
        """Learn from Prefect about every live job. Raises `PrefectAway`."""
        live = [job for job in await self._records.live_jobs() if job.flow_run_id]
        runs = await self._prefect.states([job.flow_run_id for job in live if job.flow_run_id])
        for job in live:
            run = runs.get(job.flow_run_id) if job.flow_run_id else None
            await self._apply(job, verdict(job, run), _why(run))
        self._reconciled_at = time.monotonic()
        metrics.RECONCILES.inc()

    async def _apply(self, job: LiveJob, learnt: Verdict, message: str) -> None:
        if learnt is Verdict.CANCELLED:
            await self._records.run_cancelled(job)
        elif learnt is Verdict.CANCELLING:
            await self._records.run_cancelling(job)
        elif learnt is Verdict.TELL_CANCEL and job.flow_run_id:
            await self._prefect.cancel_run(job.flow_run_id)
        elif learnt is Verdict.CRASHED:
            await self._records.run_crashed(job, message)
        elif learnt is Verdict.FAILED:
            await self._records.run_failed(job, message)
