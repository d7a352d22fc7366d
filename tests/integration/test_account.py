"""An account that Luma refuses, over the wires: ledger, sandbox and API are real, workers are in process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from api.app import create_app
from api.bootstrap import Studio
from api.database import Database
from api.records import JobRecords
from deployments.sandbox.app import create_sandbox
from deployments.sandbox.config import SandboxConfig
from flows.film_job import Ended, Order, film_job
from tasks.doorbells import Doorbells
from tasks.luma import Account, Backoff, DreamMachine, Gate
from tasks.luma.polls import Polls
from tasks.luma.prices import Prices
from tasks.media import MediaStore
from tasks.options import VideoOptions
from tasks.settings import Settings
from tests.integration.running_app import lifespan
from tests.simulation.engine import Silence, Verbs

SCRIPT = "A lighthouse keeper finds a letter in a bottle. She reads it by lamplight and rows out to answer it."
QUICK = SandboxConfig(generation_seconds=0.6, jitter=0, clips="cached")
NO_CREDITS = "The Luma account has no credits left; add some and retry."
BAD_KEY = "Luma does not accept the API key; check LUMAAI_API_KEY."


class House:
    """One API, any number of workers, and Luma."""

    def __init__(self, stack: AsyncExitStack, settings: Settings, app: FastAPI, luma: httpx.ASGITransport) -> None:
        self.stack, self.settings, self.luma = stack, settings, luma
        studio = httpx.ASGITransport(app, raise_app_exceptions=False)
        self.api = httpx.AsyncClient(transport=studio, base_url="http://studio")
        self.sandbox = httpx.AsyncClient(transport=luma, base_url="http://luma")

    async def worker(self, slots: int = 2) -> Studio:
        """One more process, as far as it can be told from the ledger and from Luma."""
        database = Database(self.settings.ledger_url)
        self.stack.push_async_callback(database.close)
        records = JobRecords(database)
        luma = DreamMachine(SecretStr("key"), self.settings.luma_base_url, transport=self.luma)
        await self.stack.enter_async_context(luma)
        gate, often = Gate(slots, 0), Backoff(base=0.3, factor=1, maximum=0.3, jitter=0)
        account = Account("dream-machine", luma, gate, records, every=0.05, backoff=often)
        media, bells = MediaStore(self.settings.media), Doorbells(records)
        return Studio(self.settings, records, media, luma, gate, account, Polls(luma), bells, Prices.load(None))

    async def job(self, words: str, scenes: int = 2) -> UUID:
        drafts = [{"description": words, "prompt": f"{words}, view {number}"} for number in range(scenes)]
        answer = await self.api.post("/api/generate", json={"script": SCRIPT, "title": words, "storyboard": drafts})
        assert answer.status_code == 202, answer.text
        return UUID(answer.json()["jobId"])

    async def shown(self, job_id: UUID) -> tuple[dict[str, Any], str]:
        answer = await self.api.get(f"/api/job/{job_id}")
        return answer.json(), answer.headers["etag"]

    async def ready(self) -> dict[str, Any]:
        """What is said of Luma."""
        checks = (await self.api.get("/api/ready")).json()["checks"]
        found: dict[str, Any] = next(check for check in checks if check["name"] == "luma")
        return found

    async def charged(self) -> list[str]:
        """Prompts that were paid for."""
        charges = (await self.sandbox.get("/_sandbox/charges")).json()["charges"]
        return sorted(charge["prompt"] for charge in charges)

    async def until(self, wanted: Callable[[], Any], seconds: float = 20) -> Any:
        async with asyncio.timeout(seconds):
            while not (found := await wanted()):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)
        return found


def run(worker: Studio, job_id: UUID) -> asyncio.Task[Ended]:
    """What the flow does."""
    order = Order(job_id, uuid4(), SCRIPT, VideoOptions())
    return asyncio.create_task(film_job(worker, order, Verbs(worker), Silence()))


@pytest.fixture
async def house(settings: Settings, tmp_path: Path) -> AsyncIterator[House]:
    settings = settings.model_copy(update={"luma_base_url": "http://luma/dream-machine/v1"})
    sandbox = create_sandbox(QUICK)
    luma = httpx.ASGITransport(sandbox)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(lifespan(sandbox))
        app = create_app(settings, luma_transport=luma)
        await stack.enter_async_context(lifespan(app))
        opened = House(stack, settings, app, luma)
        yield opened
        await opened.api.aclose()
        await opened.sandbox.aclose()


async def test_the_job_that_meets_it_fails_and_the_others_wait_and_complete_by_themselves(house: House) -> None:
    no_credits = {"kind": "status", "operation": "create", "status": 402, "nth": 3, "times": None}
    (await house.sandbox.post("/_sandbox/faults", json=no_credits)).raise_for_status()
    worker = await house.worker()
    jobs = [await house.job(words, 3) for words in ("A lamp", "A boat", "A gull")]
    runs = {job: run(worker, job) for job in jobs}
    await asyncio.wait(runs.values(), return_when=asyncio.FIRST_COMPLETED)
    [failed] = [job for job in jobs if runs[job].done()]
    waiting = [job for job in jobs if job != failed]

    body, _ = await house.shown(failed)
    assert (body["status"], body["error"], body["errorCode"]) == ("failed", NO_CREDITS, "luma_no_credits")
    assert await house.ready() == {"name": "luma", "ok": False, "detail": f"All jobs wait: {NO_CREDITS}"}

    held: dict[UUID, tuple[dict[str, Any], str]] = {}

    async def all_wait() -> bool:  # at one moment: the one that tries the account generates for that long
        held.update({job: await house.shown(job) for job in waiting})
        told = {(body["waitingFor"], body["currentStep"]) for body, _ in held.values()}
        return told == {(NO_CREDITS, f"Waiting: {NO_CREDITS}")}

    await house.until(all_wait)

    other = await house.worker()  # it starts while the account is refused
    late = await house.job("A pier", 3)
    runs[late] = run(other, late)
    refused = (await house.sandbox.get("/_sandbox/faults")).json()["faults"][0]["struck"]
    await asyncio.sleep(1.5)
    faults = (await house.sandbox.get("/_sandbox/faults")).json()["faults"]
    assert refused < faults[0]["struck"] < refused + 12  # the account is tried now and then, not by every scene
    assert not any(runs[job].done() for job in (*waiting, late))
    assert len(await house.charged()) == 2

    await house.sandbox.delete("/_sandbox/faults")
    await asyncio.gather(*runs.values())
    for job in (*waiting, late):
        body, etag = await house.shown(job)
        assert (body["status"], body["outcome"], body["waitingFor"]) == ("completed", "full", None)
        assert job not in held or etag != held[job][1]
    assert (await house.ready())["ok"] is True

    assert (await house.api.post(f"/api/job/{failed}/retry")).status_code == 202
    await run(other, failed)
    assert (await house.shown(failed))[0]["outcome"] == "full"
    words = ("A boat", "A gull", "A lamp", "A pier")
    assert await house.charged() == sorted(f"{word}, view {number}" for word in words for number in range(3))


async def test_what_luma_makes_meanwhile_is_kept_when_it_refuses_even_questions(house: House) -> None:
    worker, other = await house.worker(), await house.worker()
    jobs = [await house.job(words) for words in ("A lamp", "A boat")]
    runs = [run(worker, jobs[0]), run(other, jobs[1])]

    async def all_paid() -> bool:
        return len(await house.charged()) == 4

    await house.until(all_paid)
    await house.sandbox.put("/_sandbox/config", json={"valid_keys": ["another"]})
    await asyncio.wait(runs, return_when=asyncio.FIRST_COMPLETED)
    found_out, waits = (0, 1) if runs[0].done() else (1, 0)
    assert (await house.shown(jobs[found_out]))[0]["error"] == BAD_KEY

    async def waits_on() -> bool:
        body, _ = await house.shown(jobs[waits])
        return (body["status"], body["waitingFor"]) == ("processing", BAD_KEY)

    await house.until(waits_on)

    await house.sandbox.put("/_sandbox/config", json={"valid_keys": None})
    await runs[waits]
    assert (await house.shown(jobs[waits]))[0]["outcome"] == "full"
    await house.api.post(f"/api/job/{jobs[found_out]}/retry")
    await run(worker, jobs[found_out])
    assert (await house.shown(jobs[found_out]))[0]["outcome"] == "full"
    assert len(await house.charged()) == 4  # nothing twice


async def test_with_no_job_left_the_api_finds_out_that_the_account_works(house: House) -> None:
    (await house.sandbox.put("/_sandbox/config", json={"credits_cents": 1})).raise_for_status()
    job = await house.job("A lamp", 1)
    await run(await house.worker(), job)
    assert (await house.shown(job))[0]["error"] == NO_CREDITS
    assert (await house.ready())["ok"] is False
    (await house.sandbox.put("/_sandbox/config", json={"credits_cents": 1000})).raise_for_status()

    async def well() -> bool:
        return bool((await house.ready())["ok"])

    await house.until(well)
