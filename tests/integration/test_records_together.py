"""Changes of one job that wait for each other share a transaction; what goes wrong with one is nobody else's fault."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import event

from api.models import AttemptRow
from api.records import JobRecords
from tasks.ledger import Attempt, AttemptState, GenerationClaimed, JobCancelled, Superseded
from tests.integration.jobs_made import begun, clip_of, intended

SCENES = 8


@pytest.fixture
async def job_id(records: JobRecords) -> UUID:
    return (await begun(records, SCENES))[0]


async def states(records: JobRecords, job_id: UUID) -> dict[int, AttemptState]:
    """By scene, as the database has them."""
    return {row.scene_number: row.state for row in (await records.snapshot(job_id)).attempts}


async def all_intended(records: JobRecords, job_id: UUID) -> list[Attempt]:
    return [await intended(records, job_id, number) for number in range(1, SCENES + 1)]


async def test_those_that_wait_share_a_commit(records: JobRecords, job_id: UUID) -> None:
    attempts, commits = await all_intended(records, job_id), list[object]()

    def note(connection: object) -> None:
        commits.append(connection)

    event.listen(records.database._writing.sync_engine, "commit", note)
    await asyncio.gather(*(records.submitted(attempt, f"g-{attempt.scene_number}") for attempt in attempts))
    assert len(commits) <= 3  # the first one's, and that of those who waited for it
    assert set((await states(records, job_id)).values()) == {AttemptState.SUBMITTED}


async def test_one_that_is_refused_keeps_no_other_back(records: JobRecords, job_id: UUID) -> None:
    attempts = await all_intended(records, job_id)
    await records.lost(attempts[4])
    told = (records.completed(attempt, clip_of(attempt)) for attempt in attempts)
    for attempt in attempts[:4] + attempts[5:]:
        await records.submitted(attempt, f"g-{attempt.scene_number}")
    said = await asyncio.gather(*told, return_exceptions=True)
    assert [type(answer) for answer in said if answer] == [Superseded]
    assert isinstance(said[4], Superseded)
    expected = dict.fromkeys(range(1, SCENES + 1), AttemptState.COMPLETED) | {5: AttemptState.LOST}
    assert await states(records, job_id) == expected


@pytest.mark.parametrize("twice", [0, 3, SCENES - 1])
async def test_a_generation_that_is_claimed_twice_is_refused_to_one(
    records: JobRecords, job_id: UUID, twice: int
) -> None:
    other, _ = await begun(records, 1)
    await records.submitted(await intended(records, other, 1), "taken")
    attempts = await all_intended(records, job_id)
    ids = ["taken" if number == twice else f"g-{number}" for number in range(SCENES)]
    told = (records.submitted(attempt, given) for attempt, given in zip(attempts, ids, strict=True))
    said = await asyncio.gather(*told, return_exceptions=True)
    assert [type(answer) for answer in said if answer] == [GenerationClaimed]
    assert isinstance(said[twice], GenerationClaimed)
    kept = {row.generation_id for row in (await records.snapshot(job_id)).attempts}
    assert kept == {None, *ids} - {"taken"}


async def test_all_hear_that_the_job_is_cancelled(records: JobRecords, job_id: UUID) -> None:
    await records.cancel(job_id)
    asked = (records.intend(job_id, number, {"prompt": ""}, None) for number in range(1, SCENES + 1))
    said = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(answer) for answer in said} == {JobCancelled}
    assert await states(records, job_id) == {}


@pytest.mark.parametrize("ticks", [*range(0, 30, 2), 40, 60, 90])
async def test_whoever_is_stopped_stops_nobody_else(records: JobRecords, job_id: UUID, ticks: int) -> None:
    """At any moment, the one that leads or one that waits: all others are stored, and told once each."""
    attempts = await all_intended(records, job_id)
    stopped = ticks % 3  # the first leads, the second most often leads those behind it
    telling = [asyncio.create_task(records.submitted(one, f"g-{one.scene_number}")) for one in attempts]
    for _ in range(ticks):
        await asyncio.sleep(0)
    telling[stopped].cancel()
    async with asyncio.timeout(20):
        said = await asyncio.gather(*telling, return_exceptions=True)
    assert not [answer for number, answer in enumerate(said) if number != stopped and answer]
    now = await states(records, job_id)
    assert {now[one.scene_number] for one in attempts if one is not attempts[stopped]} == {AttemptState.SUBMITTED}
    await records.submitted(attempts[stopped], f"g-{stopped + 1}")  # nothing is in the way of telling it again
    assert (await states(records, job_id))[stopped + 1] is AttemptState.SUBMITTED


async def test_nothing_is_kept_of_what_was_undone(records: JobRecords, job_id: UUID) -> None:
    attempts = await all_intended(records, job_id)
    told = [asyncio.create_task(records.submitted(one, f"g-{one.scene_number}")) for one in attempts]

    async def spoil() -> None:
        async with records.together(job_id) as change:
            change.job.title = "Spoilt"
            row = change.attempts[0].model_dump(exclude={"id"}) | {"token": "spoilt", "generation_id": None}
            change.add(AttemptRow(**row))
            raise RuntimeError

    spoilt = asyncio.create_task(spoil())
    await asyncio.gather(*told)
    with pytest.raises(RuntimeError):
        await spoilt
    change = await records.latest(job_id)
    assert change.job.title != "Spoilt"
    assert len(change.attempts) == SCENES
    assert b"Spoilt" not in (await records.body(job_id)).body
    assert set((await states(records, job_id)).values()) == {AttemptState.SUBMITTED}
