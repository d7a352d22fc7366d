"""One run of a job from its first word to its last, whoever runs it: the flow is this with Prefect around it."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from api.bootstrap import Studio
from api.database import AWAY
from tasks.files import MediaError
from tasks.ledger import Clip, Film, JobCancelled, JobState, SceneState, Superseded
from tasks.logs import bound
from tasks.luma import LumaError
from tasks.options import VideoOptions
from tasks.scene import SceneTools
from tasks.storyboard import SceneDraft, Storyboard

log = logging.getLogger("storyreel.run")


class Ending(StrEnum):
    """How a run ends."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended, and a sentence about it."""

    ending: Ending
    message: str


@dataclass(frozen=True, slots=True)
class Order:
    """What a run is asked to make; `job_id` may be of a job that is not there yet."""

    job_id: UUID
    run_id: UUID
    script: str
    options: VideoOptions
    title: str | None = None
    storyboard: Sequence[SceneDraft] = ()
    asked_again: bool = False
    """The run had ended, and an operator had Prefect run it once more."""


class Verbs(Protocol):
    """The three tasks, as their engine runs and retries them."""

    async def storyboard(self, script: str, options: VideoOptions, given: list[SceneDraft]) -> Storyboard:
        """Cut the script into scenes."""

    async def scene(self, tools: SceneTools, job_id: UUID, number: int, total: int, options: VideoOptions) -> Clip:
        """Get one scene's clip, with retries."""

    async def film(self, job: JobState) -> Film:
        """Join the clips, with retries."""


class Progress(Protocol):
    """Told beside the work; none of it can fail a job."""

    def planned(self, job: JobState) -> None:
        """The storyboard stands."""

    def scene_ended(self) -> None:
        """One more scene has its clip or its error."""

    def filmed(self, job: JobState, film: Film) -> None:
        """The film is there."""


async def film_job(house: Studio, order: Order, verbs: Verbs, progress: Progress) -> Ended:
    """Make the film of a job, or go on making it. Whatever it raises, the job is as it was and may be run again."""
    with bound(job=order.job_id, flow_run=order.run_id):
        log.info("run begins")
        ended = await _to_its_end(house, order, verbs, progress)
        log.info("run ends: %s", ended.ending.value)
        return ended


async def _to_its_end(house: Studio, order: Order, verbs: Verbs, progress: Progress) -> Ended:
    try:
        job = await _begin(house, order)
        return await _film(house, job, order, verbs, progress)
    except Superseded:
        return Ended(Ending.CANCELLED, "Another run has taken this job over.")
    except JobCancelled:
        await house.records.job_cancelled(order.job_id, order.run_id)
        return Ended(Ending.CANCELLED, "The job was cancelled.")
    except (LumaError, MediaError) as error:
        await house.records.job_failed(order.job_id, str(error), error.code)
        return Ended(Ending.FAILED, str(error))


async def _begin(house: Studio, order: Order) -> JobState:
    return await house.records.begin(
        order.job_id, order.run_id, order.script, order.title, order.options, asked_again=order.asked_again
    )


async def _film(house: Studio, job: JobState, order: Order, verbs: Verbs, progress: Progress) -> Ended:
    """Everything between the first word and the last."""
    if job.ended:
        return Ended(Ending.FAILED, job.error) if job.error else Ended(Ending.COMPLETED, "The film was there already.")
    async with house.slots():
        job = await _plan(house, job, order, verbs)
        progress.planned(job)
        await _make_scenes(house, job, verbs, progress)
    job = await house.records.job(job.id)
    if not any(scene.clip for scene in job.scenes):
        return await _nothing(house, job)
    film = await verbs.film(job)
    await house.records.filmed(job.id, film)
    progress.filmed(job, film)
    made = sum(scene.clip is not None for scene in job.scenes)
    message = f"{made} of {len(job.scenes)} scenes, {film.duration_seconds:.0f} seconds of film."
    return Ended(Ending.COMPLETED, message)


async def _plan(house: Studio, job: JobState, order: Order, verbs: Verbs) -> JobState:
    if job.scenes:
        return job
    given = [SceneDraft.model_validate(draft) for draft in job.given] if job.given else list(order.storyboard)
    board = await verbs.storyboard(job.script, job.options, given)
    return await house.records.planned(job.id, board, house.prices.price_micros(job.options))


async def _make_scenes(house: Studio, job: JobState, verbs: Verbs, progress: Progress) -> None:
    """All scenes at once; the gate says who may go. A failed scene stops nobody, a failed account everybody.

    A scene that has failed is left alone until somebody asks for it: another take of one must not pay for others.
    """
    tools = SceneTools(
        ledger=house.records,
        luma=house.luma,
        gate=house.gate,
        account=house.account,
        polls=house.polls,
        media=house.media,
        doorbells=house.doorbells,
        intake=house.intake,
        callback_base=house.settings.callback_base,
        deadline_seconds=house.settings.generation_deadline_seconds,
    )
    with suppress(*AWAY):  # a help, no need
        house.polls.durations.learn(await house.records.past())
    failures: list[BaseException] = []
    try:
        async with house.account.watched(), asyncio.TaskGroup() as group:
            for scene in (scene for scene in job.scenes if not scene.error):
                group.create_task(_make_scene(tools, job, scene, verbs, progress))
    except* (LumaError, JobCancelled, Superseded) as several:
        failures.extend(several.exceptions)
    if failures:  # raised in the clause, Python before 3.11.4 makes a group of it
        raise failures[0]


async def _make_scene(tools: SceneTools, job: JobState, scene: SceneState, verbs: Verbs, progress: Progress) -> None:
    try:
        await verbs.scene(tools, job.id, scene.number, len(job.scenes), job.options)
    except (JobCancelled, Superseded):
        raise
    except Exception as error:
        if isinstance(error, LumaError) and error.account_wide:
            raise
        if not isinstance(error, LumaError | MediaError):
            log.exception("scene failed on our side", extra={"scene": scene.number})
        await tools.ledger.scene_failed(job.id, scene.number, *_reason(error))
    progress.scene_ended()


def _reason(error: Exception) -> tuple[str, str]:
    """A sentence for the writer and a stable code."""
    if isinstance(error, LumaError | MediaError):
        return str(error), error.code
    return "Something went wrong on our side while this scene was made.", "internal_error"


async def _nothing(house: Studio, job: JobState) -> Ended:
    why = next((scene.error for scene in job.scenes if scene.error), "no reason given")
    message = f"None of the {len(job.scenes)} scenes could be made: {why}"
    await house.records.job_failed(job.id, message, "no_scene")
    return Ended(Ending.FAILED, message)
