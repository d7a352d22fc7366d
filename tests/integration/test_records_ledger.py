"""What the flow tells the ledger, on both databases: attempts, scenes, the end of a job, and who may say what."""

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from api.records import JobNotFound, JobRecords, MoveRefused
from api.states import JobStatus
from tasks.ledger import AttemptState, GenerationClaimed, JobCancelled, Superseded
from tests.integration.jobs_made import (
    OPTIONS,
    PRICE,
    SCRIPT,
    begun,
    clip_of,
    film,
    finished,
    intended,
    made,
    new_job,
    storyboard,
    submitted,
)


async def shown(records: JobRecords, job_id: UUID) -> dict[str, Any]:
    body = await records.body(job_id)
    view: dict[str, Any] = json.loads(body.body)
    assert view["revision"] == body.revision
    assert view["status"] == body.status
    return view


async def test_the_way_of_a_job(records: JobRecords) -> None:
    job_id, status, new = await records.create(new_job(title="The answer"))
    assert (status, new) == (JobStatus.QUEUED, True)
    queued = await shown(records, job_id)
    assert (queued["status"], queued["progress"], queued["revision"]) == ("queued", 0, 1)
    assert queued["results"] is None

    run = uuid4()
    job = await records.begin(job_id, run, SCRIPT, None, OPTIONS)
    assert (job.title, job.ended, job.scenes) == ("The answer", False, ())
    assert (await shown(records, job_id))["currentStep"] == "Creating storyboard..."

    job = await records.planned(job_id, storyboard(2), PRICE)
    assert [scene.number for scene in job.scenes] == [1, 2]
    assert (await shown(records, job_id))["currentStep"] == "Generating scene 1/2..."

    await made(records, job_id, 1)
    halfway = await shown(records, job_id)
    assert halfway["currentStep"] == "Generating scene 2/2..."
    assert halfway["counts"] == {"total": 2, "pending": 1, "generating": 0, "completed": 1, "failed": 0}
    assert halfway["cost"]["spentUsd"] == 1

    await records.scene_failed(job_id, 2, "Luma could not make this scene.", "luma_generation_failed")
    assert (await shown(records, job_id))["currentStep"] == "Assembling film..."
    await records.filmed(job_id, film())
    done = await shown(records, job_id)
    assert (done["status"], done["outcome"], done["progress"]) == ("completed", "partial", 100)
    assert done["results"]["film"]["videoUrl"].startswith("/api/media/jobs/")
    assert [scene["status"] for scene in done["results"]["scenes"]] == ["completed", "failed"]
    assert done["results"]["scenes"][1]["error"] == "Luma could not make this scene."
    assert (await records.begin(job_id, run, SCRIPT, None, OPTIONS)).ended


async def test_a_plan_is_made_once(records: JobRecords) -> None:
    job_id, _ = await begun(records, 2)
    again = await records.planned(job_id, storyboard(5), PRICE * 9)
    assert len(again.scenes) == 2
    assert {scene.cost_micros for scene in again.scenes} == {PRICE}


@pytest.mark.parametrize(
    ("tell", "state", "spent", "unknown"),
    [
        (None, AttemptState.INTENDED, 0, 0),
        ("doubted", AttemptState.DOUBTED, 0, 1),
        ("refused", AttemptState.REFUSED, 0, 0),
        ("unknown", AttemptState.UNKNOWN, 0, 1),
    ],
)
async def test_what_has_no_id_is_not_spent(
    records: JobRecords, tell: str | None, state: AttemptState, spent: float, unknown: float
) -> None:
    job_id, _ = await begun(records, 1)
    attempt = await intended(records, job_id, 1)
    if tell:
        await getattr(records, tell)(attempt, "the reason")
    [row] = (await records.snapshot(job_id)).attempts
    assert row.state is state
    cost = (await shown(records, job_id))["cost"]
    assert (cost["spentUsd"], cost["unknownUsd"]) == (spent, unknown)


async def test_an_intent_of_a_cancelled_job_may_have_cost(records: JobRecords) -> None:
    job_id, run = await begun(records, 1)
    await intended(records, job_id, 1)
    await records.cancel(job_id)
    await records.job_cancelled(job_id, run)
    cost = (await shown(records, job_id))["cost"]
    assert (cost["spentUsd"], cost["unknownUsd"]) == (0, 1)


async def test_a_refund_is_told(records: JobRecords) -> None:
    job_id, _ = await begun(records, 1)
    attempt = await submitted(records, job_id, 1)
    await records.failed(attempt, "moderated", refunded=True)
    view = await shown(records, job_id)
    assert (view["cost"]["spentUsd"], view["cost"]["refundedUsd"]) == (1, 1)
    assert view["results"]["scenes"][0]["costUsd"] == 0


