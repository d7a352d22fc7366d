"""Clips → the film, with poster, captions and manifest beside it; a title card where a scene has no clip."""

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final
from uuid import UUID

from tasks.assembly import Assembly, ClipUnusable, FilmScene
from tasks.clips import ClipInfo, jpeg, look_into, still_of
from tasks.files import in_thread
from tasks.ledger import Film, StoredFile
from tasks.media import MediaStore
from tasks.options import VideoOptions

__all__ = ["ClipInfo", "ClipUnusable", "FilmScene", "assemble", "inspect_clip", "make_still"]

_STEP: Final = 0.01  # of the whole: how often progress is told
# Threads of their own: a few long films must not hold up the short work on files, which has the loop's own threads.
_WORKSHOP: Final = ThreadPoolExecutor(max_workers=max(1, os.cpu_count() or 1), thread_name_prefix="film")


class _Stopped(Exception):
    """The one who asked no longer waits."""


async def assemble(
    store: MediaStore,
    *,
    job_id: UUID,
    title: str,
    script: str,
    options: VideoOptions,
    storyboard_strategy: str,
    scenes: Sequence[FilmScene],
    on_progress: Callable[[float], None] | None = None,
) -> Film:
    """Make the film of the scenes, in their order. `on_progress` gets the share done, 0 to 1, in the caller's loop.

    Equal inputs give the same bytes under the same key where clips are copied, and where they are encoded at a width
    that 128 divides (1,280, 1,920). At other widths x264's macroblock tree, as it is in assembly, may weigh a block
    otherwise: the picture is the same to the eye, a few bytes and the key are not. Raises `ClipUnusable`, and
    `MediaError` when no scene has a clip or a file can't be written; a cancellation ends the work soon and leaves
    nothing behind.
    """
    stop, loop, told = threading.Event(), asyncio.get_running_loop(), -1.0

    def tell(share: float) -> None:
        nonlocal told
        if stop.is_set():
            raise _Stopped
        if on_progress and (share - told >= _STEP or share >= 1 > told):
            told = share
            loop.call_soon_threadsafe(on_progress, share)

    assembly = Assembly(store, job_id, title, script, options, storyboard_strategy, scenes, tell)
    return await in_thread(assembly.film, _WORKSHOP, stop=stop.set)


async def inspect_clip(store: MediaStore, file: StoredFile) -> ClipInfo:
    """The shape of a stored clip. Raises `MediaError` when it is not a whole video that plays."""
    return await in_thread(partial(look_into, store.path(file.key), "The clip"))


async def make_still(store: MediaStore, clip_key: str, still_key: str) -> StoredFile:
    """Keep a JPEG of a frame of the clip. Raises `MediaError`."""
    return await in_thread(partial(_make_still, store, clip_key, still_key))


def _make_still(store: MediaStore, clip_key: str, still_key: str) -> StoredFile:
    return store.put_now(still_key, jpeg(still_of(store.path(clip_key), "The clip")))
