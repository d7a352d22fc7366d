"""A whole film in one process, watched as an operator would: every line of the log, and `/metrics` before and after."""

import io
import json
import logging
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from sqlmodel import select

from api.app import create_app
from api.models import AttemptRow
from deployments.sandbox.app import create_sandbox
from deployments.sandbox.config import SandboxConfig
from flows.film_job import Order, film_job
from tasks import logs
from tasks.options import VideoOptions
from tasks.settings import Settings
from tests.integration.running_app import lifespan
from tests.simulation.engine import Silence, Verbs

KEY = "luma-0123456789abcdef"
SCRIPT = "Zebediah finds a wombat in the belfry. Marmaduke paints the wombat violet. Zebediah weeps with joy."
DRAFTS = [
    {"description": "Zebediah finds a wombat.", "prompt": "Zebediah, a wombat, a belfry"},
    {"description": "Marmaduke paints it.", "prompt": "Marmaduke paints a wombat violet [moderate]"},
    {"description": "Zebediah weeps.", "prompt": "Zebediah weeps [lost]"},
]
WORDS = re.compile("zebediah|wombat|belfry|marmaduke|violet|weeps", re.IGNORECASE)
QUICK = SandboxConfig(generation_seconds=0.4, jitter=0, clips="cached", dream_machine_creates_per_minute=0)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All that this process logs, down to debug, with httpx as talkative as it comes."""
    root, stream = logging.getLogger(), io.StringIO()
    loggers = [root, *map(logging.getLogger, (*logs.OURS, "httpx"))]
    before = root.handlers[:], [one.level for one in loggers]
    logs.set_up(Settings(luma_api_key=SecretStr(KEY), log_level="DEBUG", log_format="json", _env_file=None), stream)
    logging.getLogger("httpx").setLevel(logging.INFO)
    yield stream
    root.handlers[:] = before[0]
    for one, level in zip(loggers, before[1], strict=True):
        one.setLevel(level)


def prefect(request: httpx.Request) -> httpx.Response:
    """A Prefect that takes every run, says of each that it runs, and has slots for all."""
    if request.url.path.endswith("/flow_runs/filter"):
        asked = json.loads(request.content)["flow_runs"]["id"]["any_"]
        return httpx.Response(200, json=[{"id": run, "state": {"type": "RUNNING", "name": "Running"}} for run in asked])
    return httpx.Response(200, json={"id": str(uuid4()), "lease_id": str(uuid4()), "status": "READY"})


@pytest.fixture
async def app(settings: Settings, log: io.StringIO) -> AsyncIterator[FastAPI]:
    """The API with Luma and Prefect in process; Luma's callbacks reach it, and in it the film is made."""
    here = {
        "luma_base_url": "http://luma/dream-machine/v1",
        "luma_api_key": SecretStr(KEY),
        "public_url": "http://studio",
        "luma_creates_per_minute": 0,
    }

    async def ourselves(scope: Any, receive: Any, send: Any) -> None:
        await created(scope, receive, send)

    sandbox = create_sandbox(QUICK, callback_transport=httpx.ASGITransport(ourselves))
    created = create_app(
        settings.model_copy(update=here),
        luma_transport=httpx.ASGITransport(sandbox),
        prefect_transport=httpx.MockTransport(prefect),
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(lifespan(sandbox))
        await stack.enter_async_context(lifespan(created))
        yield created


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://studio") as opened:
        yield opened


async def numbers(client: httpx.AsyncClient) -> dict[str, float]:
    """Every sample by its name and the values of its labels."""
    text = (await client.get("/metrics")).raise_for_status().text
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def made(app: FastAPI, client: httpx.AsyncClient) -> UUID:
    """A job of three scenes from the request to its film: one well, one refused by moderation, one answer lost."""
    asked = {"script": SCRIPT, "storyboard": DRAFTS, "options": {"resolution": "540p"}}
    answer = await client.post("/api/generate", json=asked, headers={"X-Request-Id": "request-7"})
    job_id, studio = UUID(answer.json()["jobId"]), app.state.studio
    run_id = None
    while run_id is None:
        run_id = (await studio.records.snapshot(job_id)).job.flow_run_id
    await client.get(f"/api/job/{job_id}")
    await film_job(studio, Order(job_id, run_id, SCRIPT, VideoOptions()), Verbs(studio), Silence())
    return job_id


async def test_a_whole_film_leaves_lines_with_ids_and_without_secrets(
    app: FastAPI, client: httpx.AsyncClient, log: io.StringIO
) -> None:
    job_id = await made(app, client)
    with suppress(httpx.HTTPStatusError):
        (await client.get("/api/media/none.mp4?word=wombat")).raise_for_status()
    async with app.state.studio.records.database.reading() as session:
        attempts = list(await session.exec(select(AttemptRow)))
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    events = {line["event"]: line for line in lines}

    assert not WORDS.findall(log.getvalue())
    assert KEY not in log.getvalue()
    assert all(attempt.token not in log.getvalue() for attempt in attempts)
    assert all("?" not in line["event"] for line in lines)
    assert any(line["logger"] == "httpx" and "/luma/callback/…" in line["event"] for line in lines)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]) for line in lines)

    job = await client.get(f"/api/job/{job_id}")
    run_id = job.json()["flowRunId"]
    assert (events["job is accepted"]["job"], events["job is accepted"]["request"]) == (str(job_id), "request-7")
    for event in ("job is handed to Prefect", "run begins", "run ends: completed", "job is completed"):
        assert (events[event]["job"], events[event]["flow_run"]) == (str(job_id), run_id), event
    told = [line for line in lines if line["event"].startswith("scene's attempt is ")]
    moves = {(line["scene"], line["event"].rpartition(" ")[2]) for line in told}
    assert moves >= {
        (1, "intended"), (1, "submitted"), (1, "completed"), (2, "submitted"), (2, "failed"),
        (3, "intended"), (3, "doubted"), (3, "submitted"), (3, "completed"),
    }  # fmt: skip
    assert all(line["job"] == str(job_id) and line["flow_run"] == run_id for line in told)
    assert {line["attempt"] for line in told} == {str(attempt.id) for attempt in attempts}
    assert events["scene is failed"]["scene"] == 2
    assert events["scene is failed"]["code"] == "luma_moderated"
    adopted = events["a lost answer's generation was found and adopted"]
    assert (adopted["job"], adopted["scene"]) == (str(job_id), 3)
    assert {line["scene"] for line in lines if line["event"] == "callback rang"} >= {1, 3}
    asked = {(line["method"], line["route"], line["level"]) for line in lines if line["event"] == "request is answered"}
    assert asked >= {
        ("POST", "/api/generate", "info"),
        ("GET", "/api/job/{job_id}", "debug"),
        ("GET", "/api/media/{key:path}", "debug"),
        ("POST", "/api/luma/callback/{token}", "debug"),
    }


