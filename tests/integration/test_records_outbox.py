"""The dispatcher's side of the ledger, on both databases."""

from uuid import uuid4

from api.records import JobRecords, LiveJob
from api.records.outbox import MAX_CRASHES
from api.states import JobStatus
from tests.integration.jobs_made import OPTIONS, SCRIPT, begun, finished, made, new_job, submitted


async def live(records: JobRecords) -> LiveJob:
    [job] = await records.live_jobs()
    return job


async def test_a_job_and_its_outbox_row_come_together(records: JobRecords) -> None:
    job_id, _, _ = await records.create(new_job(title="The answer"))
    [row] = await records.outbox()
    assert (row.job_id, row.run, row.kind, row.title, row.script) == (job_id, 1, "start", "The answer", SCRIPT)


async def test_dispatching_twice_is_dispatching_once(records: JobRecords) -> None:
    job_id, _, _ = await records.create(new_job())
    [row] = await records.outbox()
    run = uuid4()
    assert await records.dispatched(row, run)
    revision = (await records.body(job_id)).revision
    assert await records.dispatched(row, run)
    assert (await records.body(job_id)).revision == revision
    assert (await live(records)).flow_run_id == run
    assert await records.outbox() == []


async def test_a_run_that_began_before_its_dispatcher_knew(records: JobRecords) -> None:
    job_id, _, _ = await records.create(new_job())
    [row] = await records.outbox()
    run = uuid4()
    await records.begin(job_id, run, SCRIPT, None, OPTIONS)
    assert await records.dispatched(row, run)
    assert not await records.dispatched(row, uuid4())  # another run than that which works on it is to end
    assert (await live(records)).flow_run_id == run


async def test_a_late_dispatcher_cancels_no_finished_run(records: JobRecords) -> None:
    await records.create(new_job())
    [row] = await records.outbox()
    await records.told(row)
    job_id, run = await finished(records, 1)
    late = type(row)(**{name: getattr(row, name) for name in row.__slots__} | {"job_id": job_id})
    assert await records.dispatched(late, run)


async def test_a_job_cancelled_while_it_is_dispatched(records: JobRecords) -> None:
    job_id, _, _ = await records.create(new_job())
    [row] = await records.outbox()
    assert await records.cancel(job_id) is JobStatus.CANCELLED
    assert not await records.dispatched(row, uuid4())
    assert (await records.body(job_id)).status is JobStatus.CANCELLED


async def test_a_job_cancelled_after_it_was_dispatched(records: JobRecords) -> None:
    job_id, _, _ = await records.create(new_job())
    [row] = await records.outbox()
    run = uuid4()
    await records.dispatched(row, run)
    assert await records.cancel(job_id) is JobStatus.CANCELLING
    [cancel] = await records.outbox()
    assert (cancel.kind, cancel.flow_run_id) == ("cancel", run)
    assert not await records.dispatched(row, run)  # by a second dispatcher: it is to be cancelled after all
    await records.run_cancelled(await live(records))
    assert (await records.body(job_id)).status is JobStatus.CANCELLED


async def test_a_job_that_prefect_refuses_fails(records: JobRecords) -> None:
    job_id, _, _ = await records.create(new_job())
    [row] = await records.outbox()
    await records.not_dispatched(row, "Prefect refused to run this job (409): no.")
    assert (await records.body(job_id)).status is JobStatus.FAILED
    assert await records.outbox() == []


async def test_a_crashed_run_is_begun_again_a_few_times(records: JobRecords) -> None:
    job_id, run = await begun(records, 2)
    for row in await records.outbox():
        await records.told(row)
    kept = await made(records, job_id, 1)
    open_attempt = await submitted(records, job_id, 2)
    for crash in range(1, MAX_CRASHES + 1):
        before = await live(records)
        await records.run_crashed(before, "The worker died.")
        await records.run_crashed(before, "The worker died.")  # another dispatcher learnt it too
        [row] = await records.outbox()
        assert row.run == crash + 1
        run = uuid4()
        assert await records.dispatched(row, run)
        job = await records.begin(job_id, run, SCRIPT, None, OPTIONS)
        assert (job.scenes[0].kept and job.scenes[0].kept.id) == kept.id
        assert (job.scenes[1].attempt and job.scenes[1].attempt.id) == open_attempt.id
    await records.run_crashed(await live(records), "The worker died.")
    ended = await records.body(job_id)
    assert ended.status is JobStatus.FAILED
    assert b"The worker died." in ended.body
    await records.retry(job_id)  # counts anew
    assert (await live(records)).status is JobStatus.QUEUED


async def test_news_of_an_earlier_run_is_no_news(records: JobRecords) -> None:
    job_id, _ = await begun(records, 1)
    stale = await live(records)
    await records.run_crashed(stale, "gone")
    before = await records.body(job_id)
    for learn in (records.run_cancelled(stale), records.run_cancelling(stale), records.run_failed(stale, "late")):
        await learn
    assert await records.body(job_id) == before


async def test_a_cancelling_job_whose_run_crashes_is_cancelled(records: JobRecords) -> None:
    job_id, _ = await begun(records, 1)
    await records.run_cancelling(await live(records))
    assert (await records.body(job_id)).status is JobStatus.CANCELLING
    await records.run_crashed(await live(records), "gone")
    assert (await records.body(job_id)).status is JobStatus.CANCELLED
    assert await records.live_jobs() == []


async def test_a_run_that_leaves_its_job_behind_fails_it(records: JobRecords) -> None:
    job_id, _ = await begun(records, 1)
    await records.run_failed(await live(records), "The job's run ended early: a reason.")
    ended = await records.body(job_id)
    assert ended.status is JobStatus.FAILED
    assert b'"errorCode":"run_failed"' in ended.body