async def test_a_scene_has_one_open_attempt(records: JobRecords) -> None:
    job_id, _ = await begun(records, 2)
    first = await intended(records, job_id, 1)
    with pytest.raises(Superseded):
        await intended(records, job_id, 1)
    await intended(records, job_id, 2)  # another scene's is its own
    await records.doubted(first, "no answer")
    with pytest.raises(Superseded):
        await intended(records, job_id, 1)
    await records.lost(first)
    second = await intended(records, job_id, 1)
    assert second.token != first.token


async def test_intents_at_the_same_moment(records: JobRecords) -> None:
    job_id, _ = await begun(records, 1)
    tries = await asyncio.gather(*(intended(records, job_id, 1) for _ in range(8)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in tries) == ["Attempt", *["Superseded"] * 7]


async def test_a_generation_belongs_to_one_attempt(records: JobRecords) -> None:
    job_id, _ = await begun(records, 2)
    first, second = await intended(records, job_id, 1), await intended(records, job_id, 2)
    await records.submitted(first, "generation-1")
    await records.submitted(first, "generation-1")  # told twice
    with pytest.raises(GenerationClaimed):
        await records.submitted(second, "generation-1")
    with pytest.raises(Superseded):
        await records.submitted(first, "generation-2")
    assert await records.known_generations(["generation-1", "generation-2"]) == {"generation-1"}
    states = {row.scene_number: (row.state, row.generation_id) for row in (await records.snapshot(job_id)).attempts}
    assert states == {1: (AttemptState.SUBMITTED, "generation-1"), 2: (AttemptState.INTENDED, None)}


@pytest.mark.parametrize("given_up", ["lost", "unknown"])
async def test_an_id_that_comes_late_is_spent_all_the_same(records: JobRecords, given_up: str) -> None:
    job_id, _ = await begun(records, 1)
    late = await intended(records, job_id, 1)
    await (records.lost(late) if given_up == "lost" else records.unknown(late, "can't tell"))
    await made(records, job_id, 1)
    with pytest.raises(Superseded):
        await records.submitted(late, "late")
    view = await shown(records, job_id)
    assert view["cost"]["spentUsd"] == 2
    assert view["results"]["scenes"][0]["status"] == "completed"
    assert await records.known_generations(["late"]) == {"late"}


@pytest.mark.parametrize("tell", ["doubted", "lost", "unknown", "refused"])
async def test_another_process_can_t_undo_a_submission(records: JobRecords, tell: str) -> None:
    job_id, _ = await begun(records, 1)
    attempt = await submitted(records, job_id, 1)
    with pytest.raises(Superseded):
        await (records.lost(attempt) if tell == "lost" else getattr(records, tell)(attempt, "why"))
    assert (await records.scene(job_id, 1)).attempt is not None


async def test_a_clip_is_never_lost_to_a_later_fault(records: JobRecords) -> None:
    job_id, _ = await begun(records, 1)
    attempt = await made(records, job_id, 1)
    with pytest.raises(Superseded):
        await records.failed(attempt, "deadline", refunded=False)
    await records.scene_failed(job_id, 1, "late", "late")
    scene = await records.scene(job_id, 1)
    assert scene.done
    assert scene.clip == clip_of(attempt)


async def test_a_clip_that_comes_after_its_attempt_was_given_up_is_kept(records: JobRecords) -> None:
    job_id, _ = await begun(records, 1)
    attempt = await submitted(records, job_id, 1)
    await records.failed(attempt, "Luma did not finish in time", refunded=False)
    await records.completed(attempt, clip_of(attempt))
    scene = await records.scene(job_id, 1)
    assert scene.done
    assert (scene.kept, scene.attempt) != (None, attempt)


async def test_a_given_up_scene_says_so(records: JobRecords) -> None:
    job_id, _ = await begun(records, 1)
    await records.scene_failed(job_id, 1, "Luma's moderation refused it.", "luma_moderated")
    scene = await records.scene(job_id, 1)
    assert (scene.given_up, scene.error, scene.error_code) == (True, "Luma's moderation refused it.", "luma_moderated")


async def test_cancelling_stops_every_further_submission(records: JobRecords) -> None:
    job_id, run = await begun(records, 2)
    running = await submitted(records, job_id, 1)
    assert await records.cancel(job_id) is JobStatus.CANCELLING
    assert await records.cancel(job_id) is JobStatus.CANCELLING  # asking again is no error
    for number in (1, 2):
        with pytest.raises(JobCancelled):
            await records.scene(job_id, number)
        with pytest.raises(JobCancelled):
            await records.intend(job_id, number, {}, None)
    with pytest.raises(JobCancelled):
        await records.planned(job_id, storyboard(1), PRICE)
    with pytest.raises(JobCancelled):
        await records.filmed(job_id, film())
    await records.job_cancelled(job_id, uuid4())  # another run's word
    assert (await shown(records, job_id))["status"] == "cancelling"
    await records.job_cancelled(job_id, run)
    view = await shown(records, job_id)
    assert (view["status"], view["outcome"], view["cost"]["spentUsd"]) == ("cancelled", "none", 1)
    assert view["counts"]["generating"] == 0
    await records.completed(running, clip_of(running))  # it was paid: the clip is kept
    assert (await shown(records, job_id))["status"] == "cancelled"
    with pytest.raises(JobCancelled):
        await records.begin(job_id, run, SCRIPT, None, OPTIONS)


async def test_a_queued_job_is_cancelled_at_once(records: JobRecords) -> None:
    job_id, _, _ = await records.create(new_job())
    assert await records.cancel(job_id) is JobStatus.CANCELLED
    with pytest.raises(MoveRefused, match="cancelled"):
        await records.cancel(job_id)


async def test_a_job_that_fails_while_it_is_cancelled_is_cancelled(records: JobRecords) -> None:
    job_id, _ = await begun(records, 1)
    await records.cancel(job_id)
    await records.job_failed(job_id, "The key is refused.", "luma_account")
    assert (await shown(records, job_id))["status"] == "cancelled"


async def test_an_ended_job_changes_by_nothing_the_flow_says(records: JobRecords) -> None:
    job_id, run = await finished(records, 1)
    before = await records.body(job_id)
    await records.job_failed(job_id, "late", "late")
    await records.job_cancelled(job_id, run)
    await records.filmed(job_id, film())
    await records.scene_failed(job_id, 1, "late", "late")
    with pytest.raises(JobCancelled):
        await records.planned(job_id, storyboard(3), PRICE)
    assert await records.body(job_id) == before


async def test_another_run_is_told_that_it_came_too_late(records: JobRecords) -> None:
    job_id, _ = await begun(records, 1)
    with pytest.raises(Superseded):
        await records.begin(job_id, uuid4(), SCRIPT, None, OPTIONS)


async def test_a_run_without_a_job_makes_its_own(records: JobRecords) -> None:
    run = uuid4()
    jobs = await asyncio.gather(*(records.begin(run, run, SCRIPT, "By hand", OPTIONS) for _ in range(4)))
    assert {job.title for job in jobs} == {"By hand"}
    listed = (await records.jobs(10)).jobs
    assert [(job.job_id, job.status, job.flow_run_id) for job in listed] == [(run, JobStatus.PROCESSING, run)]
    assert await records.outbox() == []


async def test_a_run_cancelled_before_its_first_word(records: JobRecords) -> None:
    await records.job_cancelled(uuid4(), uuid4())
    with pytest.raises(JobNotFound):
        await records.job_failed(uuid4(), "never was", "never_was")


async def test_changes_at_the_same_moment_lose_nothing(records: JobRecords) -> None:
    """Eight scenes begin and end at once, with callbacks ringing in between."""
    job_id, _ = await begun(records, 8)

    async def one(number: int) -> None:
        attempt = await submitted(records, job_id, number)
        await asyncio.gather(records.ring(attempt.token), records.completed(attempt, clip_of(attempt)))

    before = (await records.body(job_id)).revision
    await asyncio.gather(*map(one, range(1, 9)))
    view = await shown(records, job_id)
    assert view["counts"]["completed"] == 8
    assert before + 3 <= view["revision"] <= before + 3 * 8  # intent, id and clip: once for each commit, and no ring
    attempts = (await records.snapshot(job_id)).attempts
    assert all(row.rang_at and row.clip for row in attempts)
    await asyncio.gather(*(records.ring(row.token) for row in attempts))
    assert (await shown(records, job_id))["revision"] == view["revision"]


async def test_a_ring_is_heard_and_changes_nothing_else(records: JobRecords) -> None:
    job_id, _ = await begun(records, 1)
    attempt = await submitted(records, job_id, 1)
    before = await records.body(job_id)
    assert await records.rung(attempt.intended_at) == {}
    await records.ring("nobody's")
    await records.ring(attempt.token)
    [(token, at)] = (await records.rung(attempt.intended_at)).items()
    assert token == attempt.token
    assert await records.rung(at) == {}
    await records.ring(attempt.token)
    assert (await records.rung(at))[token] > at
    assert await records.body(job_id) == before


async def test_a_clip_fetched_again_replaces_what_was_recorded(records: JobRecords) -> None:
    job_id, _ = await begun(records, 1)
    attempt = await made(records, job_id, 1)
    before = (await records.body(job_id)).revision
    await records.completed(attempt, clip_of(attempt))
    assert (await records.body(job_id)).revision == before  # the same again is no change
    fresh = clip_of(attempt)
    other = type(fresh)(type(fresh.video)(fresh.video.key, 2000, "1" * 64), 9.0, 1280, 720, fresh.still)
    await records.completed(attempt, other)
    assert (await records.scene(job_id, 1)).clip == other