async def test_metrics_hold_what_the_film_took(app: FastAPI, client: httpx.AsyncClient) -> None:
    before = await numbers(client)
    job_id = await made(app, client)
    after = await numbers(client)
    rise = {name: value - before.get(name, 0.0) for name, value in after.items() if value != before.get(name, 0.0)}
    spent = (await client.get(f"/api/job/{job_id}")).json()["cost"]["spentUsd"]

    assert rise["storyreel_jobs_accepted_total"] == rise["storyreel_jobs_ended_total completed"] == 1
    assert rise["storyreel_submissions_total taken"] == 2
    assert rise["storyreel_submissions_total doubted"] == 1
    assert rise["storyreel_refusals_total luma_moderated"] == 1
    assert rise["storyreel_generation_seconds_count ray-2"] == 2
    assert 0.2 < rise["storyreel_generation_seconds_sum ray-2"] < 60
    assert rise["storyreel_gate_wait_seconds_count"] == 3
    assert rise["storyreel_charged_usd_total"] == pytest.approx(spent, abs=0.001)
    assert rise["storyreel_refunded_usd_total"] == pytest.approx(spent / 3, abs=0.001)
    polls = [rise.get(f"storyreel_polls_total {asked}", 0) for asked in ("list", "generation")]
    assert sum(polls) == app.state.studio.polls.polls > 0
    assert rise["storyreel_http_requests_total POST /api/generate 202"] == 1
    assert after["storyreel_gate_slots_held"] == after["storyreel_gate_slots_waiting"] == 0
    assert after["storyreel_ledger_up"] == 1
    assert after["storyreel_jobs queued"] == after["storyreel_jobs processing"] == 0
    assert after["storyreel_outbox_age_seconds"] == 0
    assert 0 <= after["storyreel_reconcile_lag_seconds"] < 10


async def test_the_ledgers_gauges_tell_of_live_jobs_and_their_scenes(app: FastAPI, client: httpx.AsyncClient) -> None:
    records = app.state.studio.records
    answer = await client.post("/api/generate", json={"script": SCRIPT, "storyboard": DRAFTS})
    job_id = UUID(answer.json()["jobId"])
    run_id = None
    while run_id is None:
        run_id = (await records.snapshot(job_id)).job.flow_run_id
    assert (await numbers(client))["storyreel_jobs queued"] == 1
    order = Order(job_id, run_id, SCRIPT, VideoOptions())
    job = await records.begin(job_id, run_id, SCRIPT, None, order.options)
    board = await Verbs(app.state.studio).storyboard(SCRIPT, order.options, [])
    job = await records.planned(job.id, board, 1)
    await records.intend(job_id, 1, {}, None)
    found = await numbers(client)
    assert (found["storyreel_jobs queued"], found["storyreel_jobs processing"]) == (0, 1)
    assert found["storyreel_scenes generating"] == 1
    assert found["storyreel_scenes pending"] == len(job.scenes) - 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_without_its_ledger_a_scrape_answers_and_says_so(
    app: FastAPI, client: httpx.AsyncClient, settings: Settings
) -> None:
    await app.state.studio.records.database.close()
    ledger = Path(settings.ledger_url.removeprefix("sqlite+aiosqlite:///"))
    with replaced_by_a_folder(ledger):
        found = await numbers(client)
    assert found["storyreel_ledger_up"] == 0
    assert "storyreel_jobs queued" not in found
    assert "storyreel_gate_slots_held" in found


@contextmanager
def replaced_by_a_folder(ledger: Path) -> Iterator[None]:
    """Nothing can be opened there."""
    for file in ledger.parent.glob(f"{ledger.name}*"):
        file.unlink()
    ledger.mkdir()
    yield
    ledger.rmdir()
