"""The story: a script becomes a storyboard, every scene a clip, the clips a film."""

import asyncio
from typing import Annotated, Any
from uuid import UUID

from prefect import flow, runtime
from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow
from prefect.states import Cancelled, Completed, Failed
from pydantic import Field

from api.bootstrap import Studio, studio
from api.records.ledger import title_of
from flows.report import Report
from tasks.files import MediaError
from tasks.ledger import JobCancelled, JobState, SceneState, Superseded
from tasks.luma import LumaError
from tasks.options import MAX_SCENES, MAX_SCRIPT, MIN_SCRIPT, VideoOptions
from tasks.scene import SceneTools
from tasks.story import assemble_film, generate_scene, generate_storyboard
from tasks.storyboard import SceneDraft


def _name() -> str:
    asked = runtime.flow_run.parameters
    return asked.get("title") or title_of(asked["script"])


async def _cancelled(flow: Flow[Any, Any], flow_run: FlowRun, state: State[Any]) -> None:
    job_id = flow_run.parameters.get("job_id") or flow_run.id
    async with studio() as house:
        await house.records.job_cancelled(UUID(str(job_id)), flow_run.id)


@flow(name="generate-video", flow_run_name=_name, on_cancellation=[_cancelled], persist_result=False)
async def generate_video(
    script: Annotated[str, Field(min_length=MIN_SCRIPT, max_length=MAX_SCRIPT, description="The written script.")],
    options: Annotated[VideoOptions, Field(description="Model, shape, length and style.")] = VideoOptions(),  # noqa: B008
    title: Annotated[str | None, Field(max_length=200, description="Made from the script when left out.")] = None,
    storyboard: Annotated[
        list[SceneDraft] | None, Field(max_length=MAX_SCENES, description="An edited storyboard, kept as it is.")
    ] = None,
    job_id: Annotated[UUID | None, Field(description="The job this run is for; left out: a new one.")] = None,
) -> State[Any]:
    """Turn a script into a film: storyboard, one clip per scene from Luma, joined; its job shows in the API."""
    run_id = UUID(runtime.flow_run.id)
    job_id = job_id or run_id
    async with studio() as house:
        try:
            job = await house.records.begin(job_id, run_id, script, title, options)
            return await _film(house, job, storyboard)
        except Superseded:
            return Cancelled(message="Another run has taken this job over.")
        except JobCancelled:
            await house.records.job_cancelled(job_id, run_id)
            return Cancelled(message="The job was cancelled.")
        except (LumaError, MediaError) as error:
            await house.records.job_failed(job_id, str(error), error.code)
            return Failed(message=str(error))


async def _film(house: Studio, job: JobState, storyboard: list[SceneDraft] | None) -> State[Any]:
    """Everything between the first word and the last."""
    if job.ended:
        return Failed(message=job.error) if job.error else Completed(message="The film was there already.")
    async with Report(house.settings.studio_url) as report:
        job = await _plan(house, job, storyboard)
        report.planned(job)
        await _make_scenes(house, job, report)
        job = await house.records.job(job.id)
        if not any(scene.clip for scene in job.scenes):
            return await _nothing(house, job)
        film = await assemble_film(house.media, job)
        await house.records.filmed(job.id, film)
        report.filmed(job, film)
    made = sum(scene.clip is not None for scene in job.scenes)
    return Completed(message=f"{made} of {len(job.scenes)} scenes, {film.duration_seconds:.0f} seconds of film.")


async def _plan(house: Studio, job: JobState, storyboard: list[SceneDraft] | None) -> JobState:
    if job.scenes:
        return job
    given = [SceneDraft.model_validate(draft) for draft in job.given] if job.given else storyboard or []
    board = await generate_storyboard(job.script, job.options, given)
    return await house.records.planned(job.id, board, house.prices.price_micros(job.options))


async def _make_scenes(house: Studio, job: JobState, report: Report) -> None:
    """All scenes at once; the gate says who may go. A failed scene stops nobody, a failed account everybody.

    A scene that has failed is left alone until somebody asks for it: another take of one must not pay for others.
    """
    tools = SceneTools(
        ledger=house.records,
        luma=house.luma,
        gate=house.gate,
        media=house.media,
        doorbells=house.doorbells,
        callback_base=house.settings.callback_base,
        deadline_seconds=house.settings.generation_deadline_seconds,
    )
    try:
        async with asyncio.TaskGroup() as group:
            for scene in (scene for scene in job.scenes if not scene.error):
                group.create_task(_make_scene(house, tools, job, scene, report))
    except* (LumaError, JobCancelled, Superseded) as several:
        raise several.exceptions[0] from None


async def _make_scene(house: Studio, tools: SceneTools, job: JobState, scene: SceneState, report: Report) -> None:
    total = len(job.scenes)
    # Prefect's types leave out that an async task with `return_state` is awaited
    state = await generate_scene(tools, job.id, scene.number, total, job.options, return_state=True)  # type: ignore[misc]
    try:
        await state.aresult()
    except (JobCancelled, Superseded):
        raise
    except Exception as error:
        if isinstance(error, LumaError) and error.account_wide:
            raise
        await house.records.scene_failed(job.id, scene.number, *_reason(error))
    report.scene_ended()


def _reason(error: Exception) -> tuple[str, str]:
    """A sentence for the writer and a stable code."""
    if isinstance(error, LumaError | MediaError):
        return str(error), error.code
    return "Something went wrong on our side while this scene was made.", "internal_error"


async def _nothing(house: Studio, job: JobState) -> State[Any]:
    why = next((scene.error for scene in job.scenes if scene.error), "no reason given")
    message = f"None of the {len(job.scenes)} scenes could be made: {why}"
    await house.records.job_failed(job.id, message, "no_scene")
    return Failed(message=message)
