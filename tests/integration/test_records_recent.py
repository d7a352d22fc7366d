"""What a process has written itself is not read anew, unless another one has changed it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from sqlalchemy import event

from api.models import GenerationJob
from api.records import JobRecords
from api.records.base import Change
from api.records.recent import AT_MOST, Recent
from api.states import JobStatus
from tasks.ledger import AttemptState, Superseded
from tests.integration.jobs_made import OPTIONS, SCRIPT, begun, clip_of, finished, intended, made, submitted


@contextmanager
def statements(records: JobRecords) -> Iterator[list[str]]:
    """What the block sends to the database."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: Any) -> None:
        sent.append(statement)

    engines = {records.database.engine.sync_engine, records.database._writing.sync_engine}
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    yield sent
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)


async def test_scenes_and_attempts_are_not_read_again(records: JobRecords) -> None:
    job_id, _ = await begun(records, 2)
    with statements(records) as sent:
        await made(records, job_id, 1)
    assert sent
    assert not [text for text in sent if "FROM scenes" in text or "FROM attempts" in text]


async def test_nor_where_changes_wait_for_each_other(records: JobRecords) -> None:
    job_id, _ = await begun(records, 8)
    attempts = [await submitted(records, job_id, number) for number in range(1, 9)]
    with statements(records) as sent:
        await asyncio.gather(*(records.completed(attempt, clip_of(attempt)) for attempt in attempts))
    read = [text for text in sent if "FROM scenes" in text]
    # PostgreSQL may answer the one that waits before it answers the one that has committed
    assert len(read) <= (0 if records.database.embedded else len(attempts) // 2)
    assert all(scene.done for scene in (await records.job(job_id)).scenes)


async def test_what_another_process_wrote_is_seen(records: JobRecords) -> None:
    another = JobRecords(records.database)
    job_id, _ = await begun(records, 2)
    attempt = await intended(another, job_id, 1)
    with pytest.raises(Superseded):
        await intended(records, job_id, 1)
    await submitted(records, job_id, 2)
    await another.submitted(attempt, "generation-1")
    await another.completed(attempt, clip_of(attempt))
    assert (await records.scene(job_id, 1)).clip == clip_of(attempt)
    states = [row.state for row in (await another.latest(job_id)).attempts]
    assert states == [AttemptState.COMPLETED, AttemptState.SUBMITTED]


async def test_changes_at_one_moment_all_count(records: JobRecords) -> None:
    another = JobRecords(records.database)
    job_id, _ = await begun(records, 8)
    await asyncio.gather(*(made((records, another)[number % 2], job_id, number) for number in range(1, 9)))
    for process in (records, another):
        assert all(scene.done and scene.clip for scene in (await process.job(job_id)).scenes)


async def test_what_was_not_committed_is_forgotten(records: JobRecords) -> None:
    job_id, _ = await begun(records, 1)
    with suppress(RuntimeError):
        async with records.changing(job_id) as change:
            change.job.title = "Another title"
            raise RuntimeError
    assert (await records.latest(job_id)).job.title != "Another title"
    await made(records, job_id, 1)
    assert (await records.snapshot(job_id)).job.title != "Another title"


async def test_a_job_that_is_run_again_goes_on_from_its_end(records: JobRecords) -> None:
    job_id, run = await finished(records, 1)
    assert (await records.begin(job_id, run, SCRIPT, None, OPTIONS)).ended
    assert (await records.latest(job_id)).job.status is JobStatus.COMPLETED


def test_only_so_many_are_kept() -> None:
    recent = Recent()
    jobs = [GenerationJob(title="", script="", options={}, revision=1) for _ in range(AT_MOST + 1)]
    for job in jobs:
        recent.keep(Change(None, job))  # type: ignore[arg-type]
    assert [job.id in recent for job in jobs] == [False] + [True] * AT_MOST
    assert recent.take(jobs[1].id, 2) is None
    assert jobs[1].id not in recent  # it is another by now
    assert recent.look(jobs[2].id, 1) is not None
    assert recent.take(jobs[2].id, 1) is not None
    assert jobs[2].id not in recent  # somebody has it


def test_one_that_has_ended_is_let_go() -> None:
    recent = Recent()
    job = GenerationJob(title="", script="", options={}, revision=1)
    recent.keep(Change(None, job))  # type: ignore[arg-type]
    job.status = JobStatus.COMPLETED
    recent.keep(Change(None, job))  # type: ignore[arg-type]
    assert job.id not in recent
