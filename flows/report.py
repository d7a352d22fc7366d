"""What an operator sees in Prefect's UI: progress, the storyboard as a table, clips and film as links."""

import asyncio
import logging
from collections.abc import Awaitable
from types import TracebackType
from typing import Self
from uuid import UUID

from prefect.artifacts import (
    acreate_link_artifact,
    acreate_progress_artifact,
    acreate_table_artifact,
    aupdate_progress_artifact,
)

from tasks.ledger import Film, JobState
from tasks.media import media_url

log = logging.getLogger("storyreel.report")


class Report:
    """Writes artifacts beside the work: nothing waits for them but the end, and none of them can fail a job."""

    def __init__(self, studio_url: str) -> None:
        self._studio = studio_url
        self._writing: set[asyncio.Task[None]] = set()
        self._progress: UUID | None = None
        self._ended = self._total = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            await asyncio.gather(*self._writing)
        for task in self._writing:
            task.cancel()

    def planned(self, job: JobState) -> None:
        """The storyboard stands."""
        self._total = len(job.scenes)
        rows = [
            {
                "scene": scene.number,
                "seconds": scene.duration_seconds,
                "words": scene.description,
                "prompt": scene.prompt,
            }
            for scene in job.scenes
        ]
        strategy = (job.storyboard or {}).get("strategy")
        self._later(acreate_table_artifact(table=rows, description=f"Storyboard of “{job.title}”, cut by {strategy}."))
        self._later(self._begin_progress())

    def scene_ended(self) -> None:
        """One more scene has its clip or its error."""
        self._ended += 1
        self._later(self._show_progress())

    def filmed(self, job: JobState, film: Film) -> None:
        """The film is there."""
        page = f"{self._studio}{media_url(film.video.key)}"
        self._later(acreate_link_artifact(link=page, link_text=f"Film: {job.title}", description="AI-generated film."))
        clips = [
            {"scene": scene.number, "clip": f"[scene {scene.number}]({self._studio}{media_url(scene.clip.video.key)})"}
            for scene in job.scenes
            if scene.clip
        ]
        self._later(acreate_table_artifact(table=clips, description="Clips"))

    def _later(self, writing: Awaitable[object]) -> None:
        task = asyncio.create_task(_quietly(writing))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _begin_progress(self) -> None:
        self._progress = await acreate_progress_artifact(progress=0.0, description="Scenes that have ended")
        await self._show_progress()

    async def _show_progress(self) -> None:
        if self._progress is not None:
            await aupdate_progress_artifact(self._progress, progress=100.0 * self._ended / self._total)


async def _quietly(writing: Awaitable[object]) -> None:
    try:
        await writing
    except Exception:
        log.warning("an artifact could not be written", exc_info=True)
