"""The dispatcher and a real Prefect server: what is handed over, once, and what is learnt of it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import AwaitingRetry, Cancelled, Cancelling, Completed, Crashed, Failed, Running

from api.app import create_app
from api.database import Database
from api.dispatch import Dispatcher
from api.prefect_api import NewRun, NoDeployment, PrefectApi
from api.prefect_http import PrefectAway
from api.records import JobRecords
from api.states import JobStatus
from tasks.settings import Settings
from tests.integration.jobs_made import OPTIONS, SCRIPT, new_job
from tests.integration.running_app import lifespan

TOO_LARGE = 600_000  # characters; Prefect takes half a megabyte of parameters


@dataclass
class Desk:
    """A ledger, and a deployment of its own that nobody serves."""

    settings: Settings
    records: JobRecords
    client: PrefectClient
    deployment_id: UUID
    opened: list[PrefectApi] = field(default_factory=list)

    def prefect(self, **changed: str) -> PrefectApi:
        self.opened.append(PrefectApi(self.settings.model_copy(update=changed)))
        return self.opened[-1]

    def dispatcher(self, **changed: str) -> Dispatcher:
        return Dispatcher(self.records, self.prefect(**changed))

    async def runs(self) -> list[FlowRun]:
        ours = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[self.deployment_id]))
        return await self.client.read_flow_runs(flow_run_filter=ours)

    async def job(self) -> UUID:
        job_id, _, _ = await self.records.create(new_job(title="The answer"))
        return job_id

    async def running(self) -> tuple[UUID, UUID]:
        """A job that its run has begun → both ids."""
        job_id = await self.job()
        await self.dispatcher().send()
        [live] = await self.records.live_jobs()
        assert live.flow_run_id is not None
        await self.put(live.flow_run_id, Running())
        await self.records.begin(job_id, live.flow_run_id, SCRIPT, None, OPTIONS)
        return job_id, live.flow_run_id

    async def put(self, flow_run_id: UUID, state: State) -> None:
        await self.client.set_flow_run_state(flow_run_id, state, force=True)

    async def status(self, job_id: UUID) -> JobStatus:
        return (await self.records.body(job_id)).status


@pytest.fixture
async def desk(prefect_server: str, prefect_client: PrefectClient, tmp_path: Path) -> AsyncIterator[Desk]:
    name = uuid4().hex
    flow = await prefect_client.create_flow_from_name(name)
    deployment = await prefect_client.create_deployment(flow, "test")
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        data=tmp_path,
        deployment=f"{name}/test",
        prefect_api_url=prefect_server,
        luma_base_url="http://127.0.0.1:9",
    )
    database = Database(settings.ledger_url)
    await database.migrate()
    made = Desk(settings, JobRecords(database), prefect_client, deployment)
    yield made
    for prefect in made.opened:
        await prefect.close()
    await database.close()


async def test_each_job_becomes_one_run_though_two_dispatchers_hand_it_over(desk: Desk) -> None:
    jobs = {str(await desk.job()) for _ in range(5)}
    await asyncio.gather(desk.dispatcher().send(), desk.dispatcher().send())
    runs = await desk.runs()
    assert {run.idempotency_key for run in runs} == {f"{job}:1" for job in jobs}
    assert len(runs) == 5
    assert {run.parameters["job_id"] for run in runs} == jobs
    assert {run.name for run in runs} == {"The answer"}
    assert {live.flow_run_id for live in await desk.records.live_jobs()} == {run.id for run in runs}
    assert await desk.records.outbox() == []
    assert all(run.state and run.state.is_scheduled() for run in runs)


async def test_a_run_made_before_a_crash_is_found_again(desk: Desk) -> None:
    await desk.job()
    [row] = await desk.records.outbox()
    prefect = desk.prefect()
    [first] = await prefect.create_runs([NewRun(f"{row.job_id}:{row.run}", row.title, {"script": row.script})])
    await desk.dispatcher().send()  # the one before died here
    assert [run.id for run in await desk.runs()] == [first]
    [live] = await desk.records.live_jobs()
    assert live.flow_run_id == first


async def test_a_job_posted_while_prefect_is_away_starts_when_it_is_back(desk: Desk) -> None:
    app = create_app(desk.settings.model_copy(update={"prefect_api_url": "http://127.0.0.1:9/api"}))
    async with lifespan(app), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://studio") as client:
        answer = await client.post("/api/generate", json={"script": SCRIPT})
        assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    with pytest.raises(PrefectAway):
        await desk.dispatcher(prefect_api_url="http://127.0.0.1:9/api").send()
    with pytest.raises(NoDeployment):
        await desk.dispatcher(deployment="nobody/deployed").send()
    back = create_app(desk.settings)
    async with lifespan(back):  # its dispatcher works by itself
        async with asyncio.timeout(20):
            while not (runs := await desk.runs()):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    assert [run.parameters["job_id"] for run in runs] == [answer.json()["jobId"]]


async def test_a_run_cancelled_in_prefect_cancels_its_job(desk: Desk) -> None:
    job_id, run = await desk.running()
    await desk.put(run, Cancelling())
    await desk.dispatcher().reconcile()
    assert await desk.status(job_id) is JobStatus.CANCELLING
    await desk.put(run, Cancelled())
    await desk.dispatcher().reconcile()
    assert await desk.status(job_id) is JobStatus.CANCELLED


async def test_a_job_cancelled_by_a_person_cancels_its_run(desk: Desk) -> None:
    job_id, run = await desk.running()
    await desk.records.cancel(job_id)
    await desk.dispatcher().send()
    state = (await desk.client.read_flow_run(run)).state
    assert state is not None
    assert state.type in ("CANCELLING", "CANCELLED")
    await desk.put(run, AwaitingRetry())  # a worker that was restarted put it back
    await desk.dispatcher().reconcile()
    state = (await desk.client.read_flow_run(run)).state
    assert state is not None
    assert state.type in ("CANCELLING", "CANCELLED")
    await desk.put(run, Cancelled())
    await desk.dispatcher().reconcile()
    assert await desk.status(job_id) is JobStatus.CANCELLED


async def test_a_job_cancelled_before_its_run_began(desk: Desk) -> None:
    job_id = await desk.job()
    await desk.dispatcher().send()
    assert await desk.records.cancel(job_id) is JobStatus.CANCELLING
    await desk.dispatcher().send()
    await desk.dispatcher().reconcile()
    assert await desk.status(job_id) is JobStatus.CANCELLED
    [run] = await desk.runs()
    assert run.state is not None
    assert run.state.is_cancelled()


@pytest.mark.parametrize("how", ["crashed", "deleted"])
async def test_a_run_that_is_lost_is_begun_anew(desk: Desk, how: str) -> None:
    job_id, run = await desk.running()
    if how == "crashed":
        await desk.put(run, Crashed(message="The worker died."))
    else:
        await desk.client.delete_flow_run(run)
    await asyncio.gather(desk.dispatcher().reconcile(), desk.dispatcher().reconcile())
    assert await desk.status(job_id) is JobStatus.QUEUED
    await desk.dispatcher().send()
    [second] = [found for found in await desk.runs() if found.id != run]
    assert second.idempotency_key == f"{job_id}:2"
    await desk.records.begin(job_id, second.id, SCRIPT, None, OPTIONS)
    assert await desk.status(job_id) is JobStatus.PROCESSING


@pytest.mark.parametrize(("state", "says"), [(Failed, "ended early: No film"), (Completed, "ended early: No film")])
async def test_a_run_that_leaves_its_job_behind_fails_it(desk: Desk, state: type, says: str) -> None:
    job_id, run = await desk.running()
    await desk.put(run, state(message="No film\0 today"))
    await desk.dispatcher().reconcile()
    body = await desk.records.body(job_id)
    assert body.status is JobStatus.FAILED
    assert says.encode() in body.body


async def test_a_run_that_waits_to_go_on_is_left_alone(desk: Desk) -> None:
    job_id, run = await desk.running()
    before = await desk.records.body(job_id)
    for state in (AwaitingRetry(), Running()):
        await desk.put(run, state)
        await desk.dispatcher().reconcile()
    assert await desk.records.body(job_id) == before


async def test_a_job_that_prefect_refuses_holds_nobody_up(desk: Desk) -> None:
    refused, _, _ = await desk.records.create(new_job("A" * TOO_LARGE))
    taken = await desk.job()
    await desk.dispatcher().send()
    assert await desk.status(refused) is JobStatus.FAILED
    assert b"Prefect refused to run this job" in (await desk.records.body(refused)).body
    assert [run.parameters["job_id"] for run in await desk.runs()] == [str(taken)]


async def test_cancelling_what_has_ended_changes_nothing(desk: Desk) -> None:
    _, run = await desk.running()
    await desk.put(run, Completed())
    prefect = desk.prefect()
    await prefect.cancel_run(run)
    await prefect.cancel_run(uuid4())
    state = (await desk.client.read_flow_run(run)).state
    assert state is not None
    assert state.is_completed()
