"""Making one film from its scenes, step by step. All of it blocks: for use in a thread, through `tasks.film`."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Final
from uuid import UUID

from tasks.captions import Spoken, webvtt
from tasks.clips import jpeg, look_into, still_of
from tasks.files import Draft, MediaError, blocks_of
from tasks.film_plan import Part, Plan, plan
from tasks.joining import join
from tasks.ledger import Clip, Film, StoredFile
from tasks.manifest import SceneRecord, manifest
from tasks.media import MediaStore, film_key, job_prefix
from tasks.options import VideoOptions
from tasks.title_card import title_card
from tasks.wrapping import one_line, wrap

_CHAPTER: Final = 48  # columns of a chapter's title
_JOINING: Final = 0.95  # of the whole; the rest is what lies beside


@dataclass(frozen=True, slots=True)
class FilmScene:
    """One scene as the film needs it; without a clip it becomes a title card."""

    number: int
    description: str
    prompt: str
    duration_seconds: float
    clip: Clip | None = None
    error: str | None = None
    generation_id: str | None = None
    cost_micros: int = 0


class ClipUnusable(MediaError):
    """The clip of one scene is missing or damaged: fetch it again, then assemble."""

    def __init__(self, message: str, scene_number: int) -> None:
        super().__init__(message)
        self.scene_number = scene_number


@dataclass(frozen=True)
class Assembly:
    """One film on its way."""

    store: MediaStore
    job_id: UUID
    title: str
    script: str
    options: VideoOptions
    storyboard_strategy: str
    scenes: Sequence[FilmScene]
    progress: Callable[[float], None]
    _beside: dict[str, bytes] = field(default_factory=dict, init=False)
    """Content by file name."""

    def film(self) -> Film:
        """Join first, so that what lies beside the film can speak of it; then keep all of it under one digest."""
        if not any(scene.clip for scene in self.scenes):
            raise MediaError("No scene has a clip: there is no film to make.")
        with self.store.draft(f"{job_prefix(self.job_id)}/film.mp4") as draft:
            join(
                draft.path,
                self._parts,
                self._plan,
                metadata=self._metadata(),
                chapters=[_chapter(scene) for scene in self.scenes],
                progress=lambda share: self.progress(share * _JOINING),
            )
            kept = self._keep(draft)
        self.progress(1.0)
        return kept

    @cached_property
    def _parts(self) -> list[Part]:
        return [self._part(scene) for scene in self.scenes]

    def _part(self, scene: FilmScene) -> Part:
        if scene.clip is None:
            return Part(scene.number, scene.description, scene.duration_seconds)
        path, name = self.store.path(scene.clip.video.key), f"The clip of scene {scene.number}"
        if not self.store.holds(scene.clip.video, full=True):
            raise ClipUnusable(f"{name} is missing or damaged.", scene.number)
        try:
            info = look_into(path, name)
        except MediaError as error:
            raise ClipUnusable(str(error), scene.number) from error
        self.progress(0.0)  # a chance to stop
        return Part(scene.number, scene.description, info.duration_seconds, path, info)

    @cached_property
    def _plan(self) -> Plan:
        return plan(self._parts)

    def _metadata(self) -> dict[str, str]:
        made = f"AI-generated with Luma {self.options.model.value} by Storyreel"
        return {"title": one_line(self.title), "comment": made, "description": made}

    def _keep(self, draft: Draft) -> Film:
        """Everything beside the film is made and named before the first file of it is kept."""
        size, sha256 = draft.measure()
        captions = self._lay_beside("captions.vtt", self._captions())
        records = [self._record(at, scene) for at, scene in enumerate(self.scenes)]
        poster = self._lay_beside("poster.jpg", self._poster(records))
        told = self._manifest(StoredFile("film.mp4", size, sha256), captions, poster, records)
        digest = self._lay_beside("manifest.json", told).sha256
        kept = {
            name: self.store.put_now(film_key(self.job_id, digest, name), content)
            for name, content in self._beside.items()
        }
        return Film(
            video=draft.keep(film_key(self.job_id, digest)),
            poster=kept["poster.jpg"],
            captions=kept["captions.vtt"],
            manifest=kept["manifest.json"],
            duration_seconds=float(self._plan.borders[-1]),
            width=self._plan.width,
            height=self._plan.height,
        )

    def _lay_beside(self, name: str, content: bytes) -> StoredFile:
        self._beside[name] = content
        return StoredFile(name, len(content), hashlib.sha256(content).hexdigest())

    def _captions(self) -> bytes:
        borders = [round(border * 1000) for border in self._plan.borders]
        times = zip(self.scenes, borders, borders[1:], strict=False)
        return webvtt(Spoken(start, end, scene.description) for scene, start, end in times).encode()

    def _poster(self, records: Sequence[SceneRecord]) -> bytes:
        """The still of the first scene that has a clip."""
        still = next(record.still for record in records if record.clip)
        if still.key in self._beside:
            return self._beside[still.key]
        return b"".join(blocks_of(self.store.path(still.key), "The still of the first clip"))

    def _record(self, at: int, scene: FilmScene) -> SceneRecord:
        start, end = self._plan.borders[at : at + 2]
        return SceneRecord(
            number=scene.number,
            start_seconds=_seconds(start),
            duration_seconds=_seconds(end - start),
            description=scene.description,
            prompt=scene.prompt,
            generation_id=scene.generation_id,
            cost_micros=scene.cost_micros,
            clip=scene.clip.video if scene.clip else None,
            still=self._still_of_scene(at, scene),
            error=scene.error,
        )

    def _still_of_scene(self, at: int, scene: FilmScene) -> StoredFile:
        """The still that was kept with the clip; otherwise one is laid beside the film."""
        if scene.clip and scene.clip.still and self.store.holds(scene.clip.still):
            return scene.clip.still
        part, name = self._parts[at], f"scene-{scene.number:03d}.jpg"
        size = self._plan.width, self._plan.height
        image = still_of(*part.source) if part.path else title_card(part.number, part.text, *size)
        return self._lay_beside(name, jpeg(image))

    def _manifest(
        self, film: StoredFile, captions: StoredFile, poster: StoredFile, records: Sequence[SceneRecord]
    ) -> bytes:
        shape = {
            "durationSeconds": _seconds(self._plan.borders[-1]),
            "width": self._plan.width,
            "height": self._plan.height,
            "fps": float(self._plan.rate),
            "reencoded": not self._plan.copy,
        }
        return manifest(
            title=self.title,
            script=self.script,
            options=self.options,
            storyboard_strategy=self.storyboard_strategy,
            scenes=records,
            film=film,
            shape=shape,
            captions=captions,
            poster=poster,
        )


def _chapter(scene: FilmScene) -> str:
    words = wrap(scene.description, _CHAPTER)
    return f"{scene.number}. {words[0]}{'…' if len(words) > 1 else ''}" if words else f"{scene.number}."


def _seconds(exact: Fraction) -> float:
    return round(float(exact), 6)
