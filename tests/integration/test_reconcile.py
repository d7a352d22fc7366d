"""`storyreel reconcile`: both databases and the sandbox's wire; what was lost is found, and is not paid again."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from pydantic import SecretStr

from api.bootstrap import Studio, studio
from api.models import AttemptRow
from api.states import JobStatus
from deployments.differences import KnownTo
from deployments.reconcile import reconcile
from deployments.sandbox.app import create_sandbox
from deployments.sandbox.config import SandboxConfig
from deployments.sandbox.sandbox import Sandbox
from flows.film_job import Ended, Ending, Order, film_job
from tasks.ledger import Attempt, AttemptState, GenerationClaimed, Superseded
from tasks.luma import GenerationRequest
from tasks.settings import Settings
from tests.integration.jobs_made import OPTIONS, SCRIPT, begun, clip_of, film
from tests.simulation.engine import Silence, Verbs

LONG_AGO = timedelta(minutes=10)


@dataclass
class Account:
    """A studio and its account at Luma."""

    house: Studio
    sandbox: Sandbox

    async def intended(self, job_id: UUID, number: int, *, ago: timedelta = LONG_AGO) -> Attempt:
        """An intent, as old as that."""
        scene = await self.house.records.scene(job_id, number)
        body = GenerationRequest.of(scene.prompt, OPTIONS).body()
        attempt = await self.house.records.intend(job_id, number, body, self.house.settings.callback_base)
        async with self.house.records.database.writing() as session:
            row = await session.get(AttemptRow, attempt.id)
            assert row
            row.intended_at -= ago
        return attempt

    async def posted(self, attempt: Attempt, *, ago: timedelta = LONG_AGO) -> str:
        """What Luma began for it, and when; nobody has written down the id."""
        request = GenerationRequest.from_body(attempt.request)
        begun = await self.house.luma.submit(request, attempt.callback_url)
        self.sandbox.generations[begun.id].created_at -= ago.total_seconds()
        return begun.id

    async def paid(self, job_id: UUID, number: int) -> str:
        attempt = await self.intended(job_id, number)
        generation_id = await self.posted(attempt)
        await self.house.records.submitted(attempt, generation_id)
        return generation_id

    async def row(self, attempt: Attempt) -> AttemptRow:
        return (await self.house.records.snapshot(attempt.job_id)).attempt(attempt.id)

    async def run(self, job_id: UUID, run: UUID) -> Ended:
        order = Order(job_id, run, SCRIPT, OPTIONS)
        return await film_job(self.house, order, Verbs(self.house), Silence())


@pytest.fixture(params=["https://films.test", None], ids=["token", "words"])
async def account(request: pytest.FixtureRequest, settings: Settings) -> AsyncIterator[Account]:
    config = SandboxConfig(
        generation_seconds=0.1,
        jitter=0,
        clips="cached",
        dream_machine_concurrency=1000,
        dream_machine_creates_per_minute=0,
        callback_drop_rate=1,
    )
    app = create_sandbox(config)
    ours = settings.model_copy(
        update={
            "luma_base_url": "http://luma.test/dream-machine/v1",
            "luma_api_key": SecretStr("key"),
            "public_url": request.param,
            "luma_creates_per_minute": 0,
        }
    )
    async with studio(ours, luma_transport=httpx.ASGITransport(app)) as house:
        yield Account(house, app.state.sandbox)
    await app.state.sandbox.aclose()


async def test_books_that_agree(account: Account) -> None:
    assert await reconcile(account.house, adopting=True) == (0, [])
    for _ in range(3):
        job_id, _ = await begun(account.house.records, 3)
        for number in (1, 2, 3):
            await account.paid(job_id, number)
    assert await reconcile(account.house, adopting=True) == (9, [])


async def test_every_generation_that_one_side_only_knows_is_told(account: Account) -> None:
    records = account.house.records
    first, _ = await begun(records, 3)
    gone = [await account.paid(first, number) for number in (1, 2, 3)][1]
    second, _ = await begun(records, 2)
    late = await account.intended(second, 1)
    lost = await account.posted(late)
    await records.lost(late)
    foreign = (await account.house.luma.submit(GenerationRequest.of("Somebody else's.", OPTIONS))).id
    await account.house.luma.delete(gone)

    compared, found = await reconcile(account.house, adopting=False)
    assert compared == 5
    told = {one.generation_id: (one.known_to, one.attempt and one.attempt.job_id, one.adopted) for one in found}
    assert told == {
        lost: (KnownTo.LUMA, second, None),
        foreign: (KnownTo.LUMA, None, None),
        gone: (KnownTo.LEDGER, first, None),
    }
    price = account.house.prices.price_micros(OPTIONS)
    assert {one.generation_id: one.cost_micros for one in found}[foreign] == price
    assert (await account.row(late)).generation_id is None


@pytest.mark.parametrize("state", ["intended", "doubted", "lost", "unknown"])
async def test_what_is_adopted_is_not_paid_again(account: Account, state: str) -> None:
    records = account.house.records
    job_id, _ = await begun(records, 1)
    attempt = await account.intended(job_id, 1)
    generation_id = await account.posted(attempt)
    if state != "intended":
        await (records.lost(attempt) if state == "lost" else getattr(records, state)(attempt, "no answer"))
    await records.scene_failed(job_id, 1, "Luma can't tell.", "luma_undecidable")
    await records.job_failed(job_id, "None of the scenes could be made.", "no_scene")

    [found] = (await reconcile(account.house, adopting=True))[1]
    assert (found.generation_id, found.adopted) == (generation_id, AttemptState.SUBMITTED)
    assert (await reconcile(account.house, adopting=True))[1] == []
    assert (await records.body(job_id)).status is JobStatus.FAILED

    await records.retry(job_id)
    assert (await account.run(job_id, uuid4())).ending is Ending.COMPLETED
    assert list(account.sandbox.generations) == [generation_id]
    row = await account.row(attempt)
    assert (row.state, row.generation_id) == (AttemptState.COMPLETED, generation_id)


async def test_what_nobody_waits_for_any_more_is_told_as_spent(account: Account) -> None:
    records = account.house.records
    job_id, _ = await begun(records, 1)
    lost = await account.intended(job_id, 1)
    generation_id = await account.posted(lost)
    await records.lost(lost)
    second = await account.intended(job_id, 1, ago=timedelta())
    again = await account.posted(second, ago=timedelta())
    await records.submitted(second, again)
    await records.completed(second, clip_of(second))
    await records.filmed(job_id, film())

    before = (await records.body(job_id)).revision
    [found] = (await reconcile(account.house, adopting=True))[1]
    assert (found.generation_id, found.adopted) == (generation_id, AttemptState.ABANDONED)
    now = await records.body(job_id)
    assert (now.status, now.revision) == (JobStatus.COMPLETED, before + 1)
    price = 2 * (await account.row(lost)).cost_micros / 1e6
    assert f'"spentUsd":{price}'.encode() in now.body


async def test_a_create_that_is_on_its_way_is_left_alone(account: Account) -> None:
    job_id, _ = await begun(account.house.records, 1)
    attempt = await account.intended(job_id, 1, ago=timedelta())
    await account.posted(attempt, ago=timedelta())
    assert (await reconcile(account.house, adopting=True))[1] == []
    assert (await account.row(attempt)).state is AttemptState.INTENDED


async def test_what_was_surely_refused_gets_nothing(account: Account) -> None:
    job_id, _ = await begun(account.house.records, 1)
    attempt = await account.intended(job_id, 1)
    await account.house.records.refused(attempt, "Too many.")
    await account.posted(attempt)
    [found] = (await reconcile(account.house, adopting=True))[1]
    assert (found.attempt, found.adopted) == (None, None)


async def test_each_is_given_once(account: Account) -> None:
    records = account.house.records
    job_id, _ = await begun(records, 2)
    first, second = await account.intended(job_id, 1), await account.intended(job_id, 2)
    assert await records.adopt(first, "found") is AttemptState.SUBMITTED
    assert await records.adopt(first, "found") is AttemptState.SUBMITTED
    with pytest.raises(GenerationClaimed):
        await records.adopt(second, "found")
    with pytest.raises(Superseded):
        await records.adopt(first, "another")


async def test_one_that_was_sent_after_it_was_given_up_may_have_cost(account: Account) -> None:
    records = account.house.records
    job_id, _ = await begun(records, 1)
    attempt = await account.intended(job_id, 1)
    await records.lost(attempt)
    for _ in range(2):
        with pytest.raises(Superseded):
            await records.doubted(attempt, "no answer")
    assert (await account.row(attempt)).state is AttemptState.UNKNOWN


async def test_long_lists_on_both_sides(account: Account) -> None:
    """Far more than a page of either, with generations here and there that only one side knows."""
    records = account.house.records
    wanted: set[str] = set()
    for round_ in range(6):
        job_id, _ = await begun(records, 5)
        for number in range(1, 6):
            age = timedelta(minutes=30 * round_ + number)
            attempt = await account.intended(job_id, number, ago=age)
            generation_id = await account.posted(attempt, ago=age)
            if number == 3:
                await records.unknown(attempt, "can't tell")
                wanted.add(generation_id)
                continue
            await records.submitted(attempt, generation_id)
            if number == 4:
                await account.house.luma.delete(generation_id)
                wanted.add(generation_id)
    ordered = sorted(account.sandbox.generations.items(), key=lambda item: item[1].created_at)
    account.sandbox.generations = dict(ordered)  # Luma lists the newest first
    compared, found = await reconcile(account.house, adopting=False, page=3, batch=2)
    assert compared == 30
    assert {one.generation_id for one in found} == wanted
    assert all(one.attempt for one in found)
