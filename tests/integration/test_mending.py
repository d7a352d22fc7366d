"""Retries and other takes over the HTTP API: what a new run is asked to make, and what it leaves alone."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.records import JobRecords
from tasks.ledger import Clip, StoredFile
from tasks.options import VideoOptions
from tasks.settings import Settings
from tasks.storyboard import SceneDraft, make_storyboard

SCRIPT = "A lighthouse keeper finds a letter in a bottle, reads it by lamplight and rows out to answer it."
WORDS = ["She finds the letter.", "She reads it by lamplight.", "She rows out."]


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[FastAPI]:
    away = httpx.MockTransport(lambda _: httpx.Response(503))
    app = create_app(Settings(data=tmp_path, _env_file=None), prefect_transport=away, luma_transport=away)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://studio") as client:
        yield client


@pytest.fixture
def records(app: FastAPI) -> JobRecords:
    found: JobRecords = app.state.studio.records
    return found


async def ended(client: httpx.AsyncClient, records: JobRecords) -> UUID:
    """A job of three scenes: the first has a clip, the others have failed."""
    answer = await client.post("/api/generate", json={"script": SCRIPT})
    job_id, options = UUID(answer.json()["jobId"]), VideoOptions()
    await records.begin(job_id, uuid4(), SCRIPT, None, options)
    board = make_storyboard(SCRIPT, options, [SceneDraft(description=words) for words in WORDS])
    await records.planned(job_id, board, 1_000_000)
    attempt = await records.intend(job_id, 1, {"prompt": "first"}, None)
    await records.submitted(attempt, "generation-1")
    await records.completed(attempt, Clip(StoredFile("clip.mp4", 1, "0" * 64), 9.0, 1280, 720))
    for number in (2, 3):
        await records.scene_failed(job_id, number, "Luma could not make this scene.", "luma_generation_failed")
    await records.job_failed(job_id, "No film.", "no_scene")
    return job_id


async def job(client: httpx.AsyncClient, job_id: UUID) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/api/job/{job_id}")).json()
    return found


async def test_a_retry_takes_new_prompts_for_what_is_missing_only(
    client: httpx.AsyncClient, records: JobRecords
) -> None:
    job_id = await ended(client, records)
    before = (await job(client, job_id))["results"]["scenes"]
    asked = {"prompts": {"1": "not this one", "3": "  She rows out at dawn.  "}}
    assert (await client.post(f"/api/job/{job_id}/retry", json=asked)).status_code == 202
    scenes = (await job(client, job_id))["results"]["scenes"]
    assert [scene["status"] for scene in scenes] == ["completed", "pending", "pending"]
    assert [scene["prompt"] for scene in scenes] == [before[0]["prompt"], before[1]["prompt"], "She rows out at dawn."]
    assert [scene["error"] for scene in scenes] == [None, None, None]


async def test_a_retry_needs_no_body_and_refuses_a_prompt_that_says_nothing(
    client: httpx.AsyncClient, records: JobRecords
) -> None:
    job_id = await ended(client, records)
    refused = await client.post(f"/api/job/{job_id}/retry", json={"prompts": {"2": "  a  "}})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
    assert (await client.post(f"/api/job/{job_id}/retry")).status_code == 202


async def test_another_take_of_one_scene_leaves_the_other_failed_ones_failed(
    client: httpx.AsyncClient, records: JobRecords
) -> None:
    job_id = await ended(client, records)
    await client.post(f"/api/job/{job_id}/scenes/2/regenerate", json={"prompt": "She reads it by candle."})
    scenes = (await job(client, job_id))["results"]["scenes"]
    assert [scene["status"] for scene in scenes] == ["completed", "pending", "failed"]


async def test_takes_say_when_they_began_and_the_clock_of_a_job_starts_anew_with_its_run(
    client: httpx.AsyncClient, records: JobRecords
) -> None:
    job_id = await ended(client, records)
    first = await job(client, job_id)
    take = first["results"]["scenes"][0]["takes"][0]
    assert first["startedAt"] <= take["startedAt"] <= take["endedAt"]
    await client.post(f"/api/job/{job_id}/retry")
    assert (await job(client, job_id))["startedAt"] is None


async def test_a_scene_or_take_that_is_not_there_is_not_called_a_missing_job(
    client: httpx.AsyncClient, records: JobRecords
) -> None:
    job_id = await ended(client, records)
    for path, says in (
        ("scenes/4/regenerate", "This job has no scene 4."),
        (f"scenes/2/takes/{uuid4()}/choose", "Scene 2 of this job has no such take with a clip."),
    ):
        answer = await client.post(f"/api/job/{job_id}/{path}")
        assert (answer.status_code, answer.json()["code"], answer.json()["detail"]) == (404, "scene_not_found", says)
