"""The inline worker against a real Prefect server: what starts, stops, moves and outlives a run."""

import asyncio
import itertools
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentUpdate, WorkPoolCreate
from prefect.client.schemas.objects import State, StateType
from prefect.states import AwaitingRetry, Cancelling, Completed

from deployments.deploy import automations, deploy
from flows.asked import SILENT
from tasks.beginnings import AT_ONCE
from tasks.settings import Settings
from tests.end_to_end.house import NO_POLL, House, start_worker
from tests.end_to_end.proxy import Proxy

HERE = str(Path(__file__).parent)
SHARED = "shared"  # the pool of one worker that several tests use
RESTARTED_SECONDS = 10
KILLED_SECONDS = 90
_pools = itertools.count(1)


@pytest.fixture(scope="module")
def alpha(prefect_server: str, new_processes: Callable[..., Any]) -> Iterator[Any]:
    with new_processes({"PREFECT_API_URL": prefect_server}) as processes:
        processes.env["PYTHONPATH"] += os.pathsep + HERE
        yield start_worker(processes, SHARED, "alpha")


@pytest.fixture
async def house(  # noqa: PLR0917 -- fixtures are parameters
    prefect_server: str, prefect_client: PrefectClient, processes: Any, eventually: Callable[..., Awaitable[Any]],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> House:  # fmt: skip
    monkeypatch.syspath_prepend(HERE)
    processes.env["PYTHONPATH"] += os.pathsep + HERE
    return House(prefect_client, processes, eventually, tmp_path, f"pool-{next(_pools)}", prefect_server)


@pytest.fixture
async def shared(alpha: Any, house: House) -> AsyncIterator[House]:
    """A house where a worker is at work already, which nothing may end."""
    yield replace(house, pool=SHARED)
    assert alpha.process.poll() is None, alpha.output


async def test_runs_start_by_push_and_one_run_harms_no_other(shared: House) -> None:
    waiting = await shared.run(go=str(shared.folder / "go"))
    await waiting.until_begun()
    assert await waiting.owner() == "alpha"
    failed = await (await shared.run("fails")).until_final()
    assert failed.type is StateType.FAILED
    assert "the reason why" in (failed.message or "")
    refused = await (await shared.run("blocks")).until_final()
    assert refused.type is StateType.CRASHED
    assert "not an async function" in (refused.message or "")
    (shared.folder / "go").touch()
    assert (await waiting.until_final()).type is StateType.COMPLETED
    assert waiting.words == ["begin", "end", "finally"]


async def test_a_flow_is_retried_as_it_says_and_its_runs_are_counted_as_prefect_does(shared: House) -> None:
    run = await shared.run("retried")
    assert (await run.until_final()).type is StateType.COMPLETED
    assert run.words == ["run-1", "run-2"]
    assert (await shared.client.read_flow_run(run.id)).run_count == 2


async def test_parameters_that_do_not_fit_end_the_run_with_a_reason(shared: House) -> None:
    """Prefect itself refuses them by the deployment's schema, unless someone tells it not to."""
    with pytest.raises(httpx.HTTPStatusError):
        await shared.run(seconds=601)
    unchecked = replace(shared, deployments={})
    loose = await deploy(
        Settings(prefect_api_url=shared.api), entrypoint="worker_flows.waits", name="loose", pool=SHARED
    )
    await shared.client.update_deployment(loose, DeploymentUpdate(enforce_parameter_schema=False))
    unchecked.deployments["waits"] = loose
    wrong = await unchecked.run(seconds=601)
    assert (await wrong.until_final()).type is StateType.FAILED
    unknown = await unchecked.run(colour="red")
    state = await unknown.until_final()
    assert state.type is StateType.CRASHED
    assert "colour" in (state.message or "")
    assert wrong.words == unknown.words == []


async def test_bad_parameters_are_refused_by_prefects_command(house: House) -> None:
    await house.deploy()
    command = ("deployment", "run", f"waits/{house.pool}", "--param", "diary=x", "--param", "seconds=601")
    child = house.processes.start(sys.executable, "-m", "prefect", *command, name="prefect")
    assert await asyncio.to_thread(child.process.wait, 60) != 0
    assert "601" in child.output


async def test_cancelling_ends_as_cancelled_once(shared: House) -> None:
    run = await shared.run(seconds=600)
    await run.until_begun()
    await shared.client.set_flow_run_state(run.id, Cancelling())
    assert (await run.until_final()).type is StateType.CANCELLED
    await asyncio.sleep(0.5)  # for a second end, if there were one
    ends = [name for name in await run.history() if name in {"Cancelled", "Crashed", "Failed", "Completed"}]
    assert ends == ["Cancelled"]
    assert run.words == ["begin", "finally", "hook"]


async def test_a_run_that_others_end_stops_and_one_they_give_up_goes_on(shared: House) -> None:
    ended, given_up = await shared.run(seconds=600), await shared.run(go=str(shared.folder / "go"))
    await ended.until_begun()
    await given_up.until_begun()

    await shared.client.set_flow_run_state(ended.id, Completed(message="by hand"))
    await ended.until_said("begin", "finally")
    assert (await ended.state()).message == "by hand"

    await shared.client.set_flow_run_state(given_up.id, AwaitingRetry(message=SILENT))
    await shared.eventually(given_up.owner)
    (shared.folder / "go").touch()
    assert (await given_up.until_final()).type is StateType.COMPLETED
    assert given_up.words == ["begin", "end", "finally"]
    assert (await given_up.history()).count("Running") == 2


async def test_a_run_that_ended_is_not_begun_again_for_its_silence(shared: House) -> None:
    run = await shared.run()
    assert (await run.until_final()).type is StateType.COMPLETED
    await shared.client.set_flow_run_state(run.id, AwaitingRetry(message=SILENT))
    assert (await run.until_final()).type is StateType.COMPLETED
    assert run.words == ["begin", "end", "finally"]


async def test_a_stopped_worker_gives_its_runs_to_another(house: House) -> None:
    """The stopped one is Prefect's own command, which finds the worker's type by its entry point."""
    await house.deploy()
    command = (sys.executable, "-m", "prefect", "worker", "start", "--pool", house.pool, "--name", "stopped")
    stopped = house.processes.start(*command, name="stopped", env=NO_POLL)
    stopped.wait_for("started!")
    run = await house.run(go=str(house.folder / "go"))
    await run.until_begun()
    house.worker("next")

    stopped.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(stopped.process.wait, 30) == 0
    await run.until_begun(times=2)
    assert await run.owner() == "next"
    (house.folder / "go").touch()
    assert (await run.until_final()).type is StateType.COMPLETED
    assert run.words == ["begin", "finally", "begin", "end", "finally"]
    history = await run.history()
    assert "AwaitingRetry" in history
    assert "Crashed" not in history


async def test_a_stopped_worker_leaves_runs_alone_that_have_not_had_their_turn(house: House) -> None:
    await house.deploy()
    worker = house.worker("alpha")
    runs = [await house.run(seconds=600) for _ in range(3 * AT_ONCE)]

    async def first_turns() -> bool:
        return sum(run.words == ["begin"] for run in runs) == AT_ONCE

    await house.eventually(first_turns)
    worker.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(worker.process.wait, 30) == 0
    assert [await run.history() for run in runs if not run.words] == 2 * AT_ONCE * [["Scheduled"]]


async def test_a_killed_workers_runs_go_to_its_successor_and_nobody_elses(house: House) -> None:
    await house.deploy()
    house.worker("living", limit=1)
    go = str(house.folder / "go")
    kept = await house.run(go=go)
    await kept.until_begun()
    victim = house.worker("victim", limit=1)
    orphan = await house.run(go=go)
    await orphan.until_begun()
    assert (await kept.owner(), await orphan.owner()) == ("living", "victim")

    victim.process.kill()
    house.worker("successor", limit=1)
    await orphan.until_begun(times=2, seconds=RESTARTED_SECONDS)
    assert await orphan.owner() == "successor"
    (house.folder / "go").touch()
    assert (await orphan.until_final()).type is StateType.COMPLETED
    assert (await kept.until_final()).type is StateType.COMPLETED
    assert kept.words == ["begin", "end", "finally"]
    assert (await kept.history()).count("Running") == 1


@pytest.fixture
async def proxy(prefect_server: str) -> AsyncIterator[tuple[Proxy, str]]:
    url = httpx.URL(prefect_server)
    between = Proxy(url.host, url.port or 80)
    server = await asyncio.start_server(between.serve, "127.0.0.1", 0)
    yield between, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api"
    server.close()
    await between.away()


async def test_without_events_runs_are_polled_for(house: House, proxy: tuple[Proxy, str]) -> None:
    between, api = proxy
    between.events = False
    await house.deploy()
    env = {"PREFECT_API_URL": api, "PREFECT_WORKER_QUERY_SECONDS": "0.5"}
    await asyncio.to_thread(house.worker, "alpha", env=env)
    assert (await (await house.run()).until_final()).type is StateType.COMPLETED


async def test_a_worker_outlives_prefects_absence_and_stops_during_it(house: House, proxy: tuple[Proxy, str]) -> None:
    between, api = proxy
    await house.deploy()
    worker = await asyncio.to_thread(house.worker, "alpha", env={"PREFECT_API_URL": api})
    during = await house.run(go=str(house.folder / "go"))
    await during.until_begun()
    await between.away()
    (house.folder / "go").touch()
    await during.until_said("begin", "end", "finally")
    missed = await house.run()  # nobody hears of it
    await asyncio.sleep(3)
    assert worker.process.poll() is None
    between.back()
    assert (await during.until_final(60)).type is StateType.COMPLETED
    assert (await missed.until_final(60)).type is StateType.COMPLETED

    await (await house.run(seconds=600)).until_begun(seconds=60)
    await between.away()
    worker.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(worker.process.wait, 30) == 0


async def test_the_stock_process_worker_runs_the_same_deployment(house: House) -> None:
    await house.client.create_work_pool(WorkPoolCreate(name=house.pool, type="process"))
    await house.deploy()
    command = (sys.executable, "-m", "prefect", "worker", "start", "--pool", house.pool, "--type", "process")
    env = {"PREFECT_WORKER_QUERY_SECONDS": "1"}
    house.processes.start(*command, name="process", env=env).wait_for("started!")
    run = await house.run()
    assert (await run.until_final(90)).type is StateType.COMPLETED
    assert run.words == ["begin", "end", "finally"]


async def test_deploying_again_changes_nothing(house: House) -> None:
    settings = Settings(prefect_api_url=house.api, luma_concurrency=3)
    deployment = await house.deploy()
    again = await deploy(settings, entrypoint="worker_flows.waits", name=house.pool, pool=house.pool)
    assert again == deployment
    for automation in automations():
        assert len(await house.client.read_automations_by_name(automation.name)) == 1
    limit = await house.client.read_global_concurrency_limit_by_name("luma")
    assert limit.limit == 3
    read = await house.client.read_deployment(deployment)
    assert read.enforce_parameter_schema
    assert read.parameter_openapi_schema["properties"]["seconds"]["maximum"] == 600


async def test_a_killed_workers_runs_go_on_while_others_live(house: House) -> None:
    """Prefect's automation alone for one pool, where nobody lives; whoever is first for the other."""
    alone = replace(house, pool=f"{house.pool}-alone", folder=house.folder / "alone", deployments={})
    alone.folder.mkdir()
    victims, runs = [], []
    for place in (house, alone):
        await place.deploy()
        victims.append(place.worker("victim", limit=1))
        runs.append(await place.run(seconds=600))
        await runs[-1].until_begun()
    house.worker("survivor")
    for victim in victims:
        victim.process.kill()
    killed = time.monotonic()

    async def given_back() -> State[Any] | None:
        state = await runs[1].state()
        return state if state.name == "AwaitingRetry" else None

    assert (await house.eventually(given_back, seconds=KILLED_SECONDS)).message == SILENT
    await runs[0].until_begun(times=2, seconds=KILLED_SECONDS - (time.monotonic() - killed))
    assert await runs[0].owner() == "survivor"
