"""The three verbs as Prefect tasks. Kept apart, so that only who runs them pays for importing Prefect."""

import asyncio
from typing import Any, Final
from uuid import UUID

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from tasks.assembly import FilmScene
from tasks.film import assemble
from tasks.ledger import Clip, Film, JobState
from tasks.media import MediaStore
from tasks.options import VideoOptions
from tasks.scene import RETRIES, RETRY_BACKOFF, SceneTools, again, make_clip
from tasks.storyboard import SceneDraft, Storyboard, make_storyboard

_DELAYS: Final = [RETRY_BACKOFF.delay(tries, 0.5) for tries in range(RETRIES)]


async def _worth_another(_task: Any, task_run: TaskRun, state: State[Any]) -> bool:
    error = await state.aresult(raise_on_failure=False)
    return isinstance(error, BaseException) and again(error, task_run.run_count)


@task(name="generate-storyboard", task_run_name="storyboard", cache_policy=NO_CACHE, persist_result=False)
async def generate_storyboard(script: str, options: VideoOptions, given: list[SceneDraft]) -> Storyboard:
    """Cut the script into scenes."""
    return await asyncio.to_thread(make_storyboard, script, options, given)  # a third of a second for a hostile script


@task(
    name="generate-scene",
    task_run_name="scene {number}/{total}",
    retries=RETRIES,
    retry_delay_seconds=_DELAYS,
    retry_jitter_factor=0.3,
    retry_condition_fn=_worth_another,
    cache_policy=NO_CACHE,
    persist_result=False,
)
async def generate_scene(tools: SceneTools, job_id: UUID, number: int, total: int, options: VideoOptions) -> Clip:
    """Get one scene's clip from Luma; safe to run again at any point."""
    return await make_clip(tools, job_id, number, options)


@task(
    name="assemble-film",
    task_run_name="film",
    retries=3,
    retry_delay_seconds=[2, 10, 30],
    cache_policy=NO_CACHE,
    persist_result=False,
)
async def assemble_film(media: MediaStore, job: JobState) -> Film:
    """Join the clips that are there; a title card stands where one is missing."""
    return await assemble(
        media,
        job_id=job.id,
        title=job.title,
        script=job.script,
        options=job.options,
        storyboard_strategy=str((job.storyboard or {}).get("strategy", "")),
        scenes=[
            FilmScene(
                number=scene.number,
                description=scene.description,
                prompt=scene.prompt,
                duration_seconds=scene.duration_seconds,
                clip=scene.clip,
                error=scene.error,
                generation_id=scene.kept.generation_id if scene.kept else None,
                cost_micros=scene.kept.cost_micros if scene.kept else 0,
            )
            for scene in job.scenes
        ],
    )
