"""A run that an operator retries in Prefect after its end: a requested retry of its job, and nothing more."""

from uuid import UUID, uuid4

import pytest

from api.records import JobRecords
from api.states import JobStatus
from tasks.ledger import JobCancelled, JobState, Superseded
from tests.integration.jobs_made import OPTIONS, SCRIPT, begun, film, finished, made, submitted


async def again(records: JobRecords, job_id: UUID, run: UUID, *, asked: bool = True) -> JobState:
    return await records.begin(job_id, run, SCRIPT, None, OPTIONS, asked_again=asked)


async def failed(records: JobRecords, end: str) -> tuple[UUID, UUID]:
    """A job of two scenes that has ended with one clip."""
    job_id, run = await begun(records, 2)
    await made(records, job_id, 1)
    await records.scene_failed(job_id, 2, "Luma could not make this scene.", "luma_generation_failed")
    if end == "failed":
        await records.job_failed(job_id, "The key is refused.", "luma_account")
    elif end == "cancelled":
        await records.cancel(job_id)
        await records.job_cancelled(job_id, run)
    else:
        await records.filmed(job_id, film())
    return job_id, run


@pytest.mark.parametrize("end", ["failed", "cancelled", "partial"])
async def test_it_makes_what_is_missing_and_pays_for_nothing_else(records: JobRecords, end: str) -> None:
    job_id, run = await failed(records, end)
    before = (await records.snapshot(job_id)).job
    job = await again(records, job_id, run)
    assert not job.ended
    assert [(scene.done, scene.given_up, scene.error) for scene in job.scenes] == [
        (True, False, None),
        (False, False, None),
    ]
    now = (await records.snapshot(job_id)).job
    assert (now.status, now.run, now.flow_run_id, now.error) == (JobStatus.PROCESSING, 2, run, None)
    assert now.revision == before.revision + 1
    assert [row for row in await records.outbox() if row.run == 2] == []  # its run is here already
    await made(records, job_id, 2)
    await records.filmed(job_id, film())
    assert (await records.body(job_id)).status is JobStatus.COMPLETED


async def test_what_luma_still_works_at_is_waited_for(records: JobRecords) -> None:
    job_id, run = await begun(records, 1)
    paid = await submitted(records, job_id, 1)
    await records.job_failed(job_id, "The key is refused.", "luma_account")
    [scene] = (await again(records, job_id, run)).scenes
    assert scene.attempt is not None
    assert scene.attempt.id == paid.id


async def test_a_run_that_is_only_taken_up_again_leaves_the_end_as_it_is(records: JobRecords) -> None:
    job_id, run = await failed(records, "failed")
    before = await records.body(job_id)
    assert (await again(records, job_id, run, asked=False)).ended
    assert await records.body(job_id) == before


async def test_a_cancelled_job_stays_cancelled_when_its_run_is_only_taken_up(records: JobRecords) -> None:
    job_id, run = await failed(records, "cancelled")
    with pytest.raises(JobCancelled):
        await again(records, job_id, run, asked=False)


async def test_a_live_job_just_goes_on(records: JobRecords) -> None:
    job_id, run = await begun(records, 1)
    assert not (await again(records, job_id, run)).ended
    now = (await records.snapshot(job_id)).job
    assert (now.status, now.run) == (JobStatus.PROCESSING, 1)


async def test_a_whole_film_is_not_made_again(records: JobRecords) -> None:
    job_id, run = await finished(records, 1)
    before = await records.body(job_id)
    assert (await again(records, job_id, run)).ended
    assert await records.body(job_id) == before


async def test_an_earlier_run_does_not_take_its_job_back(records: JobRecords) -> None:
    job_id, run = await failed(records, "failed")
    await records.retry(job_id)
    second = uuid4()
    await records.begin(job_id, second, SCRIPT, None, OPTIONS)
    await records.job_failed(job_id, "The key is refused.", "luma_account")
    before = await records.body(job_id)
    with pytest.raises(Superseded):
        await again(records, job_id, run)
    assert await records.body(job_id) == before
