"""Holds of accounts in the ledger, and what a refused create leaves of its scene."""

import asyncio
from uuid import UUID, uuid4

import pytest

from api.records import JobRecords
from api.states import SceneStatus
from tests.integration.jobs_made import begun, intended, new_job

ACCOUNT = "dream-machine"


async def held(records: JobRecords, hold_id: UUID, reason: str = "No credits.") -> UUID:
    return (await records.hold(hold_id, ACCOUNT, code="luma_no_credits", reason=reason, needed_micros=5)).id


async def test_only_one_finds_it_out_also_at_one_moment(records: JobRecords) -> None:
    ids = [uuid4() for _ in range(6)]
    answers = await asyncio.gather(*(held(records, hold_id) for hold_id in ids))
    assert len(set(answers)) == 1
    first = answers[0]
    assert await held(records, first) == first  # told again when its answer was lost
    assert await held(records, uuid4(), "Another reason.") == first
    hold = await records.held(ACCOUNT)
    assert hold
    assert (hold.id, hold.reason, hold.code, hold.needed_micros) == (first, "No credits.", "luma_no_credits", 5)
    assert await records.held("agents") is None


async def test_an_old_hold_does_not_end_a_newer_one(records: JobRecords) -> None:
    await held(records, uuid4())
    old = await records.held(ACCOUNT)
    assert old
    await records.let_go(old)
    assert await records.held(ACCOUNT) is None
    newer = await held(records, uuid4())
    await records.let_go(old)
    hold = await records.held(ACCOUNT)
    assert hold
    assert hold.id == newer


async def test_who_waits(records: JobRecords) -> None:
    assert not await records.anybody_waits()
    job_id, _, _ = await records.create(new_job())
    assert await records.anybody_waits()
    await records.cancel(job_id)
    assert not await records.anybody_waits()


@pytest.mark.parametrize("tell", ["refused", "lost"])
async def test_a_scene_of_which_nothing_was_begun_waits_again(records: JobRecords, tell: str) -> None:
    job_id, _ = await begun(records, 1)
    attempt = await intended(records, job_id, 1)
    assert (await records.snapshot(job_id)).scene(1).status is SceneStatus.GENERATING
    await (records.lost(attempt) if tell == "lost" else records.refused(attempt, "No credits."))
    assert (await records.snapshot(job_id)).scene(1).status is SceneStatus.PENDING
    await intended(records, job_id, 1)
    await (records.lost(attempt) if tell == "lost" else records.refused(attempt, "No credits."))  # told again, late
    assert (await records.snapshot(job_id)).scene(1).status is SceneStatus.GENERATING
