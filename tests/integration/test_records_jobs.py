"""What people ask of jobs, and the library, on both databases."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from api.models import GenerationJob
from api.records import JobNotFound, JobRecords, KeyReused, MoveRefused
from api.records.library import VideoNotFound
from api.schemas import VideoIn
from api.states import JobStatus
from tasks.ledger import AttemptState
from tests.integration.jobs_made import (
    OPTIONS,
    SCRIPT,
    begun,
    film,
    finished,
    intended,
    made,
    new_job,
    submitted,
)


async def shown(records: JobRecords, job_id: UUID) -> dict[str, Any]:
    view: dict[str, Any] = json.loads((await records.body(job_id)).body)
    return view


async def test_a_key_is_one_job(records: JobRecords) -> None:
    made_jobs = await asyncio.gather(*(records.create(new_job(idempotency_key="key")) for _ in range(20)))
    assert len({job for job, _, _ in made_jobs}) == 1
    assert [new for _, _, new in made_jobs].count(True) == 1
    assert len(await records.outbox()) == 1
    for other in (
        new_job(SCRIPT + " More.", idempotency_key="key"),
        new_job(title="Another", idempotency_key="key"),
        new_job(integrity={"statement": "mine"}, idempotency_key="key"),
        new_job(max_cost_micros=5, idempotency_key="key"),
    ):
        with pytest.raises(KeyReused):
            await records.create(other)
    _, _, new = await records.create(new_job(idempotency_key="key", owner_id="somebody else"))
    assert new


async def test_a_retry_makes_what_is_missing(records: JobRecords) -> None:
    job_id, _ = await begun(records, 3)
    kept = await made(records, job_id, 1)
    await records.scene_failed(job_id, 2, "no", "no")
    running = await submitted(records, job_id, 3)
    await records.job_failed(job_id, "The account has no credits.", "luma_account")
    before = await shown(records, job_id)
    assert before["status"] == "failed"
    assert before["error"] == "The account has no credits."

    assert await records.retry(job_id, {2: "Another view of it"}) is JobStatus.QUEUED
    after = await shown(records, job_id)
    assert after["revision"] > before["revision"]
    assert (after["run"], after["flowRunId"], after["error"], after["endedAt"]) == (2, None, None, None)
    assert [(row.kind, row.run) for row in await records.outbox()] == [("start", 1), ("start", 2)]
    run = uuid4()
    job = await records.begin(job_id, run, SCRIPT, None, OPTIONS)
    first, second, third = job.scenes
    assert (first.done, first.kept and first.kept.id) == (True, kept.id)
    assert (second.given_up, second.prompt, second.attempt) == (False, "Another view of it", None)
    assert third.attempt is not None
    assert third.attempt.id == running.id


@pytest.mark.parametrize("ask", ["retry", "regenerate", "choose"])
async def test_a_living_job_is_not_started_again(records: JobRecords, ask: str) -> None:
    job_id, _ = await begun(records, 1)
    attempt = await made(records, job_id, 1)
    before = await records.body(job_id)
    asked = {
        "retry": lambda: records.retry(job_id),
        "regenerate": lambda: records.regenerate(job_id, 1, None),
        "choose": lambda: records.choose(job_id, 1, attempt.id),
    }
    with pytest.raises(MoveRefused, match="processing can't be started again before it has ended"):
        await asked[ask]()
    assert await records.body(job_id) == before


async def test_a_full_film_needs_no_retry(records: JobRecords) -> None:
    job_id, _ = await finished(records, 1)
    with pytest.raises(MoveRefused, match="nothing to retry"):
        await records.retry(job_id)


async def test_another_take_leaves_the_first_and_pays_for_one_scene(records: JobRecords) -> None:
    job_id, _ = await begun(records, 3)
    first = await made(records, job_id, 1)
    await records.scene_failed(job_id, 2, "moderated", "luma_moderated")
    await made(records, job_id, 3)
    await records.filmed(job_id, film())
    assert await records.regenerate(job_id, 1, "A wholly new prompt") is JobStatus.QUEUED
    job = await records.begin(job_id, uuid4(), SCRIPT, None, OPTIONS)
    one, two, three = job.scenes
    assert (one.done, one.prompt) == (False, "A wholly new prompt")
    assert one.kept is not None  # shown until the new take has its clip
    assert one.kept.id == first.id
    assert two.given_up  # nobody asked for it
    assert three.done
    second = await made(records, job_id, 1)
    await records.filmed(job_id, film())
    view = await shown(records, job_id)
    takes = view["results"]["scenes"][0]["takes"]
    assert [(take["attemptId"], take["take"]) for take in takes] == [(str(first.id), 1), (str(second.id), 2)]
    assert view["results"]["scenes"][0]["videoUrl"] == takes[1]["videoUrl"]

    await records.choose(job_id, 1, first.id)
    view = await shown(records, job_id)
    assert view["results"]["scenes"][0]["videoUrl"] == takes[0]["videoUrl"]
    job = await records.begin(job_id, uuid4(), SCRIPT, None, OPTIONS)
    assert [scene.done or scene.given_up for scene in job.scenes] == [True, True, True]  # nothing left to pay for


async def test_choosing_a_take_never_pays(records: JobRecords) -> None:
    job_id, run = await begun(records, 2)
    attempt = await made(records, job_id, 1)
    await records.cancel(job_id)
    await records.job_cancelled(job_id, run)
    with pytest.raises(MoveRefused, match="retry the job first"):
        await records.choose(job_id, 1, attempt.id)


async def test_a_replaced_take_tells_what_its_attempt_cost(records: JobRecords) -> None:
    job_id, run = await begun(records, 2)
    await submitted(records, job_id, 1)
    await intended(records, job_id, 2)
    await records.cancel(job_id)
    await records.job_cancelled(job_id, run)
    await records.regenerate(job_id, 1, None)
    await records.cancel(job_id)
    await records.regenerate(job_id, 2, None)
    states = {row.scene_number: row.state for row in (await records.snapshot(job_id)).attempts}
    assert states == {1: AttemptState.ABANDONED, 2: AttemptState.UNKNOWN}
    cost = (await shown(records, job_id))["cost"]
    assert (cost["spentUsd"], cost["unknownUsd"]) == (1, 1)


async def test_scenes_and_takes_that_are_not_there(records: JobRecords) -> None:
    job_id, _ = await finished(records, 1)
    for ask in (
        records.regenerate(job_id, 2, None),
        records.choose(job_id, 1, uuid4()),
        records.retry(uuid4()),
        records.cancel(uuid4()),
        records.body(uuid4()),
        records.script(uuid4()),
    ):
        with pytest.raises(JobNotFound):
            await ask


async def test_everything_of_another_person_is_not_there(records: JobRecords) -> None:
    job_id, _ = await finished(records, 1, owner_id="her")
    [attempt] = (await records.snapshot(job_id)).attempts
    before = await records.body(job_id, "her")
    for ask in (
        records.body(job_id, "him"),
        records.script(job_id, "him"),
        records.cancel(job_id, "him"),
        records.retry(job_id, {}, "him"),
        records.regenerate(job_id, 1, None, "him"),
        records.choose(job_id, 1, attempt.id, "him"),
    ):
        with pytest.raises(JobNotFound):
            await ask
    assert (await records.jobs(10, owner_id="him")).jobs == []
    assert (await records.videos(10, owner_id="him")).videos == []
    [video] = (await records.videos(10, owner_id="her")).videos
    with pytest.raises(VideoNotFound):
        await records.delete_video(video.id, "him")
    with pytest.raises(VideoNotFound):
        await records.video(video.id, "him")
    theirs = await records.save_video(VideoIn(script=SCRIPT, video_data={"id": str(job_id)}), "him")
    assert (await records.video(theirs, "him")).job_id is None
    assert await records.body(job_id, "her") == before


async def test_pages_hold_every_job_once_also_when_made_at_one_moment(records: JobRecords) -> None:
    ids = {(await records.create(new_job()))[0] for _ in range(7)}
    async with records.database.writing() as session:
        moment = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)
        await session.exec(update(GenerationJob).values(created_at=moment))
    seen: list[UUID] = []
    cursor = None
    while True:
        page = await records.jobs(2, cursor)
        seen += [job.job_id for job in page.jobs]
        if (cursor := page.next) is None:
            break
        assert len(page.jobs) == 2
    assert len(seen) == 7
    assert set(seen) == ids


async def test_a_page_goes_on_where_it_ended_when_jobs_come_meanwhile(records: JobRecords) -> None:
    old = [(await records.create(new_job()))[0] for _ in range(4)]
    first = await records.jobs(2)
    await records.create(new_job())
    second = await records.jobs(2, first.next)
    assert [job.job_id for job in (*first.jobs, *second.jobs)] == old[::-1]
    assert second.next is None


async def test_only_jobs_that_changed_are_news(records: JobRecords) -> None:
    one, two = (await records.create(new_job()))[0], (await records.create(new_job()))[0]
    assert await records.newer({one: 1, two: 1}) == {}
    await records.cancel(one)
    news = await records.newer({one: 1, two: 1})
    assert {job: body.revision for job, body in news.items()} == {one: 2}
    many = {uuid4(): 0 for _ in range(3000)}  # as many pages as may look at once
    assert set(await records.newer({**many, two: 0})) == {two}


async def test_a_film_is_in_the_library_once(records: JobRecords) -> None:
    job_id, _ = await finished(records, 1, title="The answer")
    old_frontend = VideoIn(
        script=SCRIPT,
        video_url="/api/media/first-clip.mp4",
        generation_id="generation-1",
        storyboard={"scenes": []},
        video_data={"id": str(job_id), "status": "completed"},
    )
    ids = await asyncio.gather(*(records.save_video(old_frontend) for _ in range(5)))
    [video] = (await records.videos(10)).videos
    assert set(ids) == {video.id}
    assert (video.job_id, video.title, video.generation_id) == (job_id, "The answer", "generation-1")
    assert video.video_url == f"/api/media/{film().video.key}"  # the film, not the clip it was made from
    assert video.video_data["id"] == str(job_id)
    assert video.poster_url


async def test_a_film_of_elsewhere_is_kept_as_it_comes(records: JobRecords) -> None:
    first = await records.save_video(
        VideoIn(script="Once upon a time.", status="failed", video_data={"status": "error"})
    )
    second = await records.save_video(VideoIn(script="Once upon a time.", status="failed", video_data="no object"))
    assert first != second
    video = await records.video(first)
    assert (video.title, video.status, video.job_id, video.video_data) == (
        "Once upon a time.",
        "failed",
        None,
        {"status": "error"},
    )


async def test_the_library_is_searched_and_cleared(records: JobRecords) -> None:
    for title in ("The Lighthouse", "Harbour 100%", "Ümläut"):
        await records.save_video(VideoIn(script="sea " + title.lower(), title=title))
    found = {
        word: len((await records.videos(10, search=word)).videos) for word in ("LIGHT", "0%", "%", "_", "sea", "x")
    }
    assert found == {"LIGHT": 1, "0%": 1, "%": 1, "_": 0, "sea": 3, "x": 0}
    first = await records.videos(2)
    second = await records.videos(2, first.next)
    assert [video.title for video in (*first.videos, *second.videos)] == ["Ümläut", "Harbour 100%", "The Lighthouse"]
    await records.delete_video(first.videos[0].id)
    with pytest.raises(VideoNotFound):
        await records.delete_video(first.videos[0].id)
    assert len((await records.videos(10)).videos) == 2


async def test_a_film_deleted_from_the_library_leaves_its_job(records: JobRecords) -> None:
    job_id, _ = await finished(records, 1)
    [video] = (await records.videos(10)).videos
    await records.delete_video(video.id)
    assert (await shown(records, job_id))["status"] == "completed"
