"""The manifest beside a film: what it was made of, by whom, and how, as JSON. Pure: equal inputs, equal bytes."""

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import av
import orjson
import PIL

from tasks.ledger import StoredFile
from tasks.options import VideoOptions

SCHEMA: Final = 1


@dataclass(frozen=True, slots=True)
class SceneRecord:
    """What the manifest says of one scene; times in seconds from the film's start."""

    number: int
    start_seconds: float
    duration_seconds: float
    description: str
    prompt: str
    generation_id: str | None
    cost_micros: int
    clip: StoredFile | None
    still: StoredFile
    error: str | None


def manifest(
    *,
    title: str,
    script: str,
    options: VideoOptions,
    storyboard_strategy: str,
    scenes: Sequence[SceneRecord],
    film: StoredFile,
    shape: Mapping[str, object],
    captions: StoredFile,
    poster: StoredFile,
) -> bytes:
    """The file's bytes. `shape` is what more to say of the film. A file's key is its bare name where it lies beside."""
    said = {
        "schemaVersion": SCHEMA,
        "aiGenerated": True,
        "title": title,
        "scriptSha256": hashlib.sha256(script.encode("utf-8", "surrogatepass")).hexdigest(),
        "options": options.model_dump(mode="json", by_alias=True),
        "storyboardStrategy": storyboard_strategy,
        "film": _file(film) | dict(shape),
        "poster": _file(poster),
        "captions": _file(captions),
        "costUsd": sum(scene.cost_micros for scene in scenes) / 1_000_000,
        "scenes": [_scene(scene) for scene in scenes],
        "versions": versions(),
    }
    return orjson.dumps(said, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _scene(scene: SceneRecord) -> dict[str, object]:
    return {
        "sceneNumber": scene.number,
        "startSeconds": scene.start_seconds,
        "durationSeconds": scene.duration_seconds,
        "description": scene.description,
        "prompt": scene.prompt,
        "generationId": scene.generation_id,
        "costUsd": scene.cost_micros / 1_000_000,
        "clip": _file(scene.clip) if scene.clip else None,
        "still": _file(scene.still),
        "error": scene.error,
    }


def _file(file: StoredFile) -> dict[str, object]:
    return {"file": file.key, "size": file.size, "sha256": file.sha256}


@lru_cache
def versions() -> dict[str, str]:
    """Of Storyreel and of the libraries that the bytes of a film depend on."""
    try:
        own = version("storyreel")
    except PackageNotFoundError:  # run from a checkout
        own = "unreleased"
    libraries = {name: ".".join(map(str, number)) for name, number in av.library_versions.items()}
    return {
        "storyreel": own,
        "python": platform.python_version(),
        "av": av.__version__,
        "pillow": PIL.__version__,
        **libraries,
    }
