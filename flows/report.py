"""What an operator sees in Prefect's UI: progress, the storyboard as a table, film and clips as links.

Each writing costs Prefect's server a request and an event, some 15 ms of CPU: what changes together is written once.
"""

import asyncio
import logging
from collections.abc import Awaitable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self
from uuid import UUID

from prefect.artifacts import (
    acreate_markdown_artifact,
    acreate_progress_artifact,
    acreate_table_artifact,
    aupdate_progress_artifact,
)

from tasks.ledger import Film, JobState
from tasks.media import media_url

log = logging.getLogger("storyreel.report")

TOGETHER_SECONDS: Final = 5.0
"""Scenes that end within it are shown by one change of the progress."""


class Report:
    """Writes artifacts beside the work: nothing waits for them but the end, and none of them can fail a job."""

    def __init__(self, studio_url: str) -> None:
        self._studio = studio_url
        self._writing: set[asyncio.Task[None]] = set()
        self._progress: UUID | None = None
        self._ended = self._shown = self._total = 0
        self._showing, self._leaving = False, asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.set()
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

    def scene_ended(self) -> None:
        """One more scene has its clip or its error."""
        self._ended += 1
        if not self._showing:
            self._showing = True
            self._later(self._show_soon())

    def filmed(self, job: JobState, film: Film) -> None:
        """The film is there."""
        text = [f"[Film: {job.title}]({self._studio}{media_url(film.video.key)})", "", "AI-generated. Its clips:", ""]
        text += [
            f"- [scene {scene.number}]({self._studio}{media_url(scene.clip.video.key)})"
            for scene in job.scenes
            if scene.clip
        ]
        self._later(acreate_markdown_artifact("\n".join(text), description="Film and clips"))

    def _later(self, writing: Awaitable[object]) -> None:
        task = asyncio.create_task(_quietly(writing))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _show_soon(self) -> None:
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(TOGETHER_SECONDS):
                    await self._leaving.wait()
            while self._shown != self._ended:
                await self._show()
        finally:
            self._showing = False

    async def _show(self) -> None:
        """Show the progress; there is none to be seen before a scene has ended."""
        self._shown = self._ended
        if self._progress:
            await aupdate_progress_artifact(self._progress, progress=self._share)
        else:
            self._progress = await acreate_progress_artifact(self._share, description="Scenes that have ended")

    @property
    def _share(self) -> float:
        return 100.0 * self._ended / self._total


async def _quietly(writing: Awaitable[object]) -> None:
    try:
        await writing
    except Exception:
        log.warning("an artifact could not be written", exc_info=True)
