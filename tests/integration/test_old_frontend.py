"""The old page against the real API: a clear sentence on every error, and patience while Prefect is away."""

import asyncio
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.records import JobRecords
from tasks.settings import Settings
from tests.integration.conftest import NOWHERE
from tests.integration.jobs_made import OPTIONS, SCRIPT
from tests.integration.old_page import needs_node, visit
from tests.integration.running_app import lifespan, serving

pytestmark = needs_node
LONG = "word " * 4001


async def test_what_the_page_refuses_itself(app: FastAPI) -> None:
    async with serving(app) as base:
        short = await visit(base, "Too short.")
        assert short.told("alert")[0].startswith("Please write a longer script!")
        unconfirmed = await visit(base, SCRIPT, integrityConfirmed=False)
        assert unconfirmed.told("alert")[0].startswith("Please confirm")
    assert short.asked == unconfirmed.asked == []


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (
            "word " * 4001,
            "Please write a shorter script: at most 20,000 characters can be filmed, this one has 20,005.",
        ),
        (SCRIPT + "\0", "“script” holds a NUL character, which is not text."),
        ("a" * 300_000, "The body is larger than 256 KiB."),
    ],
)
async def test_what_the_api_refuses_is_said_in_a_sentence(app: FastAPI, script: str, says: str) -> None:
    async with serving(app) as base:
        seen = await visit(base, script, user={"name": "A writer"})
    assert seen.told("alert") == [f"Failed to start generation: {says}"]
    assert seen.told("push") == ["/result"]
    assert seen.stored["errorMessage"] == says
    assert seen.told("isGenerating") == [True, False]


async def test_a_job_that_is_not_there_is_said(app: FastAPI) -> None:
    async with serving(app) as base:
        seen = await visit(base, SCRIPT, askFor=str(uuid4()))
    assert set(seen.told("alert")) == {"Error checking job status: Job not found"}


async def test_a_ledger_that_is_away_is_said(settings: Settings) -> None:
    away = create_app(settings.model_copy(update={"database_url": f"postgresql://postgres@{NOWHERE[7:]}/none"}))
    async with lifespan(away), serving(away) as base:
        seen = await visit(base, SCRIPT)
    [alert] = seen.told("alert")
    assert "The ledger can't be reached just now" in alert


async def test_the_page_waits_while_prefect_is_away_and_tells_why_its_job_fails(
    app: FastAPI, records: JobRecords
) -> None:
    """Nobody runs the job here: the ledger is told of it as a flow would tell."""
    async with serving(app) as base:
        watching = asyncio.create_task(visit(base, SCRIPT, user={"name": "A writer"}))
        async with httpx.AsyncClient(base_url=base) as client:
            while not (listed := (await client.get("/api/jobs")).json()["jobs"]):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            job_id = UUID(listed[0]["jobId"])
            await asyncio.sleep(0.5)
            await records.begin(job_id, uuid4(), SCRIPT, None, OPTIONS)
            await asyncio.sleep(0.5)
            await records.job_failed(job_id, "The Luma account has no credits left.", "luma_account")
            seen = await watching
            library = (await client.get("/api/videos")).json()["videos"]
    statuses = seen.told("status")
    assert "Waiting to start..." in statuses
    assert "Creating storyboard..." in statuses
    assert "Generation failed: The Luma account has no credits left." in seen.told("alert")
    assert seen.stored["videoData"]["error"] == "The Luma account has no credits left."
    assert seen.told("push")[-1] == "/result"
    assert library[0]["status"] == "failed"
