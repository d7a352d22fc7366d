"""What jobs are made of, for tests of the ledger: scripts, storyboards, clips and films that exist on paper only."""

from uuid import UUID, uuid4

from api.records import JobRecords, NewJob
from tasks.ledger import Attempt, Clip, Film, StoredFile
from tasks.options import VideoOptions
from tasks.storyboard import SceneDraft, Storyboard, make_storyboard

SCRIPT = "A lighthouse keeper finds a letter in a bottle. She reads it by lamplight and rows out to answer it."
OPTIONS = VideoOptions()
PRICE = 1_000_000  # micro-dollars for a scene


def new_job(script: str = SCRIPT, **more: object) -> NewJob:
    return NewJob(script=script, options=OPTIONS, **more)  # type: ignore[arg-type]


def storyboard(scenes: int = 2) -> Storyboard:
    drafts = [SceneDraft(description=f"Scene {number}", prompt=f"A lamp, view {number}") for number in range(scenes)]
    return make_storyboard(SCRIPT, OPTIONS, drafts)


def stored(name: str) -> StoredFile:
    return StoredFile(f"jobs/test/{name}", 1000, "0" * 64)


def clip_of(attempt: Attempt) -> Clip:
    return Clip(stored(f"{attempt.id}.mp4"), 9.0, 1280, 720, stored(f"{attempt.id}.jpg"))


def film() -> Film:
    return Film(stored("film.mp4"), stored("poster.jpg"), stored("film.vtt"), stored("manifest.json"), 18.0, 1280, 720)


async def begun(records: JobRecords, scenes: int = 2, **more: object) -> tuple[UUID, UUID]:
    """A job that is being made, its storyboard planned → its id and its flow run's."""
    job_id, _, _ = await records.create(new_job(**more))
    run = uuid4()
    await records.begin(job_id, run, SCRIPT, None, OPTIONS)
    await records.planned(job_id, storyboard(scenes), PRICE)
    return job_id, run


async def intended(records: JobRecords, job_id: UUID, number: int) -> Attempt:
    scene = await records.scene(job_id, number)
    return await records.intend(job_id, number, {"prompt": scene.prompt}, "https://films.example/api/luma/callback")


async def submitted(records: JobRecords, job_id: UUID, number: int) -> Attempt:
    attempt = await intended(records, job_id, number)
    await records.submitted(attempt, f"generation-{attempt.id}")
    return attempt


async def made(records: JobRecords, job_id: UUID, number: int) -> Attempt:
    """A scene with its clip."""
    attempt = await submitted(records, job_id, number)
    await records.completed(attempt, clip_of(attempt))
    return attempt


async def finished(records: JobRecords, scenes: int = 2, **more: object) -> tuple[UUID, UUID]:
    """A completed job."""
    job_id, run = await begun(records, scenes, **more)
    for number in range(1, scenes + 1):
        await made(records, job_id, number)
    await records.filmed(job_id, film())
    return job_id, run
