"""Rows → what the wire shows: pure functions."""

from collections.abc import Sequence
from typing import Any, Final

from api import states
from api.models import AttemptRow, GenerationJob, SceneRow, Video
from api.schemas import (
    Cost,
    Counts,
    FilmView,
    JobSummary,
    JobView,
    PlannedScene,
    Results,
    SceneView,
    StoryboardView,
    Take,
    VideoView,
)
from api.states import SPENT
from tasks.ledger import AttemptState
from tasks.media import media_url
from tasks.options import VideoOptions

_NOTHING_BEGUN: Final = frozenset({AttemptState.REFUSED, AttemptState.LOST})


def usd(micros: int) -> float:
    """Micro-dollars → US dollars."""
    return round(micros / 1_000_000, 4)


def micros(dollars: float) -> int:
    """US dollars → micro-dollars."""
    return round(dollars * 1_000_000)


def job_view(
    job: GenerationJob,
    scenes: Sequence[SceneRow],
    attempts: Sequence[AttemptRow],
    *,
    revision: int,
    prefect_ui: str | None,
) -> JobView:
    """The whole job, as a poll answers it."""
    statuses = [scene.status for scene in scenes]
    counted = states.counts(statuses)
    return JobView(
        job_id=job.id,
        status=job.status,
        outcome=states.outcome(job.status, statuses),
        progress=job.progress,
        current_step=job.step,
        waiting_for=None,
        title=job.title,
        revision=revision,
        run=job.run,
        flow_run_id=job.flow_run_id,
        flow_run_url=f"{prefect_ui}/runs/flow-run/{job.flow_run_id}" if prefect_ui and job.flow_run_id else None,
        options=VideoOptions.model_validate(job.options),
        integrity_confirmed=job.integrity is not None,
        counts=Counts(total=len(scenes), **{status.value: number for status, number in counted.items()}),
        cost=cost(job, scenes, attempts),
        queue_position=None,
        eta_seconds=None,
        results=_results(job, scenes, attempts) if scenes else None,
        error=job.error,
        error_code=job.error_code,
        created_at=job.created_at,
        started_at=job.started_at,
        updated_at=job.updated_at,
        ended_at=job.ended_at,
    )


def cost(job: GenerationJob, scenes: Sequence[SceneRow], attempts: Sequence[AttemptRow]) -> Cost:
    """What the job was to cost, did cost, got back and may have cost."""
    return Cost(
        estimated_usd=usd(sum(scene.cost_micros for scene in scenes)),
        spent_usd=usd(sum(a.cost_micros for a in attempts if a.state in SPENT)),
        refunded_usd=usd(sum(a.cost_micros for a in attempts if a.refunded)),
        unknown_usd=usd(sum(a.cost_micros for a in attempts if states.may_have_cost(a.state, job.status))),
        max_usd=usd(job.max_cost_micros) if job.max_cost_micros else None,
    )


def planned_scenes(scenes: Sequence[SceneRow]) -> list[PlannedScene]:
    """The storyboard's scenes as they were planned."""
    return [
        PlannedScene(
            scene_number=scene.number,
            scene_index=scene.number - 1,
            description=scene.description,
            prompt=scene.prompt,
            start=scene.start,
            end=scene.end,
            duration_seconds=scene.duration_seconds,
            cost_usd=usd(scene.cost_micros),
        )
        for scene in scenes
    ]


def _results(job: GenerationJob, scenes: Sequence[SceneRow], attempts: Sequence[AttemptRow]) -> Results:
    board = StoryboardView(**job.storyboard, scenes=planned_scenes(scenes)) if job.storyboard else None
    views = [_scene(scene, [a for a in attempts if a.scene_number == scene.number]) for scene in scenes]
    return Results(storyboard=board, scenes=views, film=film_view(job.film) if job.film else None)


def _scene(scene: SceneRow, attempts: Sequence[AttemptRow]) -> SceneView:
    takes = [_take(attempt) for attempt in attempts if attempt.state not in _NOTHING_BEGUN]
    chosen = next((take for take in takes if take.attempt_id == scene.chosen_attempt_id), None)
    told = chosen or (takes[-1] if takes else None)
    return SceneView(
        scene_number=scene.number,
        scene_index=scene.number - 1,
        description=scene.description,
        prompt=scene.prompt,
        status=scene.status,
        generation_id=told.generation_id if told else None,
        video_url=chosen.video_url if chosen else None,
        image_url=chosen.image_url if chosen else None,
        duration_seconds=scene.duration_seconds,
        cost_usd=round(sum(usd(a.cost_micros) for a in attempts if a.state in SPENT and not a.refunded), 4),
        error=scene.error,
        error_code=scene.error_code,
        takes=takes,
    )


def _take(attempt: AttemptRow) -> Take:
    clip = attempt.clip or {}
    return Take(
        attempt_id=attempt.id,
        take=attempt.take,
        state=attempt.state,
        generation_id=attempt.generation_id,
        prompt=str(attempt.request.get("prompt", "")),
        cost_usd=usd(attempt.cost_micros),
        refunded=attempt.refunded,
        video_url=_url(clip.get("video")),
        image_url=_url(clip.get("still")),
        error=attempt.error,
        started_at=attempt.submitted_at or attempt.intended_at,
        ended_at=attempt.ended_at,
    )


def _url(file: dict[str, Any] | None) -> str | None:
    return media_url(file["key"]) if file else None


def film_view(film: dict[str, Any]) -> FilmView:
    """The stored film → its addresses."""
    return FilmView(
        video_url=media_url(film["video"]["key"]),
        poster_url=media_url(film["poster"]["key"]),
        captions_url=media_url(film["captions"]["key"]),
        manifest_url=media_url(film["manifest"]["key"]),
        duration_seconds=film["duration_seconds"],
        width=film["width"],
        height=film["height"],
        size_bytes=film["video"]["size"],
        sha256=film["video"]["sha256"],
    )


def summary(job: GenerationJob) -> JobSummary:
    """A job in a list."""
    return JobSummary(
        job_id=job.id,
        title=job.title,
        status=job.status,
        progress=job.progress,
        current_step=job.step,
        poster_url=_url(job.film["poster"]) if job.film else None,
        flow_run_id=job.flow_run_id,
        error=job.error,
        created_at=job.created_at,
        ended_at=job.ended_at,
    )


def video_view(video: Video, film: dict[str, Any] | None) -> VideoView:
    """A film of the library; ours shows its own poster."""
    return VideoView(**video.model_dump(exclude={"owner_id"}), poster_url=_url(film["poster"]) if film else None)
